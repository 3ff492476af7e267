"""A Celery application that tests run: each attempt writes a line `what number pid time` to the file RUNS names."""

import os
import pickle
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from celery import Celery
from celery.exceptions import Reject
from celery.signals import worker_ready

app = Celery("shop", broker=os.environ["BROKER"], backend=os.environ.get("BACKEND"))
app.conf.task_default_queue = os.environ.get("QUEUE", "celery")
if os.environ.get("SUPERVISE") == "1":
    from overstory.celery import supervise

    supervise(app)
if os.environ.get("AS_DOCUMENTED") == "1":  # what Celery's documentation says against losing tasks
    app.conf.task_acks_late = True
    app.conf.task_reject_on_worker_lost = True
    app.conf.worker_prefetch_multiplier = 1
if os.environ.get("NO_PUBLISH_RETRY") == "1":
    app.conf.task_publish_retry = False
if os.environ.get("FILES"):
    folders = dict.fromkeys(("data_folder_in", "data_folder_out", "control_folder"), os.environ["FILES"])
    app.conf.broker_transport_options = folders
if os.environ.get("EVERY_S"):
    app.conf.beat_schedule = {
        "tick": {"task": "shop.tick", "schedule": float(os.environ["EVERY_S"]), "args": (0,)}
    }


Function = TypeVar("Function", bound=Callable[..., object])


def task(**options: Any) -> Callable[[Function], Function]:
    """`app.task`, typed."""
    made: Callable[[Function], Function] = app.task(**options)
    return made


def note(what: str, number: int) -> None:
    line = f"{what} {number} {os.getpid()} {time.time():.4f}\n"
    fd = os.open(os.environ["RUNS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, line.encode())
    os.close(fd)


@task(name="shop.nap")
def nap(number: int, seconds: float = 0.0) -> int:
    note("start", number)
    time.sleep(seconds)
    note("end", number)
    return number


@task(name="shop.tick")
def tick(number: int) -> None:
    """What beat fires."""
    note("start", number)
    note("end", number)


@task(name="shop.hold")
def hold(number: int) -> int:
    """Runs until somebody makes the file `RUNS.NUMBER`."""
    note("start", number)
    while not Path(f"{os.environ['RUNS']}.{number}").exists():  # audit: ignore[SUP207] its test kills it
        time.sleep(0.02)
    note("end", number)
    return number


@task(name="shop.rest", ignore_result=True)
def rest(seconds: float) -> None:
    time.sleep(seconds)


@task(name="shop.noop", ignore_result=True)
def noop() -> None:
    """Nothing."""


@task(name="shop.lag", ignore_result=True)
def lag(number: int) -> None:
    """Says when it began."""
    note("lag", number)


@task(name="shop.poison", max_lost=3)
def poison(number: int) -> None:
    note("start", number)
    os.kill(os.getpid(), signal.SIGKILL)


@task(name="shop.litter")
def litter(number: int) -> None:
    """Leaves two processes behind: one in a session of its own, one in the group of the pool child."""
    for alone in (True, False):
        started = subprocess.Popen(["sleep", "1000"], start_new_session=alone)
        note("litter", started.pid)
    note("start", number)
    time.sleep(1000)


_KEPT: list[bytearray] = []


@task(name="shop.bloat")
def bloat(number: int, mib: int) -> None:
    """Keeps so much for ever, and touches every page of it."""
    note("start", number)
    _KEPT.append(bytearray(b"x") * (mib * 2**20))
    note("end", number)


@task(name="shop.flaky", bind=True, max_retries=3)
def flaky(self: Any, number: int) -> int:
    note("start", number)
    if self.request.retries < 2:
        raise self.retry(countdown=0.05)
    note("end", number)
    return number


@task(name="shop.late", bind=True, max_retries=1)
def late(self: Any, number: int) -> int:
    """Once it is let go it wants to be retried; says whether that could not be published."""
    note("start", number)
    if self.request.retries == 0:
        while not Path(f"{os.environ['RUNS']}.{number}").exists():  # audit: ignore[SUP207] as above
            time.sleep(0.02)
        try:
            raise self.retry(countdown=0.05)
        except Reject:
            note("unpublished", number)
            raise
    note("end", number)
    return number


@task(name="shop.fail")
def fail(number: int) -> None:
    note("start", number)
    note("end", number)
    raise ValueError(f"number {number}")


if os.environ.get("DEAF") == "1":

    def grow_deaf(sender: Any, **_: Any) -> None:
        """Stays connected and takes nothing any more, as workers were seen to do (celery issue 8030)."""
        sender.call_soon(sender.task_consumer.cancel)

    worker_ready.connect(grow_deaf, weak=False)


if os.environ.get("BREAK") == "1":

    def break_when_told(sender: Any, **_: Any) -> None:
        """The main loop ends with an error, as when a pool child's result cannot be read."""

        def end() -> None:
            raise pickle.UnpicklingError("invalid load key")

        def look() -> None:
            if Path(f"{os.environ['RUNS']}.break").exists():
                sender.hub.call_soon(end)  # what a timer raises is only logged

        sender.hub.call_repeatedly(0.1, look)

    worker_ready.connect(break_when_told, weak=False)
