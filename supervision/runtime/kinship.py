"""Whose a process is: the leaders we started, their descendants, and the evidence that ties one to the other.

A descendant that stays below its child needs no evidence. One that left (its parent died, so that it is a direct child of
node, guardian or init now) still tells by its session or group, by the marker in its environment, or by the output file it
inherited. What scrubbed all of these is a stray while its child lives, and may be anybody's when a child ends.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from supervision.runtime.identity import Stat
from supervision.runtime.own_children import OwnChild, OwnChildren, named_in
from supervision.runtime.processes import read_mark
from supervision.runtime.spare_files import DIRECTORY


@dataclass(slots=True, eq=False)
class Leader:
    """A process we started or adopted: a child's main process, or a job that runs before or after it.

    `parent`: whose direct child it is: "node", "template", "guardian", or "other" when both were dead once (init's).
    `template`: the pid of its parent, where that is one.
    `victims`: pids that descended from it and are being killed; its end is told when none is left.
    """

    key: str
    incarnation: int
    role: str
    pid: int
    pidfd: int
    parent: str
    on_gone: "Callable[[Leader], None]"
    keep_descendants: bool = False
    start_time: int | None = None
    inode: int | None = None
    asked_signal: int | None = None
    killed_for: str | None = None
    status: int | None = None
    status_source: str = "none"
    victims: frozenset[int] = frozenset()
    retries: int = 0
    ended: bool = False
    template: int | None = None


@dataclass(slots=True, eq=False)
class Relative:
    """A process that is not a leader: a descendant owned by `owner`, or a stray while `owner` is None.

    `origin`: the child it certainly came from, whether or not that life goes on. `shown`: announced as a stray.
    `own`: what an agent said of it, where the agent started it itself or started what it descends from.
    """

    pid: int
    pidfd: int
    parent: str
    owner: str | None
    origin: str | None
    since: float
    start_time: int
    facts: dict[str, Any]
    shown: bool = False
    awaited_by: list[Leader] = field(default_factory=list)
    own: OwnChild | None = None

    def may_descend_from(self, leader: Leader) -> bool:
        """Nobody living owns it, and nothing says that it came from elsewhere. Without a start time all may."""
        if self.owner is not None:
            return self.owner == leader.key
        if self.origin is not None:
            return self.origin == leader.key
        return not leader.start_time or self.start_time >= leader.start_time


@dataclass(frozen=True, slots=True)
class Mark:
    """What OVERSTORY_MARK says: which incarnation of which child, and which of its processes, carries it."""

    key: str
    incarnation: int
    role: str


def parse_mark(text: str | None, prefix: str) -> Mark | None:
    """`PREFIX key:incarnation:role`; None for what is not one of ours."""
    if text is None or not text.startswith(prefix):
        return None
    key, _, rest = text.removeprefix(prefix).partition(":")
    number, _, role = rest.partition(":")
    return Mark(key, int(number), role) if number.isdecimal() and role else None


class Kinship:
    """The leaders that live or are ending, and the questions that their descendants raise."""

    def __init__(self, mark_prefix: str, logs_dir: str, own: OwnChildren) -> None:
        self.mark_prefix, self.own = mark_prefix, own
        self.logs_dir = os.path.realpath(logs_dir)
        self._spares = os.path.join(self.logs_dir, DIRECTORY, "")
        self.leaders: dict[int, Leader] = {}
        """The living, by pid."""
        self.ending: dict[int, Leader] = {}
        """Ended, and some of what descended from them is not gone yet, by the pid they had."""
        self.keeps: Callable[[str], bool] = lambda key: False
        """Whether the descendants of a child stay when an incarnation of it ends."""
        self.adopted: dict[int, tuple[int, str]] = {}
        """pid -> (start time, key) of strays that an operator gave to a child."""
        self._lives: dict[tuple[str, int], Leader] = {}

    def add(self, leader: Leader) -> None:
        self.leaders[leader.pid] = leader
        self._lives[leader.key, leader.incarnation] = leader

    def remove(self, leader: Leader) -> None:
        """It is no longer alive."""
        if self.leaders.get(leader.pid) is leader:
            del self.leaders[leader.pid]
        if self._lives.get((leader.key, leader.incarnation)) is leader:
            del self._lives[leader.key, leader.incarnation]

    def trace(self, relative: Relative, stat: Stat) -> None:
        """Find the owner and the origin of a process that lost its parent, and what an agent said of it."""
        relative.own = self.own_of(relative.pid, stat)
        relative.owner, relative.origin = self.whose(relative.pid, stat, relative.own)

    def own_of(self, pid: int, stat: Stat) -> OwnChild | None:
        """What an agent said of a process that it started, in words or by the mark."""
        told = self.own.told(pid, stat.start_time)
        if told is not None:
            return told
        mark = parse_mark(read_mark(pid), self.mark_prefix)
        named = named_in(mark.role) if mark is not None else None
        if mark is None or named is None:
            return None
        policy, name = named
        return OwnChild(mark.key, mark.incarnation, name, policy, pid, stat.start_time)

    def whose(self, pid: int, stat: Stat, own: OwnChild | None) -> tuple[str | None, str | None]:
        """(owner, origin) of a process that lost its parent: the child it belongs to, and the one it came from."""
        for number in (stat.session, stat.pgrp):
            leader = self.leaders.get(number) or self.ending.get(number)
            if leader is not None and number != pid:
                return (None if leader.ended else leader.key), leader.key
        adopted = self.adopted.get(pid)
        if adopted is not None and stat.start_time == adopted[0]:
            return adopted[1], adopted[1]
        if own is not None:
            lives = (own.key, own.incarnation) in self._lives
            return (own.key if lives or self.own.outlives(own) else None), own.key
        mark = parse_mark(read_mark(pid), self.mark_prefix)
        if mark is not None:
            lives = (mark.key, mark.incarnation) in self._lives
            return (mark.key if lives or self.keeps(mark.key) else None), mark.key
        return None, self._by_output(pid)

    def _by_output(self, pid: int) -> str | None:
        """The child whose output file is still open as the process's standard output or error."""
        for descriptor in (1, 2):
            try:
                path = os.readlink(f"/proc/{pid}/fd/{descriptor}")
            except OSError:
                continue
            if path.startswith(self.logs_dir + "/") and not path.startswith(self._spares):
                return os.path.dirname(path)[len(self.logs_dir) + 1 :]
        return None
