"""Run the entries, print what they found, exit 1 when a figure was missed.

0: every figure taken was met; 1: some were missed, named last; 2: something could not be measured (a peer cannot be
installed, the compiler is missing, a contender failed); what could be measured is still said.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from subprocess import TimeoutExpired
from typing import Any

from bench import (
    adoption,
    agents,
    audits,
    celery_overhead,
    document,
    errorstore,
    ingest,
    pages,
    peers,
    pixel,
    recovery,
    restarts,
    sampler,
    separate,
    thousand,
    viewers,
    watchers,
)
from bench.engine import EngineError
from bench.entry import Entry, Options
from bench.native import CompilerError
from bench.peers import PeerError
from bench.processes import end_everything, prepare_self
from bench.report import Result, missed, summary
from bench.stamps import SilentError
from supervision.runtime.client import ControlError

ROOT = Path(__file__).resolve().parents[1]


def entries() -> tuple[Entry, ...]:
    """Every entry, in the order they run."""
    return (
        *restarts.ENTRIES,
        *thousand.ENTRIES,
        *agents.ENTRIES,
        *adoption.ENTRIES,
        *sampler.ENTRIES,
        *watchers.ENTRIES,
        *ingest.ENTRIES,
        *errorstore.ENTRIES,
        *pixel.ENTRIES,
        *viewers.ENTRIES,
        *pages.ENTRIES,
        *recovery.ENTRIES,
        *audits.ENTRIES,
        *celery_overhead.ENTRIES,
        *separate.ENTRIES,
    )


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure Overstory against its promises."
    )
    known = "\n".join(f"{one.name}: {one.about}" for one in entries())
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"entries:\n{known}"
    parser.add_argument("--quick", action="store_true", help="fewer samples; five minutes instead of twenty")
    parser.add_argument("--only", type=_names, default=[], metavar="ENTRY,...", help="these entries only")
    parser.add_argument(
        "--against", type=_names, default=[], metavar="PEER,...", help="these peers only; none: no peer"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write everything, samples included, as JSON"
    )
    parser.add_argument(
        "--from",
        dest="pieces",
        type=_names,
        default=[],
        metavar="FILE,...",
        help="measure nothing: take what runs of one machine wrote with --json, as if it had been one run",
    )
    parser.add_argument("--write-docs", action="store_true", help="write the tables into docs/benchmarks.md")
    chosen = parser.parse_args(argv)
    unknown = set(chosen.only) - {one.name for one in entries()}
    if unknown:
        parser.error(
            f"no entry {', '.join(sorted(unknown))}; there are {', '.join(e.name for e in entries())}"
        )
    return chosen


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def machine() -> dict[str, Any]:
    """Where this ran: a figure means little without it."""
    return {
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "architecture": platform.machine(),
        "load": round(os.getloadavg()[0], 2),
    }


def main(argv: list[str]) -> int:
    """Run what was asked for; the exit status."""
    chosen = arguments(argv)
    if chosen.pieces:
        return _say(chosen, *document.join(json.loads(Path(piece).read_text()) for piece in chosen.pieces))
    # An ordinary exit on TERM, so that everything started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    wanted = [one for one in entries() if not chosen.only or one.name in chosen.only]
    tools = ROOT / "build" / "bench"
    prepare_self()
    work = Path(tempfile.mkdtemp(prefix="ovb-"))
    work.chmod(0o711)
    options = Options(chosen.quick, tools, work, frozenset(chosen.against))
    try:
        needed = () if chosen.against == ["none"] else (peer for one in wanted for peer in one.peers)
        versions = peers.ensure(needed, tools)
        report = {"version": 1, "quick": chosen.quick, "machine": machine(), "peers": versions}
        results = [_run(one, options) for one in wanted]
    except (PeerError, CompilerError) as error:
        peers.say(f"cannot go on: {error}")
        return 2
    finally:
        end_everything()
        shutil.rmtree(work, ignore_errors=True)
    report["entries"] = [one.as_json() for one in results]
    return _say(chosen, report, results)


def _say(chosen: argparse.Namespace, report: dict[str, Any], results: list[Result]) -> int:
    """Print and write what was found; the exit status."""
    print(summary(results))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(report, indent=1) + "\n")
    if chosen.write_docs:
        document.write(ROOT / "docs" / "benchmarks.md", report, results)
    if any(one.failure for one in results):
        return 2
    return 1 if missed(results) else 0


def _run(one: Entry, options: Options) -> Result:
    peers.say(f"{one.name}: {one.about}")
    began = time.monotonic()
    try:
        result = one.run(options)
    except (EngineError, SilentError, ControlError, OSError, TimeoutExpired) as error:
        result = Result(one.name, failure=f"{type(error).__name__}: {error}")
        peers.say(result.failure)
    result.seconds = time.monotonic() - began
    left = end_everything()
    for table in result.tables:
        print(f"{table.text()}\n")
    if result.output:
        print(f"{result.output}\n")
    peers.say(f"{one.name}: {result.seconds:.0f} s{f', {left} processes had to be ended' if left else ''}")
    sys.stdout.flush()
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
