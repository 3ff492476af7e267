"""A plan as a report: one Markdown or one HTML document that needs nothing else."""

import datetime as dt
from collections.abc import Sequence
from html import escape

from supervision.remediation.criteria import words
from supervision.remediation.models import RemediationPhase, RemediationPlan


def as_markdown(plan: RemediationPlan, *, now: dt.datetime) -> str:
    """For a merge request or a wiki."""
    lines = [f"# {_md(plan.title)}", ""]
    if plan.summary:
        lines += [plan.summary, ""]
    lines += [f"* {name}: {_md(value)}" for name, value in _facts(plan, now)]
    for phase in plan.phases.prefetch_related("criteria", "steps"):
        lines += ["", f"## {phase.position}. {_md(phase.title)}", ""]
        lines += [f"* {name}: {_md(value)}" for name, value in _phase_facts(phase)]
        lines += ["", "| met | criterion | found |", "|---|---|---|"]
        for row in phase.criteria.all():
            met = "yes" if row.is_met else "no"
            lines.append(f"| {met} | {_md(words(row.kind, row.params))} | {_md(row.value)} |")
        steps = phase.steps.all()
        if steps:
            lines += ["", "| when | step | by | |", "|---|---|---|---|"]
        for step in steps:
            lines.append(f"| {_when(step.at)} | {_kind(step.kind)} | {_md(step.by)} | {_md(step.text)} |")
    return "\n".join(lines) + "\n"


def as_html(plan: RemediationPlan, *, now: dt.datetime) -> str:
    """One page without scripts, styles or pictures."""
    parts = [f"<h1>{escape(plan.title)}</h1>"]
    if plan.summary:
        parts.append(f"<p>{escape(plan.summary)}</p>")
    parts.append(_dl(_facts(plan, now)))
    for phase in plan.phases.prefetch_related("criteria", "steps"):
        parts += [f"<h2>{phase.position}. {escape(phase.title)}</h2>", _dl(_phase_facts(phase))]
        rows = [
            ("yes" if row.is_met else "no", words(row.kind, row.params), row.value)
            for row in phase.criteria.all()
        ]
        parts.append(_table(("met", "criterion", "found"), rows))
        steps = [(_when(step.at), _kind(step.kind), step.by, step.text) for step in phase.steps.all()]
        if steps:
            parts.append(_table(("when", "step", "by", ""), steps))
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><title>{escape(plan.title)}</title></head>\n'
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _facts(plan: RemediationPlan, now: dt.datetime) -> list[tuple[str, str]]:
    phases = list(plan.phases.all())
    days = sum(phase.estimate_days for phase in phases)
    done = sum(phase.state == RemediationPhase.State.DONE for phase in phases)
    return [
        ("project", plan.project.name),
        ("state", plan.state),
        ("owner", plan.owner),
        ("risk", plan.risk),
        ("phases done", f"{done} of {len(phases)}"),
        ("estimate", f"{days:g} days"),
        ("evidence of", _when(plan.checked_at) if plan.checked_at else "never checked"),
        ("report of", _when(now)),
    ]


def _phase_facts(phase: RemediationPhase) -> list[tuple[str, str]]:
    facts = [
        ("state", _kind(phase.state)),
        ("owner", phase.owner or phase.plan.owner),
        ("risk", phase.risk),
        ("estimate", f"{phase.estimate_days:g} days"),
        ("taken back by", phase.rollback),
    ]
    if phase.started_at:
        facts.append(("began", _when(phase.started_at)))
    if phase.done_at:
        facts.append(("done", _when(phase.done_at)))
    return facts


def _kind(word: str) -> str:
    return word.replace("_", " ")


def _when(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _md(text: str) -> str:
    """One line that means itself in Markdown, also in a table."""
    flat = " ".join(text.split())
    for char in "\\`*_[]<>|#":
        flat = flat.replace(char, f"\\{char}")
    return flat


def _dl(facts: list[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return f"<dl>{rows}</dl>"


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(word)}</th>" for word in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
