"""Brings the peers: a virtual environment and an npm prefix under build/bench, Debian's packages where we may install them.

A peer that cannot be had is named with the reason, and the benchmark does not start without it: a comparison that
silently lost its opponents is no comparison.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

PYTHON_PINS = {"supervisor": "4.3.0", "superlance": "2.0.0", "circus": "0.19.0"}
PM2_PIN = "7.0.4"
BUGSINK_PIN = "2.6.2"
DEBIAN = {"runit": "runsvdir", "s6": "s6-svscan", "erlang-base": "erl"}
"""Debian package -> the program that says it is there. On another system these programs in PATH are enough."""
PEERS = (*PYTHON_PINS, "pm2", "bugsink", *DEBIAN)
INSTALL_TIMEOUT_S = 600


class PeerError(Exception):
    """Peers that could not be installed, each with the reason."""


def say(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()


def ensure(peers: Iterable[str], tools: Path) -> dict[str, str]:
    """Install what is missing of `peers` and return their versions. Raises PeerError naming all that failed."""
    tools.mkdir(parents=True, exist_ok=True)
    wanted = set(peers)
    failures: dict[str, str] = {}
    versions: dict[str, str] = {}
    steps: list[tuple[set[str], Callable[[set[str], Path], dict[str, str]]]] = [
        (wanted & set(PYTHON_PINS), _python),
        (wanted & {"pm2"}, _npm),
        (wanted & {"bugsink"}, _bugsink),
        (wanted & set(DEBIAN), _debian),
    ]
    for group, install in steps:
        if group:
            try:
                versions |= install(group, tools)
            except PeerError as error:
                failures[", ".join(sorted(group))] = str(error)
    if failures:
        raise PeerError("\n".join(f"could not install {names}: {why}" for names, why in failures.items()))
    return versions


def _run(argv: Sequence[str], tools: Path, *, environment: dict[str, str] | None = None) -> None:
    """Run an installer with its output in install.log. Raises PeerError with the log's end."""
    log = tools / "install.log"
    with log.open("ab") as out:
        out.write(f"$ {' '.join(argv)}\n".encode())
        out.flush()
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=tools, check=False,
                env={**os.environ, **(environment or {})}, timeout=INSTALL_TIMEOUT_S,
            )  # fmt: skip
        except FileNotFoundError:
            raise PeerError(f"there is no {argv[0]}") from None
        except subprocess.TimeoutExpired:
            raise PeerError(f"{argv[0]} took longer than {INSTALL_TIMEOUT_S} s") from None
    if done.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-12:])
        raise PeerError(f"{argv[0]} failed with status {done.returncode}; the end of {log}:\n{tail}")


def _stamped(stamp: Path, value: str) -> bool:
    try:
        return stamp.read_text() == value
    except OSError:
        return False


def _python(_: set[str], tools: Path) -> dict[str, str]:
    """Both Python peers, in an environment of their own: their dependencies are not ours."""
    _environment(tools, tools / "venv", [f"{name}=={version}" for name, version in PYTHON_PINS.items()])
    return dict(PYTHON_PINS)


def _bugsink(_: set[str], tools: Path) -> dict[str, str]:
    """In an environment of its own: it brings another Django."""
    _environment(tools, tools / "bugsink", [f"bugsink=={BUGSINK_PIN}"])
    return {"bugsink": BUGSINK_PIN}


def bugsink_programs(tools: Path) -> Path:
    """Where its programs are, once it was ensured."""
    return tools / "bugsink" / "bin"


def _environment(tools: Path, venv: Path, pins: list[str]) -> None:
    stamp = venv / ".installed"
    wanted = f"{sys.version_info[:3]} {pins}"
    if not _stamped(stamp, wanted):
        say(f"installing {' '.join(pins)}")
        shutil.rmtree(venv, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(venv)], tools)
        pip = [str(venv / "bin/python"), "-m", "pip", "--disable-pip-version-check", "install", "--no-input"]
        _run([*pip, *pins], tools)
        stamp.write_text(wanted)


def _npm(_: set[str], tools: Path) -> dict[str, str]:
    prefix = tools / "npm"
    stamp = prefix / ".installed"
    if not _stamped(stamp, PM2_PIN):
        say(f"installing pm2 {PM2_PIN}")
        shutil.rmtree(prefix, ignore_errors=True)
        prefix.mkdir()
        npm = ["npm", "install", "--no-fund", "--no-audit", "--no-update-notifier", "--prefix", str(prefix)]
        _run([*npm, f"pm2@{PM2_PIN}"], tools)
        stamp.write_text(PM2_PIN)
    return {"pm2": PM2_PIN}


def _debian(packages: set[str], tools: Path) -> dict[str, str]:
    missing = sorted(name for name in packages if shutil.which(DEBIAN[name]) is None)
    if missing:
        if shutil.which("apt-get") is None:
            raise PeerError(f"{', '.join(missing)} not in PATH, and there is no apt-get here")
        if os.geteuid() != 0:
            raise PeerError(f"as root: apt-get install --no-install-recommends {' '.join(missing)}")
        say(f"installing {' '.join(missing)} (apt-get)")
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *missing]
        try:
            _run(install, tools, environment=quiet)
        except PeerError:  # package lists are old, or were never fetched
            _run(["apt-get", "update", "-q"], tools, environment=quiet)
            _run(install, tools, environment=quiet)
    return {name: _debian_version(name) for name in packages}


def _debian_version(package: str) -> str:
    """What dpkg knows; of a program that came another way, that it is there."""
    try:
        done = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", package],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    except FileNotFoundError:
        return "present"
    return done.stdout if done.returncode == 0 and done.stdout else "present"
