"""Processes that an agent starts itself, each with what is to become of it when the agent dies.

    worker = self.spawn_child("encoder", ["ffmpeg", "-i", "live"], when_agent_dies="adopt")
    self.spawn_child("crawl", "shop.crawl:main", arguments=["--depth", "3"])
    self.children()["encoder"]

`stop` (the default): the node ends it, with all that descends from it, before the agent's next life begins. `adopt`: it
lives on, and the next life has it back in `children()`. `continue`: it lives on, also while the agent is stopped, until the
supervisor above the agent is; no life gets it back. The node sees to it, also when the agent was killed with kill -9 in the
moment after the start: the policy stands in the environment that the process was exec'd with. Outside Overstory nobody does.

A process is known by pid and start time, and held by a pidfd: a pid that was given to another process is never signalled.
"""

import os
import re
import select
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from . import _run
from .channel import ASK_LIMIT_S, Channel

if TYPE_CHECKING:
    import subprocess

Policy = Literal["stop", "adopt", "continue"]
POLICIES = ("stop", "adopt", "continue")
STOP_LIMIT_S = 10.0
MARK = "OVERSTORY_MARK"
NOT_FOR_A_CHILD = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "OVERSTORY_AGENT",
    "OVERSTORY_AGENT_ARGUMENTS",
    "OVERSTORY_AGENT_METADATA",
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_START_TIME = 19
"""Field 22 of /proc/PID/stat, counted from behind the name."""


class ChildExists(ValueError):  # noqa: N818  the state's name
    """A living child of the agent has that name."""


class OwnChild:
    """One process. `is_adopted`: an earlier life started it, so that its exit status is nobody's to tell here."""

    def __init__(
        self,
        name: str,
        policy: str,
        pid: int,
        start_time: int,
        pidfd: int,
        started: "subprocess.Popen[bytes] | None",
    ) -> None:
        self.name, self.policy, self.pid, self.start_time = name, policy, pid, start_time
        self._pidfd, self._started = pidfd, started

    def __repr__(self) -> str:
        return f"<child {self.name} pid {self.pid} {self.policy}>"

    @property
    def is_adopted(self) -> bool:
        return self._started is None

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return not self.wait(0.0)

    @property
    def returncode(self) -> int | None:
        """As subprocess says it; None while it lives, and of one that was adopted."""
        return None if self._started is None else self._started.poll()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait, at most so long, for its end; whether it has ended."""
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        if not poll.poll(None if timeout_s is None else max(0.0, timeout_s) * 1000):
            return False
        if self._started is not None:
            self._started.wait()
        return True

    def __del__(self) -> None:
        os.close(self._pidfd)

    async def wait_async(self, timeout_s: float | None = None) -> bool:
        """As `wait`, while the loop goes on."""
        import asyncio

        return await asyncio.to_thread(self.wait, timeout_s)

    def signal(self, number: int) -> bool:
        """Send a signal; False when it has ended."""
        try:
            signal.pidfd_send_signal(self._pidfd, number)
        except ProcessLookupError:
            return False
        return True

    def stop(self, timeout_s: float = STOP_LIMIT_S) -> bool:
        """SIGTERM, and SIGKILL when it has not ended by then; whether it ended by itself. What it left is the node's to end
        with the agent."""
        self.signal(signal.SIGTERM)
        if self.wait(timeout_s):
            return True
        self.signal(signal.SIGKILL)
        self.wait()
        return False


class OwnChildren:
    """Those of one agent in this life. Its methods are called by one thread at a time."""

    def __init__(self, channel: Channel, *, may_have_older: bool) -> None:
        self._channel = channel
        self._children: dict[str, OwnChild] = {}
        self._asks = may_have_older

    def living(self, timeout_s: float = ASK_LIMIT_S) -> dict[str, OwnChild]:
        """By name, with those that earlier lives left to this one: these are asked of the node, once. Raises Unavailable."""
        if self._asks and self._channel.is_supervised:
            found, _ = self._channel.request("children", {}, timeout_s)
            self._asks = False
            for told in found.get("children", ()):
                self._take_over(told)
        for name in [name for name, child in self._children.items() if not child.is_alive]:
            self._channel.unsay(f"child {self._children.pop(name).pid}")
        return dict(self._children)

    def _take_over(self, told: Mapping[str, Any]) -> None:
        pid, start_time = int(told["pid"]), int(told["start_time"])
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return
        if start_time_of(pid) != start_time:  # looked at behind the open: the number is another's
            os.close(pidfd)
            return
        self._add(OwnChild(str(told["name"]), str(told["policy"]), pid, start_time, pidfd, None))

    def spawn(
        self,
        name: str,
        argv: Sequence[str],
        *,
        policy: str,
        environment: Mapping[str, str] | None,
        cwd: str | None,
    ) -> OwnChild:
        """Start a process. Raises ChildExists, ValueError, OSError, Unavailable."""
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"no name for a child: {name!r} (letters, digits, '.', '_', '-'; 63 at most)")
        if policy not in POLICIES:
            raise ValueError(f"no policy: {policy!r} (one of {', '.join(POLICIES)})")
        if name in self.living():
            raise ChildExists(f"the child {name} lives already")
        import subprocess  # an agent without children does without it

        started = subprocess.Popen(
            list(argv),
            env=environment_of(name, policy, environment or {}),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            start_new_session=policy != "stop",  # what is ended with the agent stays in its group
        )
        child = OwnChild(
            name, policy, started.pid, start_time_of(started.pid), os.pidfd_open(started.pid), started
        )
        self._add(child)
        return child

    def _add(self, child: OwnChild) -> None:
        self._children[child.name] = child
        self._channel.keep_saying(
            f"child {child.pid}",
            "child",
            {"name": child.name, "policy": child.policy, "pid": child.pid, "start_time": child.start_time},
        )


def environment_of(name: str, policy: str, own: Mapping[str, str]) -> dict[str, str]:
    """What a child is exec'd with: ours without what is meant for the agent alone, and a mark that says whose it is."""
    environment = {key: value for key, value in os.environ.items() if key not in NOT_FOR_A_CHILD}
    environment.update(own)
    mark = os.environ.get(MARK, "")
    if mark:  # PREFIX:KEY:INCARNATION:ROLE
        environment[MARK] = ":".join([*mark.split(":")[:3], "own", policy, name])
    return environment


def argv_of(program: Any, arguments: Sequence[str]) -> list[str]:
    """`program` as a command: a list of words, `package.module:function`, or a function at the top of a module."""
    if isinstance(program, str):
        entry_point = program
    elif callable(program):
        module, path = getattr(program, "__module__", ""), getattr(program, "__qualname__", "")
        if not module or module == "__main__" or not path or "<" in path:
            raise ValueError(
                f"{program!r} cannot be found by another process: a function at the top of a module can"
            )
        entry_point = f"{module}:{path}"
    else:
        return [*map(str, program), *arguments]
    if ":" not in entry_point:
        raise ValueError(f"no entry point: {entry_point!r} (package.module:function)")
    return [sys.executable, _run.__file__, _run.CALL, entry_point, *arguments]


def start_time_of(pid: int) -> int:
    """In clock ticks since boot; 0 for a process that is gone."""
    try:
        file = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        return int(os.read(file, 4096).rpartition(b")")[2].split()[_START_TIME])
    except (OSError, IndexError):
        return 0
    finally:
        os.close(file)
