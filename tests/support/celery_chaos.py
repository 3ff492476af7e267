"""Kills under load: pool children, workers, the broker. What is lost, what runs twice, and how soon it runs again.

The same rounds for workers of a tree and for plain Celery as its documentation says against losing tasks, whose workers are
started again at once when they end. One round: a burst of short tasks and one long one, the probe; what runs the probe dies.
"""

import contextlib
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from supervision.runtime.journal_reader import read
from tests.support.celery_lab import PROGRAMS, CeleryLab
from tests.support.engine import Engine, tree
from tests.support.waiting import wait_for

Fault = Literal["child", "worker", "broker"]
WORKERS, CONCURRENCY = 3, 2
PROBE_S = 0.6
QUIET_S = 90.0


class Contender(Protocol):
    """Who runs the workers."""

    def settled(self) -> None:
        """Return when all workers consume."""

    def tend(self) -> None:
        """Called while the experiment waits."""


@dataclass(slots=True)
class Found:
    """What came of it. `waits`: seconds from a kill to the probe's second start; None: not within the patience."""

    tasks: int = 0
    lost: list[int] = field(default_factory=list)
    repeated: int = 0
    waits: dict[str, list[float | None]] = field(default_factory=dict)

    def p95(self, fault: str) -> float:
        """Infinite when one in twenty was not seen to run again."""
        waits = sorted(float("inf") if wait is None else wait for wait in self.waits[fault])
        return waits[min(len(waits) - 1, int(len(waits) * 0.95))]


class Supervised:
    """Workers of a tree on one node."""

    def __init__(self, lab: CeleryLab, engine: Engine) -> None:
        self.lab, self.engine = lab, engine
        section = {
            "app": "shop", "cwd": str(PROGRAMS), "python": sys.executable, "concurrency": CONCURRENCY,
            "environment": {"BROKER": lab.broker, "RUNS": str(lab.runs)},
        }  # fmt: skip
        child = {"id": "w", "instances": WORKERS, "celery_worker": section}
        engine.apply(tree("chaos", child, intensity=1000, period="60s"))

    def settled(self) -> None:
        for number in range(1, WORKERS + 1):
            self.engine.wait_state(f"chaos/w@{number}", "running", timeout=QUIET_S)

    def tend(self) -> None:
        """The node does."""

    def told(self) -> dict[str, Counter[str]]:
        """Events by task id: how often each kind, `task.ended` with its state."""
        made: dict[str, Counter[str]] = {}
        for record in read(str(self.engine.data_dir / "spool")):
            body = record.get("body") or {}
            kind = str(record.get("what", ""))
            if kind.startswith("task."):
                word = f"{kind} {body['state']}" if kind == "task.ended" else kind
                made.setdefault(str(body["id"]), Counter())[word] += 1
        return made


class Plain:
    """Celery alone, its workers started again at once."""

    def __init__(self, lab: CeleryLab) -> None:
        self.lab = lab
        self._lives = dict.fromkeys((f"p{number}" for number in range(WORKERS)), 0)
        for name in self._lives:
            self._start(name)

    def _start(self, name: str) -> None:
        self._lives[name] += 1
        plain = {"SUPERVISE": "", "OVERSTORY_CHILD": "", "AS_DOCUMENTED": "1"}
        self.lab.worker(name, concurrency=CONCURRENCY, incarnation=self._lives[name], **plain)

    def settled(self) -> None:
        for name, lives in self._lives.items():
            self.tend()
            self.lab.ready(name, times=lives)

    def tend(self) -> None:
        for name, lives in list(self._lives.items()):
            if self.lab.processes[f"{name}.{lives}"].poll() is not None:
                self._start(name)


class Chaos:
    """One contender's rounds."""

    def __init__(self, lab: CeleryLab, contender: Contender, *, patience_s: float = 30.0) -> None:
        self.lab, self.contender, self.patience_s = lab, contender, patience_s
        self.found = Found()
        self.ids: dict[str, int] = {}
        self._next = 0

    def run(self, fault: Fault, rounds: int, *, burst: int) -> None:
        for _ in range(rounds):
            self._round(fault, burst)

    def finish(self) -> Found:
        """Wait until no task is left that anybody works on, and count."""
        numbers = set(self.ids.values())

        def quiet() -> bool:
            self.contender.tend()
            return numbers <= {line.number for line in self.lab.lines("end")}

        with contextlib.suppress(AssertionError):
            wait_for(quiet, timeout=self.patience_s, every=0.2, what="all are done")
        ended = Counter(line.number for line in self.lab.lines("end"))
        self.found.tasks = len(numbers)
        self.found.lost = sorted(numbers - ended.keys())
        self.found.repeated = sum(count - 1 for count in ended.values())
        return self.found

    def _round(self, fault: Fault, burst: int) -> None:
        self.contender.settled()
        self._publish(burst // 2, 0.005)
        (probe,) = self._publish(1, PROBE_S)
        self._publish(burst - burst // 2 - 1, 0.005)
        first = self.lab.wait_lines("start", probe)[0]
        died_at = self._strike(fault, first.pid)
        if fault == "broker":
            self._wait(lambda: bool(self.lab.lines("end", probe)))
            return
        again = self._wait(lambda: len(self.lab.lines("start", probe)) > 1)
        at = self.lab.lines("start", probe)[1].at - died_at if again else None
        self.found.waits.setdefault(fault, []).append(at)

    def _strike(self, fault: Fault, pid: int) -> float:
        if fault == "broker":
            self.lab.kill_redis()
            self.lab.start_redis()
            return time.time()
        victim = pid if fault == "child" else _parent(pid)
        died_at = time.time()
        os.kill(victim, signal.SIGKILL)
        return died_at

    def _publish(self, count: int, seconds: float) -> list[int]:
        numbers = []
        for _ in range(count):
            self._next += 1
            result = self.lab.shop.nap.delay(self._next, seconds)
            self.ids[result.id] = self._next
            numbers.append(self._next)
        return numbers

    def _wait(self, probe: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + self.patience_s
        while not probe():
            self.contender.tend()
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True


def _parent(pid: int) -> int:
    text = Path(f"/proc/{pid}/stat").read_text()
    return int(text.rpartition(")")[2].split()[1])
