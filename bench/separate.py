"""Entries that are programs of their own: they print what they found and exit 1 when a figure of theirs is missed.

Processes of their own, because what they measure (a kernel with 100,000 children) would leave its memory in ours.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bench.entry import Entry, Options
from bench.report import Figure, Result

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT_S = 1800


def run(module: str, arguments: Callable[[Options, Path], list[str]], options: Options) -> Result:
    """Run `bench.module`, its output passed on; its exit status becomes a figure of ours."""
    report = options.work / f"{module}.json"
    argv = [sys.executable, "-m", f"bench.{module}", *arguments(options, report)]
    done = subprocess.run(
        argv,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    result = Result(module, output=done.stdout.rstrip())
    if report.exists():
        result.samples = json.loads(report.read_text())
    if done.returncode not in (0, 1):
        result.failure = f"exit status {done.returncode}"
    result.figures.append(Figure(f"{module}: exit status", done.returncode, 0, ""))
    return result


def _kernel(options: Options, report: Path) -> list[str]:
    return ["--json", str(report), *(["--quick"] if options.quick else [])]


ENTRIES = (
    Entry(
        "kernel",
        "restarts a second in the kernel, beside Erlang/OTP",
        partial(run, "kernel_restarts", _kernel),
        ("erlang-base",),
    ),
)
