"""The time-out of a supervised task is its function's: its worker sees it through memory shared with its pool children."""

import os
import time
from typing import Any

import pytest
from celery.concurrency.asynpool import AsynPool
from overstory.celery import runclock
from overstory.celery.supervisedtask import SupervisedRequest

TIMEOUT_S = 10.0


class Request(SupervisedRequest):
    def __init__(self) -> None:
        """Without a message: who asks wants the class."""


class Plain:
    """A request of a task that is not supervised."""

    def on_accepted(self) -> None: ...


class Job:
    """As much of billiard's as is asked for."""

    def __init__(self, pid: int, request: Any) -> None:
        self._worker_pid, self._timeout, self._accept_callback = pid, TIMEOUT_S, request.on_accepted


class Pool:
    """As much of Celery's."""

    def __init__(self, job: Job) -> None:
        self._cache, self.set, self.killed = {1: job}, list[float](), list[int]()

    def on_timeout_set(self, _job: Job, _soft: None, hard: float) -> None:
        self.set.append(hard)

    def _on_hard_timeout(self, number: int) -> None:
        AsynPool._on_hard_timeout(self, number)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AsynPool, "_on_hard_timeout", lambda pool, number: pool.killed.append(number))
    monkeypatch.setattr(runclock, "_table", None)
    runclock.install()


def child_that_runs() -> tuple[int, int]:
    """Its pid, and the descriptor that ends it when it is closed."""
    began, begin = os.pipe()
    wait, end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(end)
        with runclock.running():
            os.write(begin, b"x")
            os.read(wait, 1)
        os._exit(0)
    os.read(began, 1)
    for fd in (began, begin, wait):
        os.close(fd)
    return pid, end


def test_the_time_that_is_left_is_what_the_function_has_not_used() -> None:
    pid, end = child_that_runs()
    job, now = Job(pid, Request()), time.monotonic()
    assert TIMEOUT_S - 60 < runclock.left_of(job, now) <= TIMEOUT_S
    assert runclock.left_of(job, now + TIMEOUT_S) <= 0
    os.close(end)
    os.waitpid(pid, 0)
    assert runclock.left_of(job, now + TIMEOUT_S) == TIMEOUT_S, "it does not run any more"


def test_a_timer_that_is_over_before_the_function_began_is_set_anew() -> None:
    pool = Pool(Job(os.getpid(), Request()))
    pool._on_hard_timeout(1)
    assert (pool.killed, pool.set) == ([], [TIMEOUT_S])


def test_what_has_used_its_time_up_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool(Job(os.getpid(), Request()))
    with runclock.running():
        later = time.monotonic() + TIMEOUT_S
        monkeypatch.setattr("overstory.celery.runclock.time.monotonic", lambda: later)
        pool._on_hard_timeout(1)
    assert (pool.killed, pool.set) == ([1], [])


def test_a_plain_tasks_timer_is_celerys() -> None:
    pool = Pool(Job(os.getpid(), Plain()))
    pool._on_hard_timeout(1)
    assert pool.killed == [1]
    pool._cache.clear()
    pool._on_hard_timeout(1)
    assert pool.killed == [1, 1], "a job that is over is Celery's to ignore"
