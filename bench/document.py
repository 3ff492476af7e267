"""Writes the measured half of docs/benchmarks.md: what stands between its two marks is generated, the rest is prose."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.report import Result

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


def write(path: Path, report: dict[str, Any], results: Sequence[Result]) -> None:
    """Replace what stands between the marks. Raises DocumentError when they are not there, once each and in order."""
    text = path.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise DocumentError(f"{path} has no {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n{measured(report, results)}\n{END}{after}")
