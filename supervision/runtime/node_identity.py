"""Who this node is: an id made once, and the epoch of its record stream."""

import json
import os
from dataclasses import dataclass

from supervision.runtime.paths import Paths


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """`node_id`: 32 hex digits. `stream_epoch`: grows when the journal had to begin anew, so that numbers never mix."""

    node_id: str
    stream_epoch: int

    @property
    def mark_prefix(self) -> str:
        """How the markers in our children's environments begin."""
        return self.node_id[:8] + ":"

    @classmethod
    def load(cls, paths: Paths) -> "NodeIdentity":
        """From node.json; made where there is none. A journal that is gone although we existed starts a new epoch."""
        has_journal = any(paths.journal_dir.glob("*.journal"))
        try:
            body = json.loads(paths.node_json.read_text())
            known = cls(str(body["node_id"]), int(body["stream_epoch"]))
        except (OSError, ValueError, KeyError, TypeError):
            return cls(os.urandom(16).hex(), 1)._write(paths)
        return known if has_journal else cls(known.node_id, known.stream_epoch + 1)._write(paths)

    def _write(self, paths: Paths) -> "NodeIdentity":
        temporary = paths.node_json.with_suffix(".new")
        with temporary.open("w") as file:
            json.dump({"v": 1, "node_id": self.node_id, "stream_epoch": self.stream_epoch}, file)
            file.flush()
            os.fsync(
                file.fileno()
            )  # written once in a node's life; an empty file after a power cut would end that
        temporary.rename(paths.node_json)
        return self
