"""Entries that are programs of their own: they print what they found and exit 1 when a figure of theirs is missed.

`python -m bench.NAME [--quick] [--json FILE]`. Processes of their own, because what they measure (a kernel with 100,000
children, an AST over 100,000 lines) would leave its memory in ours.
"""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

from bench.entry import Entry, Options
from bench.report import Figure, Result

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT_S = 1800


def run(module: str, options: Options) -> Result:
    """Run `bench.module`, its output passed on; each of its figures becomes one of ours."""
    report = options.work / f"{module}.json"
    argv = [sys.executable, "-m", f"bench.{module}", "--json", str(report)]
    if options.quick:
        argv.append("--quick")
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
    result.figures.append(Figure(f"{module}: exit status", done.returncode, 0, ""))
    return result


def entries() -> tuple[Entry, ...]:
    """Those that are in this checkout."""
    known = (
        ("kernel", "kernel_restarts", "restarts a second in the kernel, beside Erlang/OTP", ("erlang-base",)),
        ("audit-speed", "audit_speed", "the audit over 100,000 lines", ()),
        ("audit-labels", "audit_labels", "the audit over labelled code", ()),
    )
    return tuple(
        Entry(name, about, partial(run, module), needed)
        for name, module, about, needed in known
        if (ROOT / "bench" / f"{module}.py").exists()
    )
