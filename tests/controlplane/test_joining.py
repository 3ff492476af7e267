"""Who may join a fleet: a host that knows the stores, and whose owner has said what may run on it."""

import os
from pathlib import Path

import pytest
from django.core.management.base import CommandError

from controlplane.embedded.connections import Connections
from controlplane.foreground.guardian_process import guardian_environment
from controlplane.management.commands.guardian import refuse_to_join_unprepared
from supervision.runtime.node_helpers import STORES_VARIABLE, courier_environment, uses_stores
from supervision.runtime.paths import Paths

URLS = {"DATABASE_URL": "postgresql://o@db/o", "REDIS_URL": "redis://r:6379/0"}


def prepared(directory: Path, toml: str) -> Paths:
    (directory / "node.toml").write_text(toml)
    return Paths(directory)


def test_a_prepared_host_may_join(tmp_path: Path) -> None:
    paths = prepared(tmp_path, f'executables = ["/usr/bin/*"]\nusers = ["{os.getuid()}"]\n')
    refuse_to_join_unprepared(paths, Connections.from_environment(paths, URLS))


@pytest.mark.parametrize(
    ("toml", "environ", "words"),
    [
        ('executables = ["*"]\nusers = ["*"]\n', {}, "DATABASE_URL and REDIS_URL"),
        ('executables = ["*"]\nusers = ["*"]\n', {"DATABASE_URL": URLS["DATABASE_URL"]}, "needs REDIS_URL"),
        ("", URLS, "executables"),
        ("nonsense = 1\n", URLS, "nonsense"),
    ],
)
def test_others_are_told_what_is_missing(
    tmp_path: Path, toml: str, environ: dict[str, str], words: str
) -> None:
    paths = prepared(tmp_path, toml)
    with pytest.raises(CommandError, match=words):
        refuse_to_join_unprepared(paths, Connections.from_environment(paths, environ))


def test_only_who_is_told_of_stores_runs_a_courier_and_it_is_told_nothing_else(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    environ = {
        **URLS,
        "PATH": "/bin",
        STORES_VARIABLE: "given",
        "OVERSTORY_SECRET_KEY": "s",
        "SECRET_KEY": "k",
    }
    connections = Connections.from_environment(paths, environ)
    bare = guardian_environment(environ, paths, connections)
    assert not uses_stores(bare)
    told = guardian_environment(environ, paths, connections, stores=connections.origin)
    assert uses_stores(told)
    ours = courier_environment(told, str(tmp_path))
    assert ours["DATABASE_URL"] == URLS["DATABASE_URL"]
    assert ours["OVERSTORY_DATA_DIR"] == str(tmp_path)
    assert not {"OVERSTORY_SECRET_KEY", "SECRET_KEY", "EXAMPLE_STATE_DIR"} & ours.keys()
