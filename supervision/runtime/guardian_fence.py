"""The guardian's part in fencing: it kills what the node should have killed by now.

The node says in advance which processes have to be gone at which moment, again with every renewal of the lease. A node that
is stopped, spins or is being replaced at that moment says nothing more, and the moment counts.
"""

import contextlib
import os
import signal
from typing import Any

from supervision.runtime.clock import Clock
from supervision.runtime.identity import read_stat
from supervision.runtime.log import Log
from supervision.runtime.loop import Loop, Timer
from supervision.runtime.processes import descendants

ROUNDS = 50
"""A process may fork between list and kill: looked at again until nothing is left, so often at most."""


class GuardianFence:
    """Holds what was said last."""

    def __init__(self, loop: Loop, clock: Clock, log: Log) -> None:
        self._loop, self._clock, self._log = loop, clock, log
        self._timer: Timer | None = None
        self._pids: list[tuple[int, int]] = []

    def told(self, body: dict[str, Any]) -> None:
        """A `fence` message: `deadline` (boot seconds, None: nothing is fenced); `pids`, each with its start time or 0."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = body.get("deadline")
        self._pids = [(int(pid), int(start_time)) for pid, start_time in body.get("pids", [])]
        if isinstance(deadline, int | float):
            self._timer = self._loop.call_at(float(deadline), self._fall)

    def _fall(self) -> None:
        self._timer = None
        killed = kill_whole(self._pids)
        self._log.say("fenced processes killed: the node did not", pids=sorted(killed))


def kill_whole(leaders: list[tuple[int, int]]) -> set[int]:
    """SIGKILL each process, its group and all that descends from it, round after round until none lives; which were hit.

    Its group counts because a leader of ours leads a session of its own, and what it double-forked stays in that.
    """
    hit: set[int] = set()
    for _ in range(ROUNDS):
        alive = {pid for pid, start_time in leaders if _is_it(pid, start_time)}
        below = {child for pid in alive | hit for child in descendants(pid)}
        victims = {pid for pid in below | alive if not _is_gone(pid)}
        if not victims:
            break
        for pid in alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        for pid in victims:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        hit |= victims
    return hit


def _is_it(pid: int, start_time: int) -> bool:
    stat = read_stat(pid)
    return stat is not None and (start_time in (0, stat.start_time)) and not stat.is_zombie


def _is_gone(pid: int) -> bool:
    stat = read_stat(pid)
    return stat is None or stat.is_zombie
