"""A Celery application that tests run: each attempt writes a line `what number pid time` to the file RUNS names."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from typing import Any, TypeVar

from celery import Celery
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
if os.environ.get("FILES"):
    folders = dict.fromkeys(("data_folder_in", "data_folder_out", "control_folder"), os.environ["FILES"])
    app.conf.broker_transport_options = folders
if os.environ.get("EVERY_S"):
    app.conf.beat_schedule = {
        "tick": {"task": "shop.nap", "schedule": float(os.environ["EVERY_S"]), "args": (0,)}
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


@task(name="shop.rest", ignore_result=True)
def rest(seconds: float) -> None:
    time.sleep(seconds)


@task(name="shop.noop", ignore_result=True)
def noop() -> None:
    """Nothing."""


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


@task(name="shop.flaky", bind=True, max_retries=3)
def flaky(self: Any, number: int) -> int:
    note("start", number)
    if self.request.retries < 2:
        raise self.retry(countdown=0.05)
    note("end", number)
    return number


@task(name="shop.fail")
def fail(number: int) -> None:
    note("start", number)
    raise ValueError(f"number {number}")


if os.environ.get("DEAF") == "1":

    def grow_deaf(sender: Any, **_: Any) -> None:
        """Stays connected and takes nothing any more, as workers were seen to do (celery issue 8030)."""
        sender.call_soon(sender.task_consumer.cancel)

    worker_ready.connect(grow_deaf, weak=False)
