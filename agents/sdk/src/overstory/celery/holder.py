"""Who holds an unacknowledged message: `node id/child key/incarnation/pid` of a worker's main process."""

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holder:
    """One main process of a supervised worker."""

    node: str
    key: str
    incarnation: int
    pid: int

    def __str__(self) -> str:
        return f"{self.node}/{self.key}/{self.incarnation}/{self.pid}"

    @property
    def life(self) -> tuple[str, str, int]:
        """What a node and the control plane know it by."""
        return (self.node, self.key, self.incarnation)

    @classmethod
    def parse(cls, text: str) -> "Holder | None":
        """None for what nobody of ours wrote. A child's key holds slashes itself."""
        node, _, rest = text.partition("/")
        parts = rest.rsplit("/", 2)
        if len(parts) != 3 or not parts[1].isdecimal() or not parts[2].isdecimal():
            return None
        return cls(node, parts[0], int(parts[1]), int(parts[2]))

    @classmethod
    def of_this_process(cls) -> "Holder | None":
        """None outside Overstory."""
        key = os.environ.get("OVERSTORY_CHILD", "")
        if not key:
            return None
        incarnation = os.environ.get("OVERSTORY_INCARNATION", "0")
        return cls(
            os.environ.get("OVERSTORY_NODE", ""),
            key,
            int(incarnation) if incarnation.isdecimal() else 0,
            os.getpid(),
        )
