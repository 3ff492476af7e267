"""A Redis of its own and real Celery workers, without a node: what `overstory.celery` does by itself.

    with celery_lab() as lab:
        lab.worker("a"); lab.ready("a")
        lab.shop.nap.delay(1, 0.5)

Workers get what a node would tell them (child, incarnation, node); without its socket they prove deaths by themselves.
"""

import contextlib
import importlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from kombu import pools

from controlplane.embedded.redis_server import RedisServer
from tests.support.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
SDK = ROOT / "agents/sdk/src"
PROGRAMS = Path(__file__).with_name("celery_programs")


@dataclass(frozen=True, slots=True)
class Line:
    """What an attempt wrote."""

    what: str
    number: int
    pid: int
    at: float


class CeleryLab:
    """One Redis, any number of workers and beats."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.runs = directory / "runs"
        self.runs.touch()
        self._server = RedisServer.of(data_dir=directory, socket_dir=directory)
        self._server.prepare()
        self._redis: subprocess.Popen[bytes] | None = None
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.broker = f"redis+socket://{self._server.socket}?virtual_host=0"
        self.start_redis()

    # -- the broker ---------------------------------------------------------------------------------------------------

    def start_redis(self) -> None:
        self._redis = subprocess.Popen(
            [str(self._server.binaries / "redis-server"), str(self._server.settings_file)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        wait_for(self._answers, timeout=60, what="Redis answers")

    def _answers(self) -> bool:
        try:
            return bool(self.redis.ping())
        except redis.RedisError:
            return False

    def kill_redis(self) -> None:
        assert self._redis is not None
        self._redis.kill()
        self._redis.wait()

    @property
    def redis(self) -> Any:  # redis.Redis, whose types tell of both its flavours at once
        return redis.Redis(unix_socket_path=str(self._server.socket), socket_timeout=10)

    @property
    def left(self) -> dict[str, int]:
        """What is in the broker that somebody has to look after."""
        broker = self.redis
        return {
            "queued": broker.llen("celery"),
            "unacked": broker.hlen("unacked"),
            "held": broker.hlen("overstory.holders"),
            "copies": sum(broker.hlen(key) for key in broker.keys("overstory.copies.*")),
        }

    def holder_of(self, task_id: str) -> str:
        """Who holds its message; empty while nobody does."""
        for tag, message in self.redis.hgetall("unacked").items():
            if f'"id": "{task_id}"'.encode() in message:
                return (self.redis.hget("overstory.holders", tag) or b"").decode()
        return ""

    def whereabouts(self, task_id: str) -> dict[str, Any]:
        """Where in the broker the task's message is."""
        broker, mark = self.redis, f'"id": "{task_id}"'.encode()
        return {
            "queued": sum(mark in message for message in broker.lrange("celery", 0, -1)),
            "held by": self.holder_of(task_id),
            "unacked": [tag for tag, message in broker.hgetall("unacked").items() if mark in message],
            "copy": bool(broker.hexists("overstory.copies.celery", task_id)),
            "parked": bool(broker.hexists("overstory.parked", task_id)),
        }

    def release(self, *numbers: int) -> None:
        """Let `hold` of these numbers end, now or when it is run again."""
        for number in numbers:
            Path(f"{self.runs}.{number}").touch()

    # -- programs -----------------------------------------------------------------------------------------------------

    def environment(self, name: str = "", incarnation: int = 1, **more: str) -> dict[str, str]:
        made = {
            "PATH": os.environ["PATH"], "BROKER": self.broker, "RUNS": str(self.runs), "SUPERVISE": "1",
            "PYTHONPATH": f"{SDK}:{PROGRAMS}", "PYTHONWARNINGS": "ignore",
        }  # fmt: skip
        if name:
            made |= {
                "OVERSTORY_CHILD": f"lab/{name}",
                "OVERSTORY_INCARNATION": str(incarnation),
                "OVERSTORY_NODE": "n1",
            }
        return made | more

    def worker(
        self, name: str, *arguments: str, concurrency: int = 1, incarnation: int = 1, **more: str
    ) -> subprocess.Popen[bytes]:
        """A supervised worker; `SUPERVISE="", OVERSTORY_CHILD=""` for a plain one."""
        return self._start(
            name, incarnation, more, "worker", "-n", f"{name}@lab", "-c", str(concurrency), "-l", "INFO",
            "--without-mingle", "--without-gossip", *arguments,
        )  # fmt: skip

    def beat(self, name: str, *, incarnation: int = 1, **more: str) -> subprocess.Popen[bytes]:
        schedule = str(self.directory / f"{name}.schedule")
        return self._start(name, incarnation, more, "beat", "-l", "INFO", "-s", schedule)

    def _start(
        self, name: str, incarnation: int, more: dict[str, str], *arguments: str
    ) -> subprocess.Popen[bytes]:
        with self.output(name).open("ab") as out:
            self.processes[f"{name}.{incarnation}"] = started = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "shop", *arguments],
                env=self.environment(name, incarnation, **more), cwd=self.directory,
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        return started

    def output(self, name: str) -> Path:
        return self.directory / f"{name}.out"

    def said(self, name: str, words: str, times: int = 1) -> None:
        """Wait until it wrote `words` so often."""

        def count() -> bool:
            return self.output(name).read_text().count(words) >= times

        try:
            wait_for(count, timeout=60, what=f"{name} says {words!r}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output(name).read_text()[-4000:]}") from None

    def ready(self, name: str, times: int = 1) -> None:
        self.said(name, "lab ready.", times)

    @property
    def shop(self) -> Any:
        """The application, as a program that publishes has it."""
        os.environ.update({"BROKER": self.broker, "RUNS": str(self.runs), "SUPERVISE": "1"})
        if str(PROGRAMS) not in sys.path:
            sys.path.insert(0, str(PROGRAMS))
        shop = importlib.import_module("shop")
        if (
            shop.app.conf.broker_url != self.broker
        ):  # connections to the broker of another test are kept in pools
            pools.reset()
            shop.app.conf.broker_url = self.broker
            shop.app._pool = shop.app.amqp._producer_pool = None
            # Whether copies are wanted is known of the other broker.
            importlib.import_module("overstory.celery.copies").COPIES.asked_at = None
        return shop

    # -- what happened ------------------------------------------------------------------------------------------------

    def lines(self, what: str, number: int | None = None) -> list[Line]:
        made = []
        for text in self.runs.read_text().splitlines():
            kind, each, pid, at = text.split()
            if kind == what and number in (None, int(each)):
                made.append(Line(kind, int(each), int(pid), float(at)))
        return made

    def wait_lines(self, what: str, number: int | None = None, *, count: int = 1) -> list[Line]:
        def enough() -> list[Line] | None:
            found = self.lines(what, number)
            return found if len(found) >= count else None

        try:
            return wait_for(enough, timeout=60, what=f"{count} times {what} {number}") or []
        except AssertionError as error:
            logs = "\n".join(
                f"--- {path.name}\n{path.read_text()[-3000:]}" for path in self.directory.glob("*.out")
            )
            raise AssertionError(f"{error}: {self.lines(what, number)}\n{self.left}\n{logs}") from None

    def close(self) -> None:
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for line in self.lines("litter"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(line.number, signal.SIGKILL)
        if self._redis is not None:
            self.kill_redis()


@contextlib.contextmanager
def celery_lab() -> Iterator[CeleryLab]:
    with tempfile.TemporaryDirectory(prefix="ovc-") as name:
        lab = CeleryLab(Path(name))
        try:
            yield lab
        finally:
            lab.close()
