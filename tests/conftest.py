"""Every test has a home, a data directory and an environment of its own; nothing reads or writes the developer's."""

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from django.db import connection, connections

from tests.support.database import TestStores, test_stores

# The same examples in every `make test`, so that a change is judged by what it changes; `make soak` looks for new ones.
hypothesis.settings.register_profile("test", derandomize=True, database=None)
hypothesis.settings.register_profile("soak")
hypothesis.settings.load_profile("soak" if "OVERSTORY_SOAK_MINUTES" in os.environ else "test")

OURS = ("OVERSTORY_", "EXAMPLE_", "LISTEN_", "WATCHDOG_")
FOREIGN = (
    "DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "NOTIFY_SOCKET",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "NO_COLOR",
)
KEPT = ("OVERSTORY_SOAK_MINUTES",)

_numbers = itertools.count(1)

FIRST = (
    "tests/controlplane/foreground/test_up.py",
    "tests/acceptance/test_platform.py",
    "tests/acceptance/test_browser.py",
    "tests/controlplane/api/test_fuzz.py",
    "tests/supervision/kernel/test_properties.py",
    "tests/acceptance/test_strays.py",
    "tests/controlplane/api/test_matrix.py",
    "tests/supervision/trees/test_fuzz.py",
    "tests/acceptance/test_backup.py",
    "tests/acceptance/test_fleet.py",
    "tests/acceptance/test_platform_chaos.py",
)
"""Files that take a worker of `make test` long, the longest first, so that none is begun when the others are done."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.nodeid.partition("::")[0], len(rank)))


@pytest.fixture(scope="session")
def session_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Short, because Unix sockets are bound below it."""
    return tmp_path_factory.mktemp("s")


@pytest.fixture(autouse=True)
def isolated(session_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data directory that does not exist yet, an empty home, and none of the caller's settings."""
    for name in list(os.environ):
        if (name.startswith(OURS) and name not in KEPT) or name in FOREIGN:
            monkeypatch.delenv(name)
    number = next(_numbers)
    monkeypatch.setenv("OVERSTORY_DATA_DIR", str(session_dir / f"d{number}"))
    monkeypatch.setenv("HOME", str(session_dir))


@pytest.fixture
def data_dir(isolated: None) -> Path:
    """Where OVERSTORY_DATA_DIR points in this test; not made yet."""
    return Path(os.environ["OVERSTORY_DATA_DIR"])


@pytest.fixture(autouse=True)
def _same_signal_mask() -> Iterator[None]:
    """A loop that closes holds signals back for its successor; in a test that would reach every later child."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


@pytest.fixture(autouse=True)
def _no_records_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """The journal's table is made by SQL, so the flush after a test with real transactions passes it over."""
    marker = request.node.get_closest_marker("django_db")
    if marker is None or not marker.kwargs.get("transaction"):
        yield
        return
    request.getfixturevalue("transactional_db")
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE supervision_journalrecord, supervision_errorevent")


@pytest.fixture(scope="session")
def stores() -> Iterator[TestStores]:
    """PostgreSQL and Redis of this pytest worker; started at the first test that needs them."""
    with test_stores() as started:
        yield started


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    stores: TestStores, django_db_modify_db_settings_parallel_suffix: None
) -> None:
    """pytest-django makes its database on the stores above, whatever data directory the settings were read with."""
    settings = connections["default"].settings_dict
    settings["HOST"] = str(stores.directory)
    settings["TEST"]["TEMPLATE"] = settings["NAME"]  # it has the tables already, as a rule
