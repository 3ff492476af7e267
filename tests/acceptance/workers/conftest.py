"""One instance and one broker for every test in here."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.workers.instance import Running
from tests.support.celery_lab import celery_lab
from tests.support.foreground import RUNNING, up


@pytest.fixture(scope="package")
def running() -> Iterator[Running]:
    with (
        celery_lab() as lab,
        tempfile.TemporaryDirectory(prefix="ovt-") as name,
        up(Path(name) / "data", "--no-examples") as instance,
    ):
        instance.until(RUNNING)
        yield Running(instance, lab)
