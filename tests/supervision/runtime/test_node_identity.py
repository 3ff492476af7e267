"""Who a node is, and the epoch of its records."""

from pathlib import Path

import pytest

from supervision.runtime.node_identity import NodeIdentity
from supervision.runtime.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(tmp_path)
    made.prepare()
    return made


def test_an_id_is_made_once_and_stays(paths: Paths) -> None:
    first = NodeIdentity.load(paths)
    (paths.journal_dir / "0000000000000001.journal").touch()
    assert NodeIdentity.load(paths) == first
    assert len(first.node_id) == 32
    assert first.mark_prefix == first.node_id[:8] + ":"
    assert paths.node_json.stat().st_mode & 0o077 == 0 or paths.data_dir.stat().st_mode & 0o077 == 0


def test_a_journal_that_is_gone_begins_a_new_epoch_so_that_numbers_never_mix(paths: Paths) -> None:
    first = NodeIdentity.load(paths)
    second = NodeIdentity.load(paths)
    assert (second.node_id, second.stream_epoch) == (first.node_id, first.stream_epoch + 1)
    (paths.journal_dir / "0000000000000001.journal").touch()
    assert NodeIdentity.load(paths) == second


@pytest.mark.parametrize("text", ["", "{", "[]", '{"node_id": "x"}', '{"node_id": "x", "stream_epoch": "y"}'])
def test_a_file_that_cannot_be_read_is_replaced_by_a_new_identity(paths: Paths, text: str) -> None:
    paths.node_json.write_text(text)
    (paths.journal_dir / "0000000000000001.journal").touch()
    made = NodeIdentity.load(paths)
    assert NodeIdentity.load(paths) == made
    assert not paths.node_json.with_suffix(".new").exists()
