"""The audit against its figures: judged places of released packages, and speed, with the usual tools in the same run.

The packages are fetched into build/bench/corpus once, the tools into an environment of their own; nothing of either is run
but the tools. `--against none` leaves the tools out.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from bench import audit_labels, audit_speed
from bench.engine import EngineError
from bench.entry import Entry, Options
from bench.peers import say
from bench.report import Figure, Result, Table

PINS = (
    "ruff==0.17.5", "pylint==4.1.4", "bandit==1.9.4", "flake8==7.3.0", "flake8-async==26.8.1",
    "flake8-bugbear==26.10.27",
)  # fmt: skip
INSTALL_LIMIT_S = 600
RECALL, FALSE = 90.0, 5.0


def _corpus(options: Options) -> Path:
    directory = options.tools / "corpus"
    try:
        audit_labels.fetch(directory)
    except (subprocess.SubprocessError, OSError) as error:
        raise EngineError(f"the judged packages could not be fetched: {error}") from None
    return directory.resolve()


def _tools(options: Options) -> str | None:
    """An interpreter that has the tools; None when they are not invited."""
    if not options.invites("audit-tools"):
        return None
    venv = options.tools / "audit-tools"
    stamp, wanted = venv / ".installed", f"{sys.version_info[:3]} {PINS}"
    if not stamp.is_file() or stamp.read_text() != wanted:
        say(f"installing {' '.join(PINS)}")
        shutil.rmtree(venv, ignore_errors=True)
        pip = [
            str(venv / "bin/python"),
            "-m",
            "pip",
            "--disable-pip-version-check",
            "install",
            "--quiet",
            *PINS,
        ]
        try:
            for command in ([sys.executable, "-m", "venv", str(venv)], pip):
                subprocess.run(command, check=True, timeout=INSTALL_LIMIT_S)
        except (subprocess.SubprocessError, OSError) as error:
            raise EngineError(f"the tools could not be installed: {error}") from None
        stamp.write_text(wanted)
    return str(venv / "bin/python")


def labels(options: Options) -> Result:
    """Score the audit, and each tool, on the same places."""
    directory, python = _corpus(options), _tools(options)
    ours = audit_labels.tally(audit_labels.ours(directory))
    rows = [("this audit", *ours.cells())]
    if python is not None:
        files = sorted({label["file"] for label in audit_labels.labels()})
        together: set[audit_labels.Place] = set()
        for name, run in audit_labels.TOOLS.items():
            places = run(python, directory, files)
            together |= places
            rows.append((name, *audit_labels.tally(places).cells()))
        rows.append(("the four together", *audit_labels.tally(together).cells()))
    result = Result("judged places", samples={"wrong": [label["file"] for label in ours.wrong]})
    result.figures += [
        Figure("judged places that have to be reported", 100 * ours.recall, RECALL, " %", at_least=True),
        Figure("judged places that are all right and are reported", 100 * ours.false_rate, FALSE, " %"),
    ]
    columns = ("tool", "to be reported: reported", "all right: reported all the same")
    result.tables.append(Table("Judged places in released packages", columns, tuple(rows)))
    return result


def speed(options: Options) -> Result:
    """Time the audit of 275,000 lines, and bandit in the same run."""
    directory, python = _corpus(options), _tools(options)
    paths = [str(directory / name) for name in audit_speed.PACKAGES]
    target = options.work / "audit.json"
    command = [sys.executable, "-m", "supervision.audit", *paths, "--format", "json", "--output", str(target)]
    runs = [audit_speed.measure(command) for _ in range(1 if options.quick else 3)]
    summary = json.loads(target.read_text(encoding="utf-8"))["summary"]
    seconds, megabytes = min(run[0] for run in runs), max(run[1] for run in runs)
    rows: list[tuple[str, float, float]] = [("this audit", seconds, megabytes)]
    if python is not None:
        other = audit_speed.measure([python, "-m", "bandit", "--quiet", "--recursive", *paths])
        rows.append(("bandit", *other))
    result = Result("speed of the audit", samples={"runs": runs, "lines": summary["lines"]})
    result.figures += [
        Figure("celery, distributed and django audited", seconds, audit_speed.LIMIT_S, " s"),
        Figure("memory of that, all processes", megabytes, audit_speed.LIMIT_MB, " MB"),
    ]
    note = f"{summary['files']:,} files, {summary['lines']:,} lines; best time, largest memory of {len(runs)} runs."
    result.tables.append(
        Table("Auditing celery, distributed and django", ("tool", "s", "MB"), tuple(rows), note)
    )
    return result


ENTRIES = (
    Entry("audit-labels", "the audit and four tools on judged places of released packages", labels),
    Entry("audit-speed", "the audit of 275,000 lines, bandit beside it", speed),
)
