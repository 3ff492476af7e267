"""Interpreters with real Sentry SDKs of both generations: `build/sdk-VERSION`, each in an environment of its own.

`make setup-test` makes them, which needs a package index; afterwards none is asked. Django, Celery and Redis's client come
from the checkout's own environment: only the SDK differs between them.
"""

import fcntl
import hashlib
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
PROGRAMS = Path(__file__).with_name("sdk_programs")
PINS = {"1.45": ("sentry-sdk==1.45.1",), "2": ("sentry-sdk==2.75.0",)}
INSTALL_S = 280


def sdk_python(version: str) -> Path:
    """The interpreter with that SDK, made if it is not there. AssertionError with pip's words where it cannot be made."""
    pins, venv = PINS[version], BUILD / f"sdk-{version}"
    python, stamp = venv / "bin/python", venv / ".installed"
    wanted = hashlib.sha256("\n".join((*pins, sys.version, sys.prefix)).encode()).hexdigest()
    BUILD.mkdir(exist_ok=True)
    with venv.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            _run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(venv)])
            site = next((venv / "lib").glob("python3.*/site-packages"))
            _run([
                sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-deps",
                "--target", str(site), *pins,
            ])  # fmt: skip
            (site / "shared.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
            stamp.write_text(wanted)
    return python


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=INSTALL_S)
    assert done.returncode == 0, f"{argv} failed:\n{done.stdout[-1000:]}\n{done.stderr[-3000:]}"


if __name__ == "__main__":
    for each in PINS:
        sdk_python(each)
