"""The command's contract: options, exit status, where output goes. `python -m supervision.audit` and `manage.py audit`.

Exit status: 0 nothing at the level or above, 1 something, 2 bad usage or no path that can be read.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import TextIO

from supervision.audit import baseline
from supervision.audit.catalogue import RULES, parse_codes
from supervision.audit.finding import Severity
from supervision.audit.reports import FORMATS, as_json, severity
from supervision.audit.run import Options, Progress, Report, audit
from supervision.audit.upload import CONTEXT, UploadError, upload

OK, FOUND, USAGE, GONE = 0, 1, 2, 141
_NEVER = "never"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options, for this parser or for Django's."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a file or a directory")
    parser.add_argument("--format", choices=sorted(FORMATS), default="text", help="text by default")
    parser.add_argument(
        "--fail-on",
        choices=[*(level.word for level in Severity), _NEVER],
        default=_NEVER,
        metavar="LEVEL",
        help="exit with 1 for a finding of this severity or above: info, low, medium, high, critical, never (default)",
    )
    parser.add_argument(
        "--level",
        choices=[level.word for level in Severity],
        default="info",
        metavar="LEVEL",
        help="report only findings of this severity or above; info (all) by default",
    )
    parser.add_argument(
        "--exclude",
        action="append",
        default=[],
        metavar="PATTERN",
        help="leave out files and directories below PATH; may be given several times",
    )
    parser.add_argument(
        "--select", metavar="CODES", help="only these rules: codes, beginnings of codes, or names"
    )
    parser.add_argument("--ignore", metavar="CODES", help="not these rules")
    parser.add_argument("--baseline", metavar="FILE", help="leave out the findings that this baseline has")
    parser.add_argument("--write-baseline", metavar="FILE", help="write what is found as the new baseline")
    parser.add_argument(
        "--ratchet",
        action="store_true",
        help="exit with 1 when a rule has more findings than in the baseline",
    )
    parser.add_argument(
        "--context",
        type=int,
        default=0,
        metavar="N",
        help="put N source lines before and after each finding into JSON and SARIF",
    )
    parser.add_argument(
        "--require-reasons", action="store_true", help="a suppression without a reason suppresses nothing"
    )
    parser.add_argument(
        "--jobs", type=int, metavar="N", help="processes; as many as there are cores by default"
    )
    parser.add_argument("--upload", metavar="URL", help="hand the report in to an Overstory; with --project")
    parser.add_argument("--project", metavar="NAME", help="the audit project that the report is of")
    parser.add_argument("--revision", metavar="REV", default="", help="of the code, for --upload")
    parser.add_argument("--output", metavar="FILE", help="write the report there and not to standard output")


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m supervision.audit", description="Find what nobody supervises."
    )
    add_arguments(parser)
    try:
        status = run(parser.parse_args(arguments), sys.stdout, sys.stderr)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the report has seen enough; nothing more can be said, at the interpreter's exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return GONE
    return status


def run(given: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Audit as the parsed options say, write the report to `out` and complaints to `err`."""
    try:
        codes = _codes(given.select, given.ignore)
        known = _known(given)
        _whole_for_upload(given)
    except (ValueError, baseline.BaselineError) as error:
        err.write(f"audit: {error}\n")
        return USAGE
    options = Options(
        context=max(0, min(given.context, 20)) or (CONTEXT if given.upload else 0),
        paths=given.paths,
        codes=codes,
        exclude=tuple(given.exclude),
        jobs=given.jobs,
        reasons=given.require_reasons,
        progress=_bar(err),
    )
    report = audit(options)
    if sum(problem.given for problem in report.errors) == len(given.paths):
        err.writelines(f"audit: {problem.path}: {problem.message}\n" for problem in report.errors)
        return USAGE
    every = report.findings
    grown = baseline.grown(every, known, codes) if given.ratchet and known is not None else {}
    if known is not None:
        report.findings = baseline.new(every, known)
        report.baselined = len(every) - len(report.findings)
    least = Severity[given.level.upper()]
    shown = [item for item in report.findings if severity(item) >= least]
    report.whole = report.whole and len(shown) == len(every)
    report.findings = shown
    if not _write_report(given, report, out, err):
        return USAGE
    for code, (before, now) in grown.items():
        print(f"audit: ratchet: {code} {RULES[code].name}: {now} findings, {before} before", file=err)
    if given.write_baseline and not grown:
        try:
            baseline.write(Path(given.write_baseline), every)
        except baseline.BaselineError as error:
            err.write(f"audit: {error}\n")
            return USAGE
        err.write(f"audit: {len(every)} findings written to {given.write_baseline}\n")
    if given.upload:
        try:
            more = not _uploaded(given, report, err)
        except UploadError as error:
            err.write(f"audit: {error}\n")
            return USAGE
    else:
        more = False
    return FOUND if grown or more or _fails(report, given) else OK


def _whole_for_upload(given: argparse.Namespace) -> None:
    """What an option leaves out of a report would be taken for fixed."""
    if not given.upload:
        return
    if not given.project:
        raise ValueError("--upload needs --project")
    if given.select or given.ignore or given.baseline or given.level != "info":
        raise ValueError("--upload takes whole reports: without --select, --ignore, --level and --baseline")


def _uploaded(given: argparse.Namespace, report: Report, err: TextIO) -> bool:
    """Hand the report in; whether the project's ratchet holds."""
    taken = upload(
        as_json(report, given.paths), url=given.upload, project=given.project, revision=given.revision
    )
    err.write(
        f"audit: run {taken.number} of {given.project}: {taken.verdict}, {taken.new} new, {taken.gone} gone\n"
    )
    if not taken.passes:
        err.writelines(
            f"audit: {rule}: {now} findings, {before} before\n" for rule, (before, now) in taken.grown.items()
        )
    return taken.passes


def _codes(select: str | None, ignore: str | None) -> frozenset[str]:
    selected = parse_codes(select) if select else frozenset(RULES)
    return selected - (parse_codes(ignore) if ignore else frozenset())


def _known(given: argparse.Namespace) -> baseline.Baseline | None:
    """The baseline to compare with. The ratchet may take it from the file that is to be written."""
    if given.baseline:
        return baseline.load(Path(given.baseline))
    if given.ratchet:
        if given.write_baseline and Path(given.write_baseline).exists():
            return baseline.load(Path(given.write_baseline))
        if not given.write_baseline:
            raise ValueError("--ratchet needs --baseline")
    return None


def _write_report(given: argparse.Namespace, report: Report, out: TextIO, err: TextIO) -> bool:
    text = FORMATS[given.format](report, given.paths)
    if not given.output:
        out.write(text)
        return True
    try:
        Path(given.output).write_text(text, encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        err.write(f"audit: {given.output}: {error.strerror or error}\n")
        return False
    return True


def _fails(report: Report, given: argparse.Namespace) -> bool:
    if given.fail_on == _NEVER or (given.write_baseline and not given.baseline):
        return False
    level = Severity[given.fail_on.upper()]
    return any(severity(item) >= level for item in report.findings)


def _bar(err: TextIO) -> Progress | None:
    """A progress bar, on a terminal only; it clears its line at the end."""
    if not err.isatty():
        return None
    width = 32
    shown = -1

    def tell(done: int, total: int) -> None:
        nonlocal shown
        percent = 100 * done // total if total else 100
        if percent == shown:
            return
        shown = percent
        filled = width * percent // 100
        end = "\r\x1b[K" if percent >= 100 else ""
        err.write(f"\raudit [{'#' * filled}{'.' * (width - filled)}] {percent:3d}%{end}")
        err.flush()

    return tell
