"""Checks against real stores: away, stopped, back."""

import contextlib
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db.migrations.loader import MigrationLoader

from controlplane.operations.checks import Checks
from controlplane.operations.stores import StoreChecks, wanted_migrations
from tests.support.given_stores import GivenStores, given_stores
from tests.support.stores import short_directory
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def stores() -> Iterator[GivenStores]:
    with short_directory() as directory, given_stores(Path(directory)) as given:
        yield given


@pytest.fixture
def checks(stores: GivenStores) -> Iterator[Checks]:
    asked = StoreChecks(stores.database_url, stores.redis_url, wanted_migrations())
    made = Checks(asked.checks(), close=asked.close)
    yield made
    made.stop()


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    """A backend may have ended since it was looked for."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def state(checks: Checks) -> dict[str, bool]:
    return {each.name: each.ok for each in checks.outcomes()}


def test_postgresql_decides_redis_and_the_others_warn(checks: Checks) -> None:
    assert {each.name for each in checks.outcomes() if each.decides} == {"db", "migrations"}


def test_an_empty_database_lacks_migrations(checks: Checks) -> None:
    assert state(checks)["db"]
    assert not state(checks)["migrations"]


def test_a_stopped_postmaster_and_a_stopped_backend_are_seen_and_their_return_too(
    checks: Checks, stores: GivenStores
) -> None:
    assert state(checks)["db"]
    for only_backends in (False, True):
        stopped = stores.postmaster_family()[only_backends:]
        _signal(stopped, signal.SIGSTOP)
        try:
            wait_for(lambda: not state(checks)["db"], timeout=15, what="the check fails")
        finally:
            _signal(stopped, signal.SIGCONT)
        wait_for(lambda: state(checks)["db"], timeout=15, what="the check passes again")
    assert state(checks)["redis"]


def test_a_dead_redis_is_a_warning_and_its_return_is_seen(checks: Checks, stores: GivenStores) -> None:
    assert state(checks)["redis"]
    with stores.redis_stopped():
        wait_for(lambda: not state(checks)["redis"], timeout=15, what="the check fails")
        assert state(checks)["db"]
    wait_for(lambda: state(checks)["redis"], timeout=15, what="the check passes again")


def test_every_migration_on_disk_is_wanted() -> None:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    assert wanted_migrations() == {f"{app}.{name}" for app, name in loader.disk_migrations}
    assert "supervision.0001_rooms" in wanted_migrations()
    call_command("check")
