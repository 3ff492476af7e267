"""The processes of ours by pid, how many of them are the node's own children, and who else is theirs: the guardian.

The count is what a look at our children is compared with: one more than we know of is somebody unknown.
"""

import os

from supervision.runtime.identity import Stat
from supervision.runtime.kinship import Kinship, Leader
from supervision.runtime.processes import OwnChildrenCounter


class OwnProcesses:
    """What is known. `count`: direct children of the node, zombies included, as long as they are ours to reap."""

    def __init__(self, kinship: Kinship, guardian_pid: int | None) -> None:
        self.leaders = kinship.leaders
        self.guardian_pid = guardian_pid
        """None once it is dead: its number may be somebody else's, whose children are not ours to end."""
        self.beside: set[int] = set()
        """Processes of ours that are none of the users': helpers, templates, spares."""
        self.zombies: dict[int, Leader] = {}
        """Ours, ended, kept until somebody has recorded how."""
        self.count = 0
        self._counter = OwnChildrenCounter()

    def are_all(self) -> bool:
        """Whether the node has no more children than are known."""
        return self._counter.is_at_most(self.count)

    def know(self, pid: int) -> bool:
        return pid in self.leaders or pid in self.beside or pid in self.zombies or pid == os.getpid()

    def parent_of(self, stat: Stat) -> str:
        """As Leader.parent."""
        return (
            "node" if stat.ppid == os.getpid() else "guardian" if stat.ppid == self.guardian_pid else "other"
        )

    def guardian_died(self) -> None:
        """Its children are init's now, and so will be what they leave."""
        self.guardian_pid = None
        for leader in self.leaders.values():
            if leader.parent == "guardian":
                leader.parent = "other"

    def helper_started(self, pid: int, *, direct: bool = True) -> None:
        """A process that is nobody's child in a tree; `direct`: a child of the node, not of a template."""
        self.beside.add(pid)
        self.count += direct

    def helper_ended(self, pid: int, *, direct: bool = True) -> None:
        """After its reap, or when it becomes a leader."""
        self.beside.discard(pid)
        self.count -= direct

    def close(self) -> None:
        self._counter.close()
