"""Preparing a checkout."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PINNED = re.compile(
    r"^[A-Za-z0-9_.-]+(\[[a-z,]+\])?==[A-Za-z0-9.]+(; python_[a-z_]+ < \"[0-9.]+\")?( # .+)?$"
)
TARGETS = ("setup", "run", "test", "check", "bench", "soak", "clean")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What setup needs of a checkout, in a folder with a space in its name."""
    path = tmp_path / "a checkout"
    for name in ("Makefile", "requirements.txt", "tests/requirements.txt"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, path / name)
    shutil.copytree(ROOT / ".ci", path / ".ci", ignore=shutil.ignore_patterns("__pycache__"))
    return path


def make(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """From another folder, as `make -C`."""
    return subprocess.run(
        ["/usr/bin/make", "-C", str(checkout), *arguments],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_help_names_every_target(checkout: Path) -> None:
    said = make(checkout, "help").stdout
    assert all(f"make {target}" in said for target in TARGETS)


def test_without_a_usable_python_it_says_what_to_install(checkout: Path) -> None:
    done = make(checkout, "setup", PYTHON="/bin/false")
    assert done.returncode != 0
    assert "Python 3.11 or newer" in done.stderr
    assert "python3-venv" in done.stderr
    assert not (checkout / ".venv").exists()


def test_every_requirement_is_pinned() -> None:
    for name in ("requirements.txt", "tests/requirements.txt"):
        lines = [line for line in (ROOT / name).read_text().splitlines() if line and not line.startswith("#")]
        assert lines
        assert [line for line in lines if not PINNED.match(line)] == [], name


def test_packages_with_a_name_that_misleads_are_not_required() -> None:
    """On PyPI `uplot` is no chart library for browsers, and `django-channels` is not Channels."""
    text = (ROOT / "requirements.txt").read_text().lower()
    assert "uplot" not in text
    assert "django-channels" not in text


def test_what_may_be_written_gets_bytecode_and_what_may_not_is_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("setup_of_a_checkout", ROOT / ".ci/setup.py")
    assert spec is not None
    assert spec.loader is not None
    setup = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(setup)
    for name in ("open", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "module.py").write_text("answer = 42\n")
    (tmp_path / "closed" / "__pycache__").write_text("no directory, so nobody writes into it")
    monkeypatch.setattr(setup, "ROOT", tmp_path)
    monkeypatch.setattr(setup, "SOURCES", ("open", "closed", "missing"))
    setup.compile_sources()
    made = Path(importlib.util.cache_from_source(str(tmp_path / "open" / "module.py")))
    assert made.read_bytes()
    assert (tmp_path / "closed" / "__pycache__").is_file()
