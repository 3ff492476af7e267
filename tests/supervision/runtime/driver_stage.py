"""A process driver with processes in memory and a clock moved by hand, and what its owner hears of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supervision.runtime.clock import ManualClock
from supervision.runtime.kinship import Leader
from supervision.runtime.launch_plans import Reports, nothing_given
from supervision.runtime.launch_spec import LaunchPlan
from supervision.runtime.listeners import Listeners
from supervision.runtime.loop import Loop
from supervision.runtime.nodesettings import AllowList
from supervision.runtime.output import OutputStore
from supervision.runtime.process_driver import ProcessDriver
from supervision.runtime.run import Run
from supervision.runtime.treedoc import parse_tree
from tests.supervision.runtime.fake_table import FakeTable

KEY = "t/a"
PROGRAM, BEFORE, BEFORE2, AFTER, AFTER2 = "/bin/sleep", "/bin/true", "/bin/echo", "/bin/false", "/bin/cat"
JOBS = {"pre_start": [[BEFORE], [BEFORE2]], "post_stop": [[AFTER], [AFTER2]]}
OURS = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "DATABASE_URL": "postgres://hunter2",
    "REDIS_URL": "redis://hunter2",
    "SECRET_KEY": "hunter2",
    "OVERSTORY_SECRET_TOKEN": "hunter2",
    "OVERSTORY_SECRET_KEY": "hunter2",
    "OVERSTORY_GUARDIAN_FDS": "{}",
    "OVERSTORY_GUARDIAN_STATE": "{}",
    "NOTIFY_SOCKET": "/run/systemd/notify",
    "WATCHDOG_USEC": "1",
    "WATCHDOG_PID": "1",
    "LISTEN_FDS": "3",
    "LISTEN_PID": "1",
    "LISTEN_FDNAMES": "x",
    "JOURNAL_STREAM": "8:1",
    "INVOCATION_ID": "x",
    "OVERSTORY_CHILD": "outer/child",
    "OVERSTORY_MARK": "outer",
}


@dataclass
class Events:
    """What the kernel's owner hears, in words."""

    heard: list[str] = field(default_factory=list)
    records: bool = True
    """Whether a new stage can be recorded."""

    def started(self, key: str, incarnation: int, leader: Leader) -> None:
        self.heard.append(f"started {leader.role}")

    def forking(self, key: str, incarnation: int) -> None:
        self.heard.append("forking")

    def stage(self, run: Run, leader: Leader) -> bool:
        self.heard.append(f"stage {leader.role}")
        return self.records

    def start_failed(self, key: str, incarnation: int, reason: str) -> None:
        self.heard.append(reason)

    def ready(self, key: str, incarnation: int) -> None:
        self.heard.append("ready")

    def exited(self, run: Run, reason: str, leader: Leader | None) -> None:
        self.heard.append(f"exited {reason}")

    def take(self) -> list[str]:
        heard, self.heard = self.heard, []
        return heard


class Stage:
    """A driver and everything around it."""

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str] = OURS,
        reporting: Reports = nothing_given,
        **allow: Any,
    ) -> None:
        self.clock = ManualClock()
        self.loop = Loop(self.clock)
        self.table = FakeTable()
        self.events = Events()
        self.driver = ProcessDriver(
            loop=self.loop,
            clock=self.clock,
            table=self.table,  # type: ignore[arg-type]
            events=self.events,
            output=OutputStore(directory),
            listeners=Listeners(None, {}),
            cgroup=None,
            node_id="0123456789abcdef",
            notify_path="/run/notify",
            agent_path="/run/agent",
            environment=environment,
            allow=AllowList(**{"root_children": True, **allow}),
            as_root=False,
            reporting=reporting,
        )
        self.incarnation = 0
        self.body: Mapping[str, Any] = {}

    def start(self, **process: Any) -> None:
        """Start the child, or its next life."""
        if process or not self.body:
            self.body = body(**process)
        self.incarnation += 1
        self.driver.start(KEY, self.incarnation, self.body)

    @property
    def run(self) -> Run:
        return self.driver.runs[KEY]

    @property
    def leader(self) -> Leader:
        assert self.run.leader is not None
        return self.run.leader

    @property
    def plan(self) -> LaunchPlan:
        return self.table.plans[self.leader.pid]

    @property
    def program(self) -> str:
        return self.plan.argv[0]

    def end(self, status: int | None = 0) -> None:
        self.table.end(self.leader, status)

    def signal(self) -> None:
        self.driver.signal(KEY, self.incarnation)

    def kill(self, cause: str) -> None:
        self.driver.kill(KEY, self.incarnation, cause)

    def later(self, seconds: float) -> None:
        self.clock.jump(seconds)
        self.loop.run_once(at_most=0)

    def timers(self) -> int:
        return sum(not timer.cancelled for _, _, timer in self.loop._timers)


def body(**process: Any) -> Mapping[str, Any]:
    """A child's body as a tree file makes it."""
    child = {"id": "a", "process": {"command": [PROGRAM, "60"], **process}}
    document = {"version": 1, "tree": "t", "supervisor": {"children": [child]}}
    return parse_tree(document).spec.children[0].body
