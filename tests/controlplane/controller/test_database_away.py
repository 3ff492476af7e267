"""PostgreSQL stops answering, or is killed: the controller says so, stays alive, and leads again."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controlplane.controller.controllers import controllers, leader_pid, leader_row, logs
from tests.support.given_stores import GivenStores, given_stores
from tests.support.schema import migrate
from tests.support.stores import short_directory
from tests.support.waiting import wait_for


@pytest.fixture
def directory() -> Iterator[Path]:
    with short_directory() as path:
        yield path


@pytest.fixture
def given(directory: Path) -> Iterator[GivenStores]:
    with given_stores(directory) as started:
        migrate(started.database_url)
        yield started


def away(given: GivenStores, directory: Path, seconds: float) -> None:
    """Every process of the server is stopped for so long."""
    with controllers(1, given.database_url, directory) as [only]:
        wait_for(lambda: leader_pid(given.database_url), timeout=60, what=f"it leads; {logs(directory)}")
        family = given.postmaster_family()
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        try:
            wait_for(lambda: "does not answer" in logs(directory), timeout=60, what="it says so")
            ends = time.monotonic() + seconds
            wait_for(lambda: time.monotonic() > ends, timeout=seconds + 60, every=0.2)
            assert only.poll() is None, logs(directory)
        finally:
            for pid in family:
                with contextlib.suppress(ProcessLookupError):  # a backend whose client went away
                    os.kill(pid, signal.SIGCONT)
        wait_for(lambda: "answers again" in logs(directory), timeout=60, what=logs(directory))
        wait_for(lambda: leader_pid(given.database_url) == only.pid, timeout=60, what="it leads again")
        assert logs(directory).count("does not answer") <= 3, "said once for each time, not each second"


def test_a_database_that_stops_for_seconds(given: GivenStores, directory: Path) -> None:
    away(given, directory, 8)


@pytest.mark.soak
def test_a_database_that_stops_for_a_minute(given: GivenStores, directory: Path) -> None:
    away(given, directory, 60)


def test_backends_that_are_killed(given: GivenStores, directory: Path) -> None:
    """kill -9 of a backend: the server ends every connection and recovers."""
    with controllers(1, given.database_url, directory) as [only]:
        wait_for(lambda: leader_pid(given.database_url), timeout=60, what=f"it leads; {logs(directory)}")
        row = leader_row(given.database_url)
        assert row is not None
        _, *others = given.postmaster_family()
        os.kill(others[-1], signal.SIGKILL)
        wait_for(
            lambda: leads_with_a_fresh_lease(given.database_url, only.pid), timeout=60, what=logs(directory)
        )
        assert only.poll() is None


def leads_with_a_fresh_lease(url: str, pid: int) -> bool:
    try:
        return leader_pid(url) == pid
    except Exception:  # whatever the client says while the server recovers
        return False
