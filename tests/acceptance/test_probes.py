"""Probes of a running instance, with its stores stopped and killed."""

import os
import re
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.support.foreground import RUNNING, Up, up
from tests.support.leftovers import descendants
from tests.support.waiting import wait_for

QUICK_S = 0.05


def ask(url: str) -> tuple[int, float]:
    """Status, and the seconds it took."""
    began = time.monotonic()
    try:
        with urllib.request.urlopen(url, timeout=10) as reply:
            status = reply.status
            reply.read()
    except urllib.error.HTTPError as error:
        status = error.code
    return status, time.monotonic() - began


def best_of(url: str, status: int, times: int = 5) -> float:
    """The quickest of several answers, which all have `status`: the machine may be busy, the code is not."""
    answers = [ask(url) for _ in range(times)]
    assert {code for code, _ in answers} == {status}
    return min(took for _, took in answers)


def pids(started: Up, key: str) -> list[int]:
    [pid] = [child.pid for child in started.observed().processes() if child.key == key]
    assert pid is not None
    return [pid, *descendants(pid)]


def test_probes_answer_at_once_and_truthfully_whatever_the_stores_do(tmp_path: Path) -> None:
    with up(tmp_path / "d", "--no-examples") as started:
        started.until(RUNNING)
        found = re.search(r"http://127\.0\.0\.1:\d+(?=/livez)", started.output)
        assert found is not None
        base = found.group()
        wait_for(lambda: ask(base + "/readyz")[0] == 200, timeout=30, what="ready")
        stopped = pids(started, "system/postgres")
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            wait_for(
                lambda: all(ask(base + "/readyz")[0] == 503 for _ in range(8)),
                timeout=20,
                what="neither of the two web processes is ready",
            )
            for path, status in (("/readyz", 503), ("/healthz", 503), ("/readyz/db", 503), ("/livez", 200)):
                assert best_of(base + path, status) < QUICK_S, path
            assert ask(base + "/readyz?exclude=db&exclude=migrations")[0] == 200
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        wait_for(lambda: ask(base + "/readyz")[0] == 200, timeout=15, what="ready again")
        [redis, *_] = pids(started, "system/redis")
        os.kill(redis, signal.SIGSTOP)
        try:
            wait_for(
                lambda: all(ask(base + "/readyz/redis")[0] == 503 for _ in range(8)),
                timeout=20,
                what="the warning",
            )
            assert best_of(base + "/readyz", 200) < QUICK_S, "a page that is needed now stays in rotation"
        finally:
            os.kill(redis, signal.SIGKILL)
        wait_for(lambda: ask(base + "/readyz/redis")[0] == 200, timeout=30, what="Redis is back")
        started.stop()
