"""The last desired state of each tree on local disk: what the node starts from when every store is away."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class DesiredTree:
    """One tree as it was last applied: its normalised document, revision (from 1), digest, message, Unix time.

    `origin`: "store", or "local" for what was applied through the control socket and is nobody else's yet. `epoch` is that
    of its placement here. Under `fence` it runs only while its lease is confirmed.
    """

    name: str
    revision: int
    digest: str
    message: str
    applied_at: float
    document: dict[str, Any]
    origin: str = "local"
    epoch: int = 0
    fence: bool = False

    def to_json(self) -> dict[str, Any]:
        return {
            "v": 1,
            "name": self.name,
            "revision": self.revision,
            "digest": self.digest,
            "message": self.message,
            "applied_at": self.applied_at,
            "document": self.document,
            "origin": self.origin,
            "epoch": self.epoch,
            "fence": self.fence,
        }

    @classmethod
    def from_json(cls, body: dict[str, Any]) -> "DesiredTree":
        return cls(
            body["name"],
            body["revision"],
            body["digest"],
            body["message"],
            body["applied_at"],
            body["document"],
            body.get("origin", "local"),
            body.get("epoch", 0),
            body.get("fence", False),
        )


class DesiredStore:
    """`desired/<tree>.json`, replaced whole, so that a reader sees the old or the new one.

    No fsync: the node must not wait for a disk; the journal, synced each second, has the document too."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def write(self, tree: DesiredTree) -> None:
        temporary = self.directory / f".{tree.name}.new"
        temporary.write_text(json.dumps(tree.to_json()))
        temporary.rename(self.directory / f"{tree.name}.json")

    def read(self, name: str) -> DesiredTree | None:
        try:
            return DesiredTree.from_json(json.loads((self.directory / f"{name}.json").read_text()))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def remove(self, name: str) -> None:
        (self.directory / f"{name}.json").unlink(missing_ok=True)
