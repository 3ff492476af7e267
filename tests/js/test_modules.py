"""The pure modules of the pages, run by `node --test` where node is installed."""

import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
NODE = shutil.which("node")


@pytest.mark.skipif(NODE is None, reason="node is not installed; the browser tests run the same modules")
def test_modules_pass_their_own_tests() -> None:
    files = sorted(str(path) for path in HERE.glob("*.test.js"))
    assert files
    result = subprocess.run(
        [str(NODE), "--test", *files], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
