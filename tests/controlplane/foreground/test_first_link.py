"""The link that `up` shows comes from a process of its own, which may have been asked too early."""

from pathlib import Path

import pytest

from controlplane.foreground import first_link
from controlplane.foreground.first_link import FirstLink

PROGRAM = """
import pathlib, sys
assert sys.argv[1:] == ["login_link", "--json"]
asked = pathlib.Path("asked")
asked.write_text(asked.read_text() + "x" if asked.exists() else "x")
{then}
"""
SAYS = 'print(\'{"url": "http://127.0.0.1/login/link/x"}\')'


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(first_link, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("then", "url", "asked"),
    [
        (SAYS, "http://127.0.0.1/login/link/x", 1),
        (f"if len(asked.read_text()) == 2: {SAYS}", "http://127.0.0.1/login/link/x", 2),
        ("sys.exit('the store is away')", None, 2),
        ("print('[]')", None, 2),
    ],
)
def test_what_gave_no_link_is_asked_once_more(root: Path, then: str, url: str | None, asked: int) -> None:
    (root / "manage.py").write_text(PROGRAM.format(then=then))
    assert FirstLink({}).url() == url
    assert len((root / "asked").read_text()) == asked


def test_one_that_says_nothing_is_ended(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_link, "WITHIN_S", 0.5)
    (root / "manage.py").write_text("import time; time.sleep(600)")
    assert FirstLink({}).url() is None
