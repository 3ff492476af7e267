"""Who holds a task: `node id/child key/incarnation/pid` of a worker's main process. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Holder:
    """A life of a child. `key` holds slashes itself: the node stands before the first, two numbers behind the last ones."""

    node_id: str
    key: str
    incarnation: int
    pid: int

    @property
    def tree(self) -> str:
        return self.key.partition("/")[0]

    def __str__(self) -> str:
        return f"{self.node_id}/{self.key}/{self.incarnation}/{self.pid}"


def read_holder(text: str) -> Holder | None:
    """None for what names no holder: a worker outside Overstory has none."""
    node_id, _, rest = text.partition("/")
    parts = rest.rsplit("/", 2)
    if len(parts) != 3 or not node_id or not parts[0]:
        return None
    key, incarnation, pid = parts
    if not (incarnation.isdecimal() and pid.isdecimal() and len(incarnation) < 19 and len(pid) < 10):
        return None
    return Holder(node_id, key, int(incarnation), int(pid))
