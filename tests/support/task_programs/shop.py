"""A Celery application with supervised tasks that end in every way."""

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from celery import Celery
from overstory.celery import attempt, supervise, supervised

FOREVER_S = 600

app = Celery("shop", broker=os.environ["SHOP_BROKER"])
app.conf.update(task_default_queue="shop")
app.conf.beat_schedule = {"tidy-up": {"task": "shop.tidy", "schedule": 1.0}}
supervise(app)


@supervised(app, name="shop.work")
def work(item: int) -> int:
    """One in a hundred raises, one in a hundred hangs, with a process of its own below it."""
    if item % 100 == 13:
        raise ValueError(f"item {item}")
    if item % 100 == 57:
        subprocess.run(["sleep", str(FOREVER_S)], check=False)
    return item * 2


@supervised(app, name="shop.poison", max_lost=3)
def poison() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@supervised(app, name="shop.fails", backoff=None, intensity=2, period=60)
def fails() -> None:
    raise KeyError("no")


@supervised(app, name="shop.slow")
def slow() -> list[Any]:
    time.sleep(FOREVER_S)
    return []


@supervised(app, name="shop.until")
def until(path: str) -> str:
    """Runs until somebody makes that file."""
    while not Path(path).exists():  # audit: ignore[SUP207] its test makes it, or kills it
        time.sleep(0.02)
    return path


@supervised(app, name="shop.counts", backoff=None, intensity=5)
def counts() -> list[int]:
    """Raises until its third attempt; then what it knew of itself."""
    now = attempt()
    if now.number < 3:
        raise RuntimeError("not yet")
    return [now.number, now.epoch]


@app.task(name="shop.plain")  # type: ignore[untyped-decorator]  # celery has no types
def plain(number: int) -> int:
    return number


@app.task(name="shop.tidy", ignore_result=True)  # type: ignore[untyped-decorator]  # as above
def tidy() -> None:
    """What a beat fires."""
