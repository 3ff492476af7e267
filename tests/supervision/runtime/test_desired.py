"""Each tree as it was last applied, on disk."""

import os
from pathlib import Path

import pytest

from supervision.runtime.desired import DesiredStore, DesiredTree

TREE = DesiredTree("shop", 3, "abc", "bigger pool", 1_700_000_000.5, {"tree": "shop", "version": 1})


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    store = DesiredStore(tmp_path)
    store.write(TREE)
    store.write(TREE)
    assert store.read("shop") == TREE
    assert [path.name for path in tmp_path.iterdir()] == ["shop.json"]


def test_a_removed_tree_is_gone_and_may_be_removed_twice(tmp_path: Path) -> None:
    store = DesiredStore(tmp_path)
    store.write(TREE)
    store.remove("shop")
    store.remove("shop")
    assert store.read("shop") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": "shop"}'])
def test_what_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "shop.json").write_text(text)
    assert DesiredStore(tmp_path).read("shop") is None


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DesiredStore(tmp_path)
    store.write(TREE)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        store.write(DesiredTree("shop", 4, "def", "", 0.0, {}))
    assert store.read("shop") == TREE
