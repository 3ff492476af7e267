"""What a tree takes with it when another node takes it over: what was stopped, held, and added to it by hand.

It is part of the record that the tree was applied, so that there is no moment at which a stopped child could start.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from supervision.kernel import Kernel
from supervision.kernel.events import Call, HoldKey, StartChild, StopKey, event_from_json

REF = "carried"


@dataclass(frozen=True, slots=True)
class Carry:
    """Keys that stay stopped; held keys, each until a boot time or for ever (None); requests for dynamic children."""

    stopped: tuple[str, ...] = ()
    held: Mapping[str, float | None] = field(default_factory=dict)
    dynamic: tuple[StartChild, ...] = ()

    @classmethod
    def from_request(cls, body: Any, *, wall: float, boot: float) -> Self:
        """From the store, where times are Unix seconds. ValueError for what is none."""
        if body is None:
            return cls()
        if not isinstance(body, dict):
            raise ValueError("is an object")
        stopped, held = body.get("stopped", []), body.get("held", {})
        if not isinstance(stopped, list) or not all(isinstance(key, str) for key in stopped):
            raise ValueError("names its stopped keys in a list")
        if not isinstance(held, dict) or not all(
            until is None or isinstance(until, int | float) for until in held.values()
        ):
            raise ValueError("gives each held key a time or null")
        until = {key: None if at is None else max(boot, at - wall + boot) for key, at in held.items()}
        return cls(tuple(stopped), until, _requests(body.get("dynamic", [])))

    @classmethod
    def from_record(cls, body: Mapping[str, Any]) -> Self:
        return cls(tuple(body["stopped"]), dict(body["held"]), _requests(body["dynamic"]))

    def to_record(self) -> dict[str, Any]:
        return {
            "stopped": list(self.stopped),
            "held": dict(self.held),
            "dynamic": [request.to_json() for request in self.dynamic],
        }

    def put_into(self, kernel: Kernel, now: float) -> None:
        """Before the kernel begins: what is stopped and held then stands when it does."""
        for key in self.stopped:
            kernel.handle(Call(REF, StopKey(key)), now=now)
        for key, until in self.held.items():
            kernel.handle(Call(REF, HoldKey(key, until)), now=now)


def _requests(body: Any) -> tuple[StartChild, ...]:
    if not isinstance(body, list):
        raise ValueError("lists its dynamic children")
    try:
        found = [event_from_json(_as_term(item)) for item in body]
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"has a dynamic child that cannot be read: {error}") from error
    requests = tuple(request for request in found if isinstance(request, StartChild))
    if len(requests) != len(found):
        raise ValueError("lists its dynamic children as requests to start them")
    return requests


def _as_term(item: Any) -> list[Any]:
    if not isinstance(item, list):
        raise TypeError("no list")
    return item
