"""What several files of tests of the runtime are given."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.supervision.runtime.driver_stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A driver that runs nothing yet."""
    made = Stage(tmp_path)
    yield made
    made.loop.close()
