"""`guardian --join`: what a host must say before it takes orders from elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
URLS = {"DATABASE_URL": "postgresql://x@127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1/0"}
EXPLICIT = 'executables = ["/usr/bin/*"]\nusers = ["nobody"]\n'


def refusal(data_dir: Path, *, node_toml: str = "", **environment: str) -> str:
    """What it says; it must not have started."""
    data_dir.mkdir(mode=0o700)
    if node_toml:
        (data_dir / "node.toml").write_text(node_toml)
    done = subprocess.run(
        [sys.executable, "manage.py", "guardian", "--join", "--data-dir", str(data_dir)],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert not (data_dir / "journal").exists()
    return done.stderr


def test_needs_both_stores(data_dir: Path) -> None:
    said = refusal(data_dir, node_toml=EXPLICIT, DATABASE_URL=URLS["DATABASE_URL"])
    assert "--join needs REDIS_URL" in said


@pytest.mark.parametrize("node_toml", ["", '[labels]\nzone = "a"\n', 'executables = ["/usr/bin/*"]\n'])
def test_needs_a_list_of_what_may_run_as_whom(data_dir: Path, node_toml: str) -> None:
    said = refusal(data_dir, node_toml=node_toml, **URLS)
    assert "--join needs a list of what may run on this host" in said
    assert str(data_dir / "node.toml") in said


def test_names_the_fault_of_a_node_toml_that_cannot_be_read(data_dir: Path) -> None:
    said = refusal(data_dir, node_toml="executables = 5\n", **URLS)
    assert "/executables" in said
