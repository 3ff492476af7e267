"""Kills under load: pool children, workers, hosts, the broker. What is lost, what runs twice, and how soon it runs again.

One round: a burst of short tasks and one that runs until it is let go, the probe; what runs the probe dies. The same rounds
for the hosts of a fleet and for plain Celery as its documentation says against losing tasks.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from django.utils import timezone

from supervision.tasks import operating
from supervision.tasks.models import TaskAttempt, TaskRun
from tests.support.celery_contenders import Contender, Fault, Joined, Plain
from tests.support.celery_lab import CeleryLab
from tests.support.fleet import ADA, other
from tests.support.waiting import wait_for

SHORT_S = 0.005
ODD = 25
"""One in so many raises, one in so many is retried twice."""


@dataclass(slots=True)
class Found:
    """What came of it. `waits`: seconds from a kill to the probe's second start, `beat`: from the loss of beat's host to a
    firing elsewhere; None: not within the patience. `never begun`: probes that no worker was left to take."""

    tasks: int = 0
    lost: list[int] = field(default_factory=list)
    repeated: int = 0
    waits: dict[str, list[float | None]] = field(default_factory=dict)

    def p95(self, what: str) -> float:
        """Infinite when one in twenty was not seen to run again."""
        waits = sorted(float("inf") if wait is None else wait for wait in self.waits[what])
        return waits[min(len(waits) - 1, int(len(waits) * 0.95))]

    def __str__(self) -> str:
        words = [f"{self.tasks} tasks, lost {len(self.lost)}, run to their end again {self.repeated}"]
        for what, waits in self.waits.items():
            seen = sorted(wait for wait in waits if wait is not None)
            half = f"{seen[len(seen) // 2]:.2f}" if seen else "-"
            words.append(
                f"{what}: {len(seen)} of {len(waits)} again, p50 {half}, p95 {self.p95(what):.2f}, "
                f"most {max(seen, default=0):.2f} s"
            )
        return "; ".join(words)


@dataclass(slots=True)
class Chaos:
    """One contender's rounds. `expected`: how each task is to end, by its id."""

    lab: CeleryLab
    contender: Contender
    patience_s: float = 30.0
    found: Found = field(default_factory=Found)
    expected: dict[str, str] = field(default_factory=dict)
    _numbers: dict[int, str] = field(default_factory=dict)

    def run(self, fault: Fault, rounds: int, *, burst: int) -> None:
        for _ in range(rounds):
            self._round(fault, burst)

    def finish(self) -> Found:
        """Wait until no task is left that anybody works on, and count those whose last line is to be seen."""
        endless = ("parked", "revoked")
        numbers = {each for each, task_id in self._numbers.items() if self.expected[task_id] not in endless}

        def quiet() -> bool:
            self.contender.tend()
            return numbers <= {line.number for line in self.lab.lines("end")}

        with contextlib.suppress(AssertionError):
            wait_for(quiet, timeout=self.patience_s, every=0.2, what="all are done")
        ended = Counter(line.number for line in self.lab.lines("end") if line.number)
        self.found.tasks = len(self._numbers)
        self.found.lost = sorted(numbers - ended.keys())
        self.found.repeated = sum(ended[number] - 1 for number in numbers & ended.keys())
        return self.found

    def story(self, task_id: str) -> str:
        """What is known of a task, for who has to find out why it is lost."""
        number = next(each for each, known in self._numbers.items() if known == task_id)
        attempts = TaskAttempt.objects.filter(run_id=task_id).values_list(
            "number", "outcome", "reason", "holder"
        )
        rows = list(TaskRun.objects.filter(pk=task_id).values("name", "state", "attempt", "lost", "message"))
        lines = [line for what in ("start", "end") for line in self.lab.lines(what, number)]
        return f"{task_id}: {rows} {list(attempts)} {lines} {self.lab.whereabouts(task_id)}"

    def stories(self) -> str:
        """Of all that are lost."""
        return "\n".join(self.story(self._numbers[number]) for number in self.found.lost)

    def _round(self, fault: Fault, burst: int) -> None:
        self.contender.settled()
        self._publish(burst // 2)
        unwanted = self._send("hold")[1] if isinstance(self.contender, Joined) else ""
        probe, task_id = self._send("hold")
        if not self._wait(lambda: bool(self.lab.lines("start", probe))):
            self.found.waits.setdefault("never begun", []).append(None)
            return
        first = self.lab.lines("start", probe)[0]
        holder = self.lab.holder_of(task_id)
        if fault == "host" and isinstance(self.contender, Joined):
            self.contender.send_beat_to(self.contender.host_of(holder))
        self._publish(burst - burst // 2 - 1)
        self._strike(fault, probe, first.pid, holder)
        if unwanted:
            self._revoke(unwanted)

    def _strike(self, fault: Fault, probe: int, pid: int, holder: str) -> None:
        if fault == "broker":
            self.lab.kill_redis()
            self.lab.start_redis()
            self.lab.release(probe)
            self._wait(lambda: bool(self.lab.lines("end", probe)))
            return
        died_at = self.contender.kill(fault, pid, holder)
        self.lab.release(probe)
        again = self._wait(lambda: len(self.lab.lines("start", probe)) > 1)
        at = self.lab.lines("start", probe)[1].at - died_at if again else None
        self.found.waits.setdefault(fault, []).append(at)
        if fault == "host" and isinstance(self.contender, Joined):
            self._beat(self.contender, holder, died_at)

    def _revoke(self, task_id: str) -> None:
        """It runs, or did in a worker that died: a row is there, or comes."""
        wait_for(TaskRun.objects.filter(pk=task_id).exists, timeout=60, every=0.1, what=f"a row of {task_id}")
        operating.revoke_run(run_id=task_id, actor=ADA, reason="not wanted", now=timezone.now())
        self.expected[task_id] = "revoked"

    def _beat(self, joined: Joined, holder: str, died_at: float) -> None:
        elsewhere = other(joined.host_of(holder))
        fired = self._wait(lambda: joined.beat_is_on(elsewhere))
        self.found.waits.setdefault("beat", []).append(time.time() - died_at if fired else None)

    def _publish(self, count: int) -> None:
        for number in range(count):
            self._send(
                {1: "fail", 2: "flaky"}.get(number % ODD, "nap"), *([SHORT_S] if number % ODD > 2 else [])
            )
        if not isinstance(self.contender, Plain):
            self._send("poison")  # with plain Celery it would run for ever

    def _send(self, name: str, *arguments: float) -> tuple[int, str]:
        number = len(self._numbers) + 1
        task_id = getattr(self.lab.shop, name).delay(number, *arguments).id
        self._numbers[number] = task_id
        self.expected[task_id] = {"fail": "failed", "poison": "parked"}.get(name, "done")
        return number, task_id

    def _wait(self, probe: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + self.patience_s
        while not probe():
            self.contender.tend()
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True
