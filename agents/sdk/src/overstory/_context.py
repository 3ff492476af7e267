"""What an agent knows about itself: told by the node, or made up where it runs by hand."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class CheckpointPolicy:
    """How checkpoints are kept. `max_age_s`: older ones go, but the newest stays; None: no bound."""

    keep: int = 3
    max_age_s: float | None = None
    max_bytes: int = 1024 * 1024

    @classmethod
    def of(cls, told: Any) -> "CheckpointPolicy":
        """From the fields of a tree; what is left out has its default."""
        told = told if isinstance(told, Mapping) else {}
        age = told.get("max_age")
        return cls(
            keep=int(told.get("keep", 3)),
            max_age_s=None if age is None else float(age),
            max_bytes=int(told.get("max_bytes", 1024 * 1024)),
        )


@dataclass(frozen=True, slots=True)
class AgentContext:
    """`key` and `incarnation` are empty and 0 outside Overstory. `heartbeat_s`: a sign of life is due so often, if any."""

    key: str = ""
    incarnation: int = 0
    node: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    namespace: str = "default"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    heartbeat_s: float | None = None
    checkpoint: CheckpointPolicy = field(default_factory=CheckpointPolicy)
    config: str = ""
    revision: int | None = None

    @classmethod
    def of(
        cls, told: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
    ) -> "AgentContext":
        """From what the node told; who it is stands in the environment unless `told` says so. Unknown fields are ignored."""
        told = told or {}
        environ = os.environ if environ is None else environ
        heartbeat = told.get("heartbeat_s")
        return cls(
            key=str(told.get("key") or environ.get("OVERSTORY_CHILD", "")),
            incarnation=int(told.get("incarnation") or environ.get("OVERSTORY_INCARNATION") or 0),
            node=str(told.get("node") or environ.get("OVERSTORY_NODE", "")),
            arguments=dict(told.get("arguments") or {}),
            namespace=str(told.get("namespace") or "default"),
            metadata=dict(told.get("metadata") or {}),
            capabilities=tuple(told.get("capabilities") or ()),
            heartbeat_s=None if heartbeat is None else float(heartbeat),
            checkpoint=CheckpointPolicy.of(told.get("checkpoint")),
            config=str(told.get("config") or ""),
            revision=told.get("revision"),
        )
