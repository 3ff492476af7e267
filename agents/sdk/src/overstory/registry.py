"""Finding each other: names that are unique among the living, in the whole fleet.

    registry.register(channel, "ledger", metadata={"port": 7000})
    found = registry.whereis(channel, "ledger")
    found = registry.wait_for(channel, "ledger", timeout_s=30)

A registration belongs to the life that made it and ends with it. All raise NotSupervised outside Overstory, and Unavailable
while the control plane cannot be asked.
"""

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .channel import ASK_LIMIT_S, Channel
from .errors import Refused, Unavailable

TOPIC = "registry"
LOOK_EVERY_S = 1.0
"""Hints wake a waiter; this is for those that were lost."""


class Taken(Refused):
    """Somebody living holds the name: `holder` says who."""

    @property
    def holder(self) -> Mapping[str, Any]:
        holder = self.details.get("holder")
        return holder if isinstance(holder, Mapping) else {}


@dataclass(frozen=True, slots=True)
class Registration:
    """Who holds a name. `child` is the owner's key, with `node` and `incarnation` its life; empty for one outside of trees,
    which `holder` names. `epoch` grows with each new holder of the name."""

    namespace: str
    key: str
    epoch: int
    child: str
    node: str
    incarnation: int
    holder: str = ""
    service: str = ""
    ready: bool = True
    metadata: Mapping[str, Any] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    labels: Mapping[str, Any] = field(default_factory=dict)


def register(
    channel: Channel,
    key: str,
    *,
    namespace: str = "default",
    metadata: Mapping[str, Any] | None = None,
    capabilities: Iterable[str] = (),
    labels: Mapping[str, str] | None = None,
    service: str = "",
    ready: bool = True,
    timeout_s: float = ASK_LIMIT_S,
) -> Registration:
    """Take the name for as long as this life lasts; again, with other facts, changes them. Raises Taken."""
    body = {
        "namespace": namespace,
        "key": key,
        "metadata": dict(metadata or {}),
        "capabilities": list(capabilities),
        "labels": dict(labels or {}),
        "service": service,
        "ready": ready,
    }
    try:
        return _of(channel.ask("registry.register", body, timeout_s))
    except Refused as refused:
        if refused.code == "held":
            raise Taken(refused.code, refused.message, refused.details) from None
        raise


def unregister(
    channel: Channel, key: str, *, namespace: str = "default", timeout_s: float = ASK_LIMIT_S
) -> bool:
    """Give the name up; False where this life did not hold it."""
    answer = channel.ask("registry.unregister", {"namespace": namespace, "key": key}, timeout_s)
    return bool(answer.get("held"))


def whereis(
    channel: Channel, key: str, *, namespace: str = "default", timeout_s: float = ASK_LIMIT_S
) -> Registration | None:
    """Who holds the name; None for nobody living. Never one of this node whose process had ended when it was asked."""
    answer = channel.ask("registry.whereis", {"namespace": namespace, "key": key}, timeout_s)
    found = answer.get("found")
    return _of(found) if found else None


def find(
    channel: Channel, *, namespace: str = "default", timeout_s: float = ASK_LIMIT_S, **by: Any
) -> list[Registration]:
    """Those that fit all of `by`: capability, service, node, label (name and value), healthy. At most 200, by name."""
    answer = channel.ask("registry.find", {"namespace": namespace, **by}, timeout_s)
    return [_of(each) for each in answer["items"]]


def wait_for(
    channel: Channel, key: str, *, namespace: str = "default", timeout_s: float
) -> Registration | None:
    """Wait until somebody holds the name; None when nobody did in time. A control plane that is away is waited for, too."""
    changed = threading.Event()
    until = time.monotonic() + timeout_s
    channel.subscribe(TOPIC, lambda _: changed.set())
    while (left := until - time.monotonic()) > 0:
        changed.clear()
        try:
            found = whereis(channel, key, namespace=namespace, timeout_s=min(ASK_LIMIT_S, left))
        except Unavailable:
            found = None
        if found is not None:
            return found
        changed.wait(min(LOOK_EVERY_S, max(0.0, until - time.monotonic())))
    return None


def _of(told: Mapping[str, Any]) -> Registration:
    return Registration(
        namespace=str(told["namespace"]),
        key=str(told["key"]),
        epoch=int(told["epoch"]),
        child=str(told.get("child") or ""),
        node=str(told.get("node") or ""),
        incarnation=int(told.get("incarnation") or 0),
        holder=str(told.get("holder") or ""),
        service=str(told.get("service") or ""),
        ready=bool(told.get("ready", True)),
        metadata=dict(told.get("metadata") or {}),
        capabilities=tuple(told.get("capabilities") or ()),
        labels=dict(told.get("labels") or {}),
    )
