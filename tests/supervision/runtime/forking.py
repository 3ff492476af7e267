"""Orders for forked agents, and a real template to give them to."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supervision.runtime.clock import SystemClock
from supervision.runtime.forking import Forking, TemplateKey
from supervision.runtime.launch_spec import LaunchPlan
from supervision.runtime.loop import Loop
from supervision.runtime.template_order import Forked, ForkOrder
from supervision.runtime.templates import Templates
from tests.supervision.runtime.spawning import launcher

AGENT = """
import os, sys, time
from overstory.agent import Agent

class Quiet(Agent):
    def run(self):
        while not self.wait_stopping(60):
            pass

class Ends(Agent):
    def run(self):
        sys.exit(int(self.context.arguments["status"]))

class Speaks(Agent):
    def run(self):
        print(eval(self.context.arguments["code"]), flush=True)
"""


@dataclass
class Table:
    """What is told of helpers; all of them are gone in the end."""

    beside: set[int] = field(default_factory=set)
    ended: list[int] = field(default_factory=list)

    def helper_started(self, pid: int, *, direct: bool = True) -> None:
        assert pid not in self.beside
        self.beside.add(pid)

    def helper_ended(self, pid: int, *, direct: bool = True) -> None:
        self.beside.remove(pid)

    def template_ended(self, template: int) -> None:
        self.ended.append(template)


@dataclass
class Answer:
    """What came of one order."""

    order: ForkOrder
    forked: list[Forked] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def is_there(self) -> bool:
        return bool(self.forked or self.refused)

    @property
    def process(self) -> Forked:
        assert len(self.forked) == 1
        assert not self.refused, self.refused
        return self.forked[0]


def order_for(
    directory: Path, key: TemplateKey, name: str = "t/a", *, spares: int = 0, **more: Any
) -> Answer:
    """An order for the agent `more["entry_point"]`, and the place where its answer comes."""
    entry_point = more.pop("entry_point", "shop:Quiet")
    own = {
        "OVERSTORY_CHILD": name,
        "OVERSTORY_INCARNATION": "1",
        "OVERSTORY_MARK": f"01234567:{name}:1:main",
        **more.pop("own", {}),
    }
    out = directory / name.replace("/", "-")
    plan = LaunchPlan(
        argv=[key.python, "run", entry_point],
        environment=own,
        cwd=more.pop("cwd", key.cwd),
        stdout=f"{out}.out",
        stderr=f"{out}.err",
        **more,
    )
    answer: Answer
    order = ForkOrder(
        key=key,
        owner=name,
        spares=spares,
        entry_point=entry_point,
        plan=plan,
        own=own,
        comm=name.rpartition("/")[2],
        on_forked=lambda forked: answer.forked.append(forked),
        on_refused=lambda why: answer.refused.append(why),
        on_broken=lambda why: answer.broken.append(why),
    )
    answer = Answer(order)
    return answer


class Yard:
    """Real templates in a loop of their own; everything of them ends with `close`."""

    def __init__(self, directory: Path, modules: dict[str, str] | None = None) -> None:
        self.directory = directory
        for name, source in {"shop": AGENT, **(modules or {})}.items():
            (directory / f"{name}.py").write_text(source)
        self.loop = Loop(SystemClock())
        self.table = Table()
        self.records: list[dict[str, Any]] = []
        self._launcher = launcher()
        self.templates = Templates(
            loop=self.loop,
            launcher=self._launcher,
            table=self.table,
            mark_prefix="01234567:",
            directory=str(directory / "templates"),
            record=self.records.append,
        )

    def key(self, *modules: str, **environment: str) -> TemplateKey:
        forking = Forking("", sys.executable, modules or ("shop",), 0)
        told = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environment}
        return TemplateKey.of(forking, cwd=str(self.directory), user=None, environment=told)

    def until(self, done: Callable[[], Any], timeout_s: float = 60.0) -> None:
        """Turn the loop until `done`; it is looked at after each round."""
        clock = self.loop.clock
        end = clock.boot() + timeout_s
        while not done():
            assert clock.boot() < end, (self.records, self.templates.to_json(), self.logs())
            self.loop.run_once(at_most=0.05)

    def logs(self) -> str:
        return "".join(path.read_text() for path in (self.directory / "templates").glob("*.log"))

    def pool(self) -> dict[str, Any]:
        (pool,) = self.templates.to_json()
        return pool

    def wait_spares(self, count: int) -> None:
        self.until(lambda: self.pool()["spares"] == count)

    def close(self) -> None:
        self.templates.close()
        self.loop.close()
        self._launcher.close()
        assert not self.table.beside


def end(process: Forked) -> None:
    """SIGKILL and close; its template reaps it, or it is reaped here."""
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(process.pidfd, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process.pid, 0)
    os.close(process.pidfd)
