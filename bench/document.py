"""Writes the measured half of docs/benchmarks.md: what stands between its two marks is generated, the rest is prose."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.report import Result, result_from_json

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


class DocumentError(Exception):
    """The document has lost its marks."""


def measured(report: dict[str, Any], results: Sequence[Result]) -> str:
    """Machine, peers, tables and figures as Markdown."""
    machine = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(report["peers"].items()))
    form = "`--quick`" if report["quick"] else "full"
    lines = [
        f"{form} run on {machine['cpus']} CPUs, {machine['architecture']}, Linux {machine['kernel']}, "
        f"CPython {machine['python']}" + (f"; {versions}." if versions else "."),
        "",
    ]
    for result in results:
        if result.failure:
            lines += [f"{result.entry} could not be measured: {result.failure}", ""]
        for table in result.tables:
            lines += [table.markdown(), ""]
        if result.output:
            lines += [f"### {result.entry}", "", "```", result.output, "```", ""]
    lines += ["### Figures", "", "| figure | measured | promised | |", "|---|---:|---:|---|"]
    for figure in (figure for result in results for figure in result.figures):
        measured_, promised, verdict = figure.cells()
        lines.append(f"| {figure.name} | {measured_} | {promised} | {verdict} |")
    return "\n".join(lines)


def join(reports: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], list[Result]]:
    """One report of several, and its results. Raises DocumentError where they are not of one machine and one form."""
    pieces = list(reports)
    first = pieces[0]
    for piece in pieces:
        machines = [{**one["machine"], "load": 0} for one in (piece, first)]
        if machines[0] != machines[1] or piece["quick"] != first["quick"]:
            raise DocumentError("the pieces are of different machines, or only some of them are --quick")
    entries = [entry for piece in pieces for entry in piece["entries"]]
    versions = {name: version for piece in pieces for name, version in piece["peers"].items()}
    report = {**first, "peers": versions, "entries": entries}
    return report, [result_from_json(entry) for entry in entries]


def write(path: Path, report: dict[str, Any], results: Sequence[Result]) -> None:
    """Replace what stands between the marks. Raises DocumentError when they are not there, once each and in order."""
    text = path.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise DocumentError(f"{path} has no {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n{measured(report, results)}\n{END}{after}")
