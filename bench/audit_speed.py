"""Time the audit, and bandit beside it in the same run when an interpreter that has it is given.

    python -m bench.audit_speed DIR [--tools PYTHON]     DIR as for bench.audit_labels: celery, distributed, django

Wall time and the largest sum of resident memory over the processes of the run, sampled. Exit status 1 when the audit of
275,000 lines takes 10 s or more, or 500 MB.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PACKAGES = ("celery", "distributed", "django")
LIMIT_S, LIMIT_MB = 10.0, 500.0
ROOT = Path(__file__).parents[1]


def _memory_mb(pid: int) -> float:
    """Proportional memory of a process and its children: pages they share are counted once."""
    total = 0.0
    pending = [pid]
    while pending:
        one = pending.pop()
        try:
            for line in Path(f"/proc/{one}/smaps_rollup").read_text(encoding="ascii").splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) / 1024
            children = Path(f"/proc/{one}/task/{one}/children").read_text(encoding="ascii")
            pending += [int(child) for child in children.split()]
        except (OSError, ValueError):
            continue
    return total


def measure(command: list[str]) -> tuple[float, float]:
    """Seconds and megabytes of one run."""
    begun = time.monotonic()
    peak = 0.0
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, _memory_mb(process.pid))
            time.sleep(0.05)
    return time.monotonic() - begun, peak


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.audit_speed", description="Time the audit.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--tools", metavar="PYTHON")
    given = parser.parse_args()
    paths = [str((given.directory / name).resolve()) for name in PACKAGES]
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "report.json"
        command = [
            sys.executable,
            "-m",
            "supervision.audit",
            *paths,
            "--format",
            "json",
            "--output",
            str(target),
        ]
        runs = [measure(command) for _ in range(3)]
        summary = json.loads(target.read_text(encoding="utf-8"))["summary"]
    seconds, megabytes = min(run[0] for run in runs), max(run[1] for run in runs)
    print(f"{summary['files']:,} files, {summary['lines']:,} lines")
    print(f"| this audit | {seconds:.1f} s | {megabytes:.0f} MB |")
    if given.tools:
        other = measure([given.tools, "-m", "bandit", "--quiet", "--recursive", *paths])
        print(f"| bandit | {other[0]:.1f} s | {other[1]:.0f} MB |")
    return 0 if seconds < LIMIT_S and megabytes < LIMIT_MB else 1


if __name__ == "__main__":
    sys.exit(main())
