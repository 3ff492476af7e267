"""Every test has a home, a data directory and an environment of its own; nothing reads or writes the developer's."""

import gc
import itertools
import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.db import connection, connections
from django.db.backends.postgresql.operations import DatabaseOperations
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.support.database import TestStores, test_stores

# The same examples in every `make test`, so that a change is judged by what it changes; `make soak` looks for new ones.
hypothesis.settings.register_profile(
    "test",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],  # a busy machine is no fault of the strategy
)
hypothesis.settings.register_profile("soak")
hypothesis.settings.load_profile("soak" if "OVERSTORY_SOAK_MINUTES" in os.environ else "test")

# Thousands of processes of ours are started: none compiles again what one before it has, whatever the caller's shell says.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

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

SPARE_DESCRIPTORS = 50
"""For connections of a pool, loops and modules that keep theirs for the session."""

OF_THE_MODELS = ("django_content_type", "auth_permission")

_numbers = itertools.count(1)

FIRST = (
    "tests/acceptance/browser/test_pages.py",
    "tests/acceptance/browser/test_live.py",
    "tests/acceptance/browser/test_acting.py",
    "tests/acceptance/browser/test_broken_fleets.py",
    "tests/acceptance/browser/test_keys.py",
    "tests/controlplane/foreground/test_up.py",
    "tests/acceptance/workers/test_task_children.py",
    "tests/acceptance/workers/test_worker_pools.py",
    "tests/acceptance/platform/test_remote_command_line.py",
    "tests/acceptance/platform/test_platform.py",
    "tests/acceptance/platform/test_error_reports.py",
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


TOGETHER = ("tests/acceptance/browser/", "tests/acceptance/platform/", "tests/acceptance/workers/")
"""Directories whose files share an instance, so one worker takes them all."""


class FilesOrTogether(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """`--dist loadfile`, but for what is together."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return next((place for place in TOGETHER if file.startswith(place)), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling | None:
    return FilesOrTogether(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Half a million objects are made here that stay: the collector of garbage looks at them neither now nor later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: number for number, name in enumerate(FIRST)}
    items.sort(key=lambda item: rank.get(item.nodeid.partition("::")[0], len(rank)))


@pytest.fixture(scope="session", autouse=True)
def _flush_what_has_rows() -> Iterator[None]:
    """A test with real transactions leaves rows in a few of a hundred tables: emptying the others takes most of its time.
    So does making what Django knows of the models again, which no test changes."""
    whole = DatabaseOperations.sql_flush

    def sql_flush(self: Any, style: Any, tables: Any, **options: Any) -> list[str]:
        """Any: as Django has it."""
        looks = [
            f"(SELECT '{table}' FROM {self.quote_name(table)} LIMIT 1)"
            for table in tables
            if table not in OF_THE_MODELS
        ]
        if not looks:
            return []
        with self.connection.cursor() as cursor:
            cursor.execute(" UNION ALL ".join(looks))
            written = [table for (table,) in cursor.fetchall()]
        # Tables that refer to them go with them: they are empty, or among them.
        found: list[str] = whole(self, style, written, **options | {"allow_cascade": True})
        return found

    DatabaseOperations.sql_flush = sql_flush  # type: ignore[method-assign]  # Django has no setting for it
    yield
    DatabaseOperations.sql_flush = whole  # type: ignore[method-assign]  # as above


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


def _open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.fixture(scope="module", autouse=True)
def _descriptors_closed() -> Iterator[None]:
    """What a file leaves open is missing in the files after it, which then fail for no reason of their own."""
    before = _open_descriptors()
    yield
    if _open_descriptors() > before + SPARE_DESCRIPTORS:
        gc.collect()
        left = _open_descriptors() - before
        assert left <= SPARE_DESCRIPTORS, f"{left} descriptors more are open than before this file"


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """A shell that starts us in the background lets us ignore SIGINT, and with us every program that a test interrupts."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
