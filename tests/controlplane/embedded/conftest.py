"""A prepared PostgreSQL data directory is copied, not made anew: initdb takes most of a second."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane.embedded.postgres_server import PostgresServer
from controlplane.embedded.privileges import Privileges, ordinary, user_namespace
from tests.support.stores import short_directory


def our_privileges() -> Privileges:
    return user_namespace() if os.geteuid() == 0 else ordinary()


@pytest.fixture(scope="module")
def prepared_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("initdb")
    server = PostgresServer.of(data_dir=base, socket_dir=base, privileges=our_privileges())
    server.prepare()
    return server.data_dir


@pytest.fixture
def base() -> Iterator[Path]:
    """A directory with a space and a quote in its name, as a checkout may have."""
    with short_directory() as directory:
        path = directory / "a 'b"
        path.mkdir()
        yield path


@pytest.fixture
def postgres(prepared_data: Path, base: Path) -> PostgresServer:
    """A server whose database exists."""
    server = PostgresServer.of(data_dir=base, socket_dir=base / "run", privileges=our_privileges())
    shutil.copytree(prepared_data, server.data_dir)
    server.data_dir.chmod(0o700)
    server.socket_dir.mkdir(mode=0o700)
    server.prepare()
    return server
