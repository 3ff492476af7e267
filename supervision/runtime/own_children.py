"""Children that agents started themselves, each with what is to become of it when its agent's life ends.

    stop      ended with the life that started it, before the next one begins
    adopt     lives on while its agent is to run; the next life gets it back
    continue  lives on also while its agent is stopped; ends with the supervisor above, or when the agent is removed

An agent tells of each through the gateway, and each carries it in its mark (`PREFIX key:incarnation:own:POLICY:NAME`), so
that the kernel shows it before anybody was told. Both survive kill -9 of agent, node and guardian: the journal has what was
told, the environment has the mark. Limit: what was not told yet and overwrites its environment is a stray like any other.
"""

import contextlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from supervision.runtime.loop import Loop

ROLE = "own"
STOP, ADOPT, CONTINUE = "stop", "adopt", "continue"
POLICIES = (STOP, ADOPT, CONTINUE)
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
MAX_OF_ONE = 1000
"""Of one agent that are watched and shown; past it only the mark tells."""


@dataclass(frozen=True, slots=True)
class OwnChild:
    """A process that the agent `key` started in its life `incarnation`, under a name of its own."""

    key: str
    incarnation: int
    name: str
    policy: str
    pid: int
    start_time: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "OwnChild":
        """KeyError, TypeError, ValueError for what is none."""
        found = cls(
            key=str(body["key"]),
            incarnation=int(body["incarnation"]),
            name=str(body["name"]),
            policy=str(body["policy"]),
            pid=int(body["pid"]),
            start_time=int(body["start_time"]),
        )
        if found.policy not in POLICIES or NAME.fullmatch(found.name) is None:
            raise ValueError(f"no child of an agent: {body!r}")
        return found


def named_in(role: str) -> tuple[str, str] | None:
    """(policy, name) of the role in a mark; None for one of ours."""
    kind, _, rest = role.partition(":")
    policy, _, name = rest.partition(":")
    return (policy, name) if kind == ROLE and policy in POLICIES and NAME.fullmatch(name) else None


class OwnChildren:
    """Those that live, by agent. `record` writes what happened to one; `wanted` is the trees'."""

    def __init__(self, loop: Loop, record: Callable[[str, OwnChild], Any]) -> None:
        self._loop, self._record = loop, record
        self.wanted: Callable[[str], bool] = lambda key: False
        """Whether a child or supervisor is to run."""
        self.exists: Callable[[str], bool] = lambda key: False
        self._by_pid: dict[int, tuple[OwnChild, int]] = {}
        """With its pidfd."""
        self._pids: dict[str, set[int]] = {}
        """Of each agent that has any."""

    def add(self, child: OwnChild, what: str) -> bool:
        """Watch it until it ends, under the life it belongs to now; False where that is not done. The caller has compared
        pid and start time."""
        known = self._by_pid.get(child.pid)
        if known is not None and known[0].start_time == child.start_time:
            if known[0] != child:
                self._by_pid[child.pid] = (child, known[1])
                self._record(what, child)
            return True
        if len(self._pids.get(child.key, ())) >= MAX_OF_ONE:
            return False
        try:
            pidfd = os.pidfd_open(child.pid)
        except OSError:
            return False
        if known is not None:  # its number is another's by now
            self._ended(known[0])
        self._watch(child, pidfd)
        self._record(what, child)
        return True

    def _watch(self, child: OwnChild, pidfd: int) -> None:
        self._by_pid[child.pid] = (child, pidfd)
        self._pids.setdefault(child.key, set()).add(child.pid)
        self._loop.watch(pidfd, lambda: self._ended(child))

    def tell(self, child: OwnChild) -> bool:
        """Its agent says that it has it; again with each new connection."""
        known = self.told(child.pid, child.start_time)
        return self.add(child, "started" if known is None else "adopted")

    def left_to(self, key: str, incarnation: int) -> list[OwnChild]:
        """Those that this life of an agent gets back."""
        return [own for own in self.of(key) if own.policy == ADOPT and own.incarnation != incarnation]

    def kept(self, child: OwnChild) -> None:
        """The life that started it is over, and it lives on."""
        known = self._by_pid.get(child.pid)
        if known is None or known[0].start_time != child.start_time:
            self.add(child, "kept")
        else:
            self._record("kept", child)

    def restore(self, child: OwnChild) -> None:
        """One that a dead node knew, and that lives."""
        with contextlib.suppress(OSError):
            self._watch(child, os.pidfd_open(child.pid))

    def _ended(self, child: OwnChild) -> None:
        known = self._by_pid.pop(child.pid, None)
        if known is not None:
            pids = self._pids[child.key]
            pids.discard(child.pid)
            if not pids:
                del self._pids[child.key]
            self._loop.unwatch(known[1])
            os.close(known[1])
            self._record("ended", known[0])

    def told(self, pid: int, start_time: int) -> OwnChild | None:
        """What is known of a process."""
        known = self._by_pid.get(pid)
        return known[0] if known is not None and known[0].start_time == start_time else None

    def of(self, key: str) -> list[OwnChild]:
        """Of one agent, by name."""
        found = (self._by_pid[pid][0] for pid in self._pids.get(key, ()))
        return sorted(found, key=lambda child: (child.name, child.pid))

    def outlives(self, child: OwnChild) -> bool:
        """Whether it is to live on without the life that started it."""
        if child.policy == ADOPT:
            return self.wanted(child.key)
        return (
            child.policy == CONTINUE and self.exists(child.key) and self.wanted(child.key.rpartition("/")[0])
        )

    def to_json(self) -> dict[str, Any]:
        """For a snapshot: pid -> facts."""
        return {str(pid): child.to_json() for pid, (child, _) in self._by_pid.items()}

    def close(self) -> None:
        """The processes live on."""
        for _, pidfd in self._by_pid.values():
            os.close(pidfd)
        self._by_pid.clear()
        self._pids.clear()
