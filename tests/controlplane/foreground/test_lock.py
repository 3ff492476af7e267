"""One instance for each data directory."""

import fcntl
import os
from pathlib import Path

import pytest

from controlplane.foreground.lock import AlreadyRunningError, lock_instance
from supervision.runtime.paths import Paths


@pytest.fixture
def paths(data_dir: Path) -> Paths:
    data_dir.mkdir(parents=True)
    return Paths(data_dir)


def test_a_second_one_is_told_the_pid_of_the_first(paths: Paths) -> None:
    lock = lock_instance(paths)
    with pytest.raises(AlreadyRunningError, match=f"in use by pid {os.getpid()}"):
        lock_instance(paths)
    os.close(lock)
    os.close(lock_instance(paths))


def test_a_guardian_that_runs_as_a_service_is_named_too(paths: Paths) -> None:
    with paths.guardian_lock.open("w") as held:
        held.write("guardian pid 4711\n")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(AlreadyRunningError, match="guardian pid 4711"):
            lock_instance(paths)
