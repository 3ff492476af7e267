"""A fake node where the command line looks for one."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervision.runtime.paths import Paths
from tests.support.fake_node import FakeNode


@pytest.fixture
def paths(data_dir: Path) -> Paths:
    """The instance of this test, its sockets in a short directory of its own."""
    data_dir.mkdir(mode=0o700)
    runtime_dir = data_dir.parent / f"r{data_dir.name}"
    runtime_dir.mkdir(mode=0o700)
    paths = Paths.from_environment()
    paths.runtime_json.write_text(
        json.dumps({"runtime_dir": str(runtime_dir), "guardian_pid": 1, "protocol": 1})
    )
    return paths


@pytest.fixture
def node(paths: Paths) -> Iterator[FakeNode]:
    """A node with the tree `shop`."""
    with FakeNode(paths.control_socket) as fake:
        yield fake
