"""Building overstory-exec, the C program between posix_spawn and a child that needs more than posix_spawn can do."""

import os
import shutil
import subprocess
from pathlib import Path

from supervision.exceptions import SupervisionError

SOURCE = Path(__file__).with_name("overstory-exec.c")
NAME = "overstory-exec"
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
    out_dir.mkdir(parents=True, exist_ok=True)
    target = out_dir / NAME
    if target.exists() and target.stat().st_mtime > SOURCE.stat().st_mtime:
        return target
    names = (os.environ.get("CC", ""), "cc", "gcc", "clang")
    compiler = next((found for found in (shutil.which(name) for name in names if name) if found), None)
    if compiler is None:
        raise ShimBuildError("no C compiler found: install cc, or set CC")
    fresh = out_dir / f".{NAME}.{os.getpid()}"
    said = ""
    for way in _WAYS:
        said = _compile(compiler, way, fresh)
        if not said:
            fresh.replace(target)
            return target
    fresh.unlink(missing_ok=True)
    raise ShimBuildError(f"{compiler} could not build {SOURCE.name}:\n{said}")


def _compile(compiler: str, way: list[str], target: Path) -> str:
    """Build and try it; what went wrong, or an empty string."""
    command = [compiler, "-O2", "-Wall", "-Wextra", *way, "-o", str(target), str(SOURCE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return done.stderr or f"exit status {done.returncode}"
    tried = subprocess.run([target], capture_output=True, text=True, check=False)
    if tried.returncode != _USAGE_STATUS:
        return f"{' '.join(command)}: built, but does not run here ({tried.returncode})"
    return ""
