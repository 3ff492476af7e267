"""Waiting beside a guardian that already runs."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervision.runtime.clock import SystemClock
from supervision.runtime.follow import Follower
from supervision.runtime.log import Log
from supervision.runtime.paths import Paths
from tests.support.engine import SLEEP


class Lock:
    """Falls free after so many looks, or when `holder` is gone."""

    def __init__(self, looks: int, holder: "subprocess.Popen[bytes] | None" = None) -> None:
        self.looks, self.holder = looks, holder

    def take(self) -> int | None:
        self.looks -= 1
        if self.holder is not None:
            return None if self.holder.poll() is None else os.eventfd(0)
        return None if self.looks > 0 else os.eventfd(0)


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[Paths]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    made = Paths(tmp_path)
    made.prepare()
    yield made
    for number, handler in before.items():
        signal.signal(number, handler)


def follower(paths: Paths, lock: Lock) -> Follower:
    return Follower(paths, SystemClock(), Log(str(paths.data_dir / "log"), "guardian"), lock.take)


def test_it_takes_over_when_the_lock_falls_free(paths: Paths) -> None:
    paths.runtime_json.write_text(json.dumps({"guardian_pid": 4711}))
    lock = follower(paths, Lock(3)).run()
    assert lock is not None
    os.close(lock)
    text = (paths.data_dir / "log").read_text()
    assert "another guardian runs; following it pid=4711" in text
    assert "taking over" in text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_is_handed_on_to_the_one_that_is_followed_and_ends_both(paths: Paths, number: int) -> None:
    with subprocess.Popen(SLEEP) as other:
        paths.runtime_json.write_text(json.dumps({"guardian_pid": other.pid}))
        beside = follower(paths, Lock(0, other))
        beside.loop.call_soon(lambda: os.kill(os.getpid(), number))
        assert beside.run() is None
        assert other.wait(timeout=30) == -number


@pytest.mark.parametrize("text", [None, "{", '{"guardian_pid": "x"}'])
def test_a_stop_while_nobody_can_be_told_still_ends_it(paths: Paths, text: str | None) -> None:
    if text is not None:
        paths.runtime_json.write_text(text)
    beside = follower(paths, Lock(3))
    beside.loop.call_soon(lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert beside.run() is None
