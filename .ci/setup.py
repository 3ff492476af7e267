"""Prepare a checkout: `.venv` with the pinned packages, and the exec shim in `build/`.

`setup.py run` brings what `make run` needs, `setup.py test` also what the tests need. Everything is stamped by
content, so that a second call does nothing and asks no network, whatever a clone or copy did to the files' times.
One at a time: a lock in `build/` makes a second `make` wait. Standard library only; runs under any Python 3.11+.
"""

import compileall
import fcntl
import hashlib
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
BUILD = ROOT / "build"
SHIM_SOURCES = [
    ROOT / "supervision/runtime/shim" / name
    for name in ("overstory-exec.c", "overstory-spawn.c", "__init__.py")
]
SHIM = BUILD / "overstory-exec"
SPAWN = BUILD / "overstory-spawn.so"
SDKS = ROOT / "tests/support/sdk_versions.py"
LOG = BUILD / "setup.log"
PROGRESS_EVERY_S = 5.0
SOURCES = ("controlplane", "supervision", "agents")
REQUIREMENTS = {"run": ["requirements.txt"], "test": ["requirements.txt", "tests/requirements.txt"]}


class SetupError(Exception):
    """Something is missing or failed; the message says what to do."""


def say(text: str) -> None:
    sys.stderr.write(f"setup: {text}\n")
    sys.stderr.flush()


def run(argv: Sequence[str | Path], *, what: str) -> None:
    """Run to the end with its output in the log; SetupError with the log's tail when it fails.

    A signal ends the child before us: a setup that was interrupted leaves nothing running. What it is at is said
    every few seconds, because a download may take minutes.
    """
    with LOG.open("ab") as log:
        log.write(f"$ {' '.join(map(str, argv))}\n".encode())
        log.flush()
        child = subprocess.Popen(
            [str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT
        )
        said = ""
        try:
            while (status := wait_a_while(child)) is None:
                if (line := last_line()) != said:
                    said = line
                    say(f"  {line[:90]}")
        except BaseException:
            child.terminate()
            child.wait()
            raise
    if status != 0:
        tail = "\n".join(LOG.read_text(errors="replace").splitlines()[-25:])
        raise SetupError(f"{what} failed with status {status}; the end of {LOG}:\n{tail}")


def wait_a_while(child: subprocess.Popen[bytes]) -> int | None:
    try:
        return child.wait(timeout=PROGRESS_EVERY_S)
    except subprocess.TimeoutExpired:
        return None


def last_line() -> str:
    lines = LOG.read_text(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip() and "WARNING" not in line), "")


def digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def stamp_is(stamp: Path, value: str) -> bool:
    try:
        return stamp.read_text() == value
    except OSError:
        return False


def inside_venv() -> bool:
    return VENV.exists() and Path(sys.prefix).samefile(VENV)


def make_venv() -> None:
    """A `.venv` of this interpreter, unless we run inside the one that is there."""
    if inside_venv():
        return
    if VENV.exists():
        say("replacing .venv, which is incomplete, does not work or is of another Python")
        shutil.rmtree(VENV)
    say(f"making .venv with Python {sys.version.split()[0]}")
    run([sys.executable, "-m", "venv", VENV], what="python -m venv")
    (VENV / ".made").touch()


def install(level: str) -> None:
    """Install `level`'s pinned packages, unless the stamp says that these very pins are in."""
    files = [ROOT / name for name in REQUIREMENTS[level]]
    wanted = digest(*(path.read_bytes() for path in files))
    stamp = VENV / f".installed-{level}"
    if stamp_is(stamp, wanted):
        return
    pins = [line for path in files for line in path.read_text().splitlines() if "==" in line]
    say(f"installing {len(pins)} pinned packages for `make {level}`, progress in {LOG}")
    began = time.monotonic()
    arguments = [argument for path in files for argument in ("-r", str(path))]
    pip = [str(VENV / "bin/python"), "-m", "pip", "--disable-pip-version-check", "install", "--no-input"]
    run([*pip, *arguments], what="pip install")
    say(f"installed in {time.monotonic() - began:.0f} s")
    stamp.write_text(wanted)
    if level == "test":
        (VENV / ".installed-run").write_text(digest((ROOT / "requirements.txt").read_bytes()))


def shim_digest() -> str:
    """Of the source and of how it is compiled."""
    return digest(*(path.read_bytes() for path in SHIM_SOURCES))


def compile_shim() -> None:
    """Compile the exec shim and the spawn library, which `supervision/runtime/shim` knows how to."""
    wanted = shim_digest()
    stamp = BUILD / ".overstory-exec"
    if SHIM.exists() and SPAWN.exists() and stamp_is(stamp, wanted):
        return
    for built in (SHIM, SPAWN):
        built.unlink(missing_ok=True)
    run(
        [sys.executable, "-m", "supervision.runtime.shim", BUILD],
        what="compiling the exec shim and the spawn library (apt-get install gcc libc6-dev)",
    )
    stamp.write_text(wanted)


def sdks_digest() -> str:
    """Of which there are, and of the interpreter that they are made with."""
    return digest(SDKS.read_bytes(), sys.version.encode())


def bring_sdks() -> None:
    """Sentry SDKs of other versions than the pinned one, which tests run programs with."""
    stamp = BUILD / ".sdks"
    if stamp_is(stamp, sdks_digest()):
        return
    run([VENV / "bin/python", "-m", "tests.support.sdk_versions"], what="installing Sentry SDKs for tests")
    stamp.write_text(sdks_digest())


def compile_sources() -> None:
    """Bytecode beside what changed. Where PYTHONDONTWRITEBYTECODE is set, as images of Python do, each of our processes
    would compile all that it imports at every start. Who may not write leaves it as it is."""
    for name in SOURCES:
        compileall.compile_dir(ROOT / name, quiet=2)


def is_done(level: str) -> bool:
    """Whether nothing is left to do; needs no lock and no right to write, so any user of the checkout may ask."""
    pins = digest(*((ROOT / name).read_bytes() for name in REQUIREMENTS[level]))
    shim = SHIM.exists() and SPAWN.exists() and stamp_is(BUILD / ".overstory-exec", shim_digest())
    sdks = level == "run" or stamp_is(BUILD / ".sdks", sdks_digest())
    return shim and sdks and inside_venv() and stamp_is(VENV / f".installed-{level}", pins)


def interrupted(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main(argv: list[str]) -> int:
    level = argv[0] if argv else "run"
    if level not in REQUIREMENTS:
        say(f"usage: setup.py {'|'.join(REQUIREMENTS)}")
        return 2
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    if is_done(level):
        compile_sources()
        return 0
    try:
        BUILD.mkdir(exist_ok=True)
        with (BUILD / ".setup.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            LOG.write_bytes(b"")
            make_venv()
            install(level)
            compile_shim()
            compile_sources()
            if level == "test":
                bring_sdks()
    except SetupError as error:
        say(str(error))
        return 1
    except OSError as error:
        say(f"{error}. The checkout has to be writable by the user that sets it up.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
