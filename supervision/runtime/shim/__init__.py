"""Building the two pieces in C: overstory-exec, the program between a spawn and a child that needs more than a spawn can do,
and overstory-spawn.so, the spawn itself (`vfork.py`)."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from supervision.exceptions import SupervisionError

SOURCE = Path(__file__).with_name("overstory-exec.c")
NAME = "overstory-exec"
SPAWN_SOURCE = Path(__file__).with_name("overstory-spawn.c")
SPAWN_NAME = "overstory-spawn.so"
COMPILE_LIMIT_S = 120.0
TRY_LIMIT_S = 10.0
# In order of speed; the source says why. The first that compiles and runs is taken.
_WAYS: tuple[list[str], ...] = (
    [
        "-DFREESTANDING",
        "-ffreestanding",
        "-nostdlib",
        "-static",
        "-fno-stack-protector",
        "-fno-pie",
        "-no-pie",
    ],
    ["-static"],
    [],
)
_USAGE_STATUS = 127


class ShimBuildError(SupervisionError):
    """The shim could not be compiled; the message holds the compiler's words."""


def build_shim(out_dir: Path) -> Path:
    """Compile the shim into `out_dir` unless it is newer than its source; returns its path.

    Without a C library where we can, else static, else dynamic. ShimBuildError without a working compiler ($CC, cc, gcc
    or clang).
    """
    return _build(SOURCE, out_dir / NAME, _WAYS, _try_shim)


def build_spawn(out_dir: Path) -> Path:
    """Compile the library that spawns, likewise."""
    return _build(SPAWN_SOURCE, out_dir / SPAWN_NAME, (["-shared", "-fPIC"],), _try_library)


def _build(source: Path, target: Path, ways: tuple[list[str], ...], attempt: Callable[[Path], str]) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists() and target.stat().st_mtime > source.stat().st_mtime:
        return target
    names = (os.environ.get("CC", ""), "cc", "gcc", "clang")
    compiler = next((found for found in (shutil.which(name) for name in names if name) if found), None)
    if compiler is None:
        raise ShimBuildError("no C compiler found: install cc, or set CC")
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    said = ""
    for way in ways:
        said = _compile(compiler, way, source, fresh) or attempt(fresh)
        if not said:
            fresh.replace(target)
            return target
    fresh.unlink(missing_ok=True)
    raise ShimBuildError(f"{compiler} could not build {source.name}:\n{said}")


def _compile(compiler: str, way: list[str], source: Path, target: Path) -> str:
    """What went wrong, or an empty string."""
    command = [compiler, "-O2", "-Wall", "-Wextra", *way, "-o", str(target), str(source)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=COMPILE_LIMIT_S)
    except subprocess.TimeoutExpired as late:
        return str(late)
    return done.stderr or f"exit status {done.returncode}" if done.returncode != 0 else ""


def _try_shim(built: Path) -> str:
    try:
        tried = subprocess.run([built], capture_output=True, text=True, check=False, timeout=TRY_LIMIT_S)
    except subprocess.TimeoutExpired as late:
        return str(late)
    return "" if tried.returncode == _USAGE_STATUS else f"it does not run here ({tried.returncode})"


def _try_library(built: Path) -> str:
    try:
        ctypes.CDLL(str(built))
    except OSError as error:
        return f"it cannot be loaded here: {error}"
    return ""
