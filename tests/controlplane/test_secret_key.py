"""The secret key is nobody's default and nobody else's to read."""

import threading
from pathlib import Path

import pytest

from controlplane.secret_key import secret_key


def test_it_is_made_once_and_kept_private(tmp_path: Path) -> None:
    first = secret_key(tmp_path / "data", {})
    assert len(first) > 50
    assert secret_key(tmp_path / "data", {}) == first
    assert (tmp_path / "data/secret_key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_of_two_that_make_it_at_once_both_have_the_same(tmp_path: Path) -> None:
    barrier = threading.Barrier(8)
    keys: set[str] = set()

    def make() -> None:
        barrier.wait()
        keys.add(secret_key(tmp_path, {}))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    secret_key(tmp_path, {})
    (tmp_path / "secret_key").chmod(0o644)
    with pytest.raises(PermissionError, match="readable by others"):
        secret_key(tmp_path, {})


def test_the_environment_goes_first_and_nothing_is_written(tmp_path: Path) -> None:
    assert secret_key(tmp_path / "data", {"SECRET_KEY": "given"}) == "given"
    assert not (tmp_path / "data").exists()
