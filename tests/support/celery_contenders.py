"""Who runs the workers of an experiment with kills: hosts of a fleet, or Celery alone, its workers started again at once."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Protocol

import redis

from supervision.trees import services
from tests.support.celery_lab import PROGRAMS, SDK, CeleryLab
from tests.support.engine import tree
from tests.support.fleet import ADA, Fleet, apply
from tests.support.lone_host import LoneHost
from tests.support.waiting import wait_for

Fault = Literal["child", "worker", "host", "broker"]
EVERY_S = 2.0
"""Of the task that beat fires."""
QUIET_S = 90.0
POOL, BEAT = "pool", "beat"
HOSTS = ("a", "b")
WORKERS, CONCURRENCY = 2, 2
"""Of each host."""


class Contender(Protocol):
    """Who runs the workers."""

    def settled(self) -> None:
        """Return when all workers consume."""

    def tend(self) -> None:
        """Called while the experiment waits."""

    def kill(self, fault: Fault, pid: int, holder: str) -> float:
        """Kill what runs the task that process `pid` has begun, for the worker `holder`; when that was, Unix seconds."""


class Joined:
    """Two hosts of a fleet, each with WORKERS workers of one tree; and a beat somewhere, in a tree of its own."""

    def __init__(self, lab: CeleryLab, fleet: Fleet) -> None:
        self.lab, self.fleet = lab, fleet
        section = {
            "app": "shop", "cwd": str(PROGRAMS), "python": sys.executable, "concurrency": CONCURRENCY,
            "environment": {"BROKER": lab.broker, "RUNS": str(lab.runs)},
        }  # fmt: skip
        workers = {"id": "w", "instances": WORKERS, "celery_worker": section}
        apply({**tree(POOL, workers, intensity=1000, period="60s"), "placement": {"mode": "every"}})
        self._place_beat({"labels": {"host": "a"}})

    def settled(self) -> None:
        for name in HOSTS:
            host = self.host(name)
            if host.first_pid() is None:
                host.start()
        for name in HOSTS:
            for number in range(1, WORKERS + 1):
                wait_for(lambda: self._consumes(name, number), timeout=QUIET_S, what=self.fleet.told())  # noqa: B023  called here

    def _consumes(self, name: str, number: int) -> bool:
        view = self.host(name).views().get(f"{POOL}/w@{number}")
        return view is not None and view["state"] == "running"

    def tend(self) -> None:
        """The nodes do."""

    def host(self, name: str) -> LoneHost:
        found = self.fleet.host(name)
        assert isinstance(found, LoneHost)
        return found

    def host_of(self, holder: str) -> str:
        """Which host a holder is on."""
        node = holder.partition("/")[0]
        return next(name for name in HOSTS if self.host(name).node_id() == node)

    def kill(self, fault: Fault, pid: int, holder: str) -> float:
        host = self.host(self.host_of(holder))
        if fault == "host":
            died_at = time.time()
            host.die()
            return died_at
        inner = pid if fault == "child" else int(holder.rpartition("/")[2])
        victim = host.outer_pid(inner)
        died_at = time.time()
        os.kill(victim, signal.SIGKILL)
        return died_at

    # -- beat -------------------------------------------------------------------------------------------------------

    def _place_beat(self, placement: dict[str, object]) -> None:
        environment = {
            "BROKER": self.lab.broker, "RUNS": str(self.lab.runs), "SUPERVISE": "1", "EVERY_S": str(EVERY_S),
            "PYTHONPATH": f"{SDK}:{PROGRAMS}",
        }  # fmt: skip
        command = [sys.executable, "-m", "celery", "-A", "shop", "beat", "-S", "celery.beat.Scheduler"]
        child = {"id": "b", "process": {"command": command, "environment": environment}}
        document = tree(BEAT, child, intensity=1000, period="60s")
        apply({**document, "placement": {"singleton": True, **placement}})

    def send_beat_to(self, name: str) -> None:
        """Have it run on this host, and free to go elsewhere from then on."""
        self._place_beat({"labels": {"host": name}})
        self.fleet.settled(BEAT, on=name, timeout=QUIET_S)
        self._place_beat({})
        wait_for(lambda: self.beat_is_on(name), timeout=QUIET_S, what=self.fleet.told())

    def beat_is_on(self, name: str) -> bool:
        """Whether that host's beat fired last."""
        mark = (self.lab.redis.hget("overstory.beat", "tick") or b"").decode()
        return mark.partition("/")[2].startswith(self.host(name).node_id() + "/")

    def end_beat(self) -> None:
        """No slot is fired once this returned."""
        services.delete_tree(name=BEAT, actor=ADA)
        key = f"{BEAT}/b"
        wait_for(lambda: not any(key in self.host(name).views() for name in HOSTS), timeout=QUIET_S)


class Slots:
    """Which slots of beat's task were fired, as the broker's mark said it from moment to moment."""

    def __init__(self, lab: CeleryLab) -> None:
        self.seen: set[str] = set()
        self._lab = lab
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def newest(self) -> int:
        """When the newest was due, in ms since the epoch; 0 before the first."""
        return max(map(int, self.seen), default=0)

    def __enter__(self) -> "Slots":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(0.1):
            with contextlib.suppress(redis.RedisError):
                mark = self._lab.redis.hget("overstory.beat", "tick")
                if mark:
                    self.seen.add(mark.decode().partition("/")[0])


class Plain:
    """Celery alone. Its hosts are groups of workers that die together."""

    def __init__(self, lab: CeleryLab) -> None:
        self.lab = lab
        self._lives = {f"{host}{number}": 0 for host in HOSTS for number in range(WORKERS)}
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

    def kill(self, fault: Fault, pid: int, holder: str) -> float:
        worker = _parent(pid)
        died_at = time.time()
        if fault == "host":
            for leader in self._beside(worker):
                os.killpg(leader, signal.SIGKILL)
        else:
            os.kill(pid if fault == "child" else worker, signal.SIGKILL)
        return died_at

    def _beside(self, worker: int) -> Iterator[int]:
        """Every worker of its host."""
        living = {name: self.lab.processes[f"{name}.{lives}"] for name, lives in self._lives.items()}
        host = next(name for name, process in living.items() if process.pid == worker)[0]
        yield from (process.pid for name, process in living.items() if name[0] == host)


def _parent(pid: int) -> int:
    text = Path(f"/proc/{pid}/stat").read_text()
    return int(text.rpartition(")")[2].split()[1])
