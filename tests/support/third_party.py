"""The interpreter of somebody else's project, with its own dependencies: `build/third-party`, made once, pinned.

Made when a test asks for it first, which needs a package index; it needs none as long as the pins stay.
"""

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(__file__).with_name("third_party_programs")
PINS = PROGRAMS / "requirements.txt"
VENV = ROOT / "build/third-party"
PYTHON = VENV / "bin/python"
INSTALL_S = 280


def third_party_python() -> Path:
    """Its interpreter. AssertionError with pip's words where it cannot be made."""
    stamp = VENV / ".installed"
    wanted = hashlib.sha256(PINS.read_bytes() + sys.version.encode()).hexdigest()
    VENV.parent.mkdir(exist_ok=True)
    with VENV.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            _run([sys.executable, "-m", "venv", "--clear", str(VENV)])
            _run(
                [
                    str(PYTHON),
                    "-m",
                    "pip",
                    "install",
                    "--no-input",
                    "--disable-pip-version-check",
                    "-r",
                    str(PINS),
                ]
            )
            stamp.write_text(wanted)
    return PYTHON


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=INSTALL_S)
    assert done.returncode == 0, f"{argv} failed:\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}"
