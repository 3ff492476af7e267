"""Looking at rules: which subjects crossed, which recovered, and the alert that says so.

Safe to be called by many, often: a rule is looked at under its row's lock, and crossings are rows, so whatever dies in the
middle leaves either the state before or the state after, with its alert.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from supervision.alerts.kinds import Kind, Severity
from supervision.alerts.services import Subject, raise_alert, resolve_subject
from supervision.fleet.services import database_now
from supervision.rules.conditions import Verdict, judge
from supervision.rules.models import Crossing, Group, MeasureRule
from supervision.rules.readings import Series, TooMuchError, series

GONE_AFTER = timedelta(minutes=15)
"""A subject that was not measured for so long is not crossed any more: it ended, or was removed."""
NAMED = 20
"""Subjects that an alert's text lists."""

log = logging.getLogger("overstory.rules")


def watch_rules() -> int:
    """Look at every rule that is enabled; how many subjects crossed or recovered."""
    now, changed = database_now(), 0
    for pk in MeasureRule.objects.filter(is_enabled=True).values_list("pk", flat=True):
        with transaction.atomic():
            rule = (
                MeasureRule.objects.select_for_update(skip_locked=True).filter(pk=pk, is_enabled=True).first()
            )
            if rule is not None:
                changed += look(rule, now)
    return changed


def look(rule: MeasureRule, now: datetime) -> int:
    """One rule, in the caller's transaction. How many subjects crossed or recovered."""
    try:
        found = series(rule, now=now)
        trouble = ""
    except TooMuchError:
        found, trouble = {}, "it watches more than can be read at once: narrow its tree, pattern or window"
    MeasureRule.objects.filter(pk=rule.pk).update(looked_at=now, trouble=trouble)
    if trouble:
        log.warning("rule %s: %s", rule.name, trouble)
        return 0
    before = {row.subject: row for row in rule.crossings.all()}
    came = _crossed(rule, found, before, now)
    over = _recovered(rule, found, before, now)
    _tell(rule, came, over, now)
    return len(came) + len(over)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a rule would say now: how many subjects it watches, how many of them cannot be judged yet, and who crossed."""

    watched: int
    unknown: int
    crossed: list[tuple[str, str]]
    """Subject and words."""


def preview(rule: MeasureRule, *, now: datetime) -> Preview:
    """Of a rule that need not be saved; nothing is written. Raises TooMuchError."""
    found = series(rule, now=now)
    verdicts = {
        subject: judge(rule.condition, one.points, now=now.timestamp(), was=False)
        for subject, one in found.items()
    }
    return Preview(
        len(found),
        sum(verdict.crossed is None for verdict in verdicts.values()),
        [(subject, verdict.words) for subject, verdict in sorted(verdicts.items()) if verdict.crossed],
    )


def forget(rule: MeasureRule, *, by: str, now: datetime) -> None:
    """A rule is changed, off or removed: what it said is over."""
    for subject in set(rule.crossings.values_list("alert_subject", flat=True)):
        resolve_subject(kind=Kind.RULE_CROSSED, subject=subject, by=by, now=now)
    rule.crossings.all().delete()


def _crossed(
    rule: MeasureRule, found: Mapping[str, Series], before: Mapping[str, Crossing], now: datetime
) -> list[Crossing]:
    """Those that crossed now, as new rows; the words of the others are brought up to date."""
    new, known = [], []
    for subject, one in found.items():
        row = before.get(subject)
        verdict = judge(
            rule.condition,
            one.points,
            now=now.timestamp(),
            was=row is not None,
            usual=row.usual if row else None,
        )
        if verdict.crossed is not True:
            continue
        if row is None:
            new.append(_row(rule, subject, one, verdict, now))
        else:
            row.value, row.words, row.measured_at = verdict.value, verdict.words[:300], now
            known.append(row)
    Crossing.objects.bulk_create(new)
    Crossing.objects.bulk_update(known, ["value", "words", "measured_at"])
    return new


def _recovered(
    rule: MeasureRule, found: Mapping[str, Series], before: Mapping[str, Crossing], now: datetime
) -> list[Crossing]:
    over = []
    for subject, row in before.items():
        one = found.get(subject)
        verdict = (
            judge(rule.condition, one.points, now=now.timestamp(), was=True, usual=row.usual)
            if one
            else Verdict(None)
        )
        is_gone = verdict.crossed is None and row.measured_at < now - GONE_AFTER
        if verdict.crossed is False or is_gone:
            over.append(row)
    Crossing.objects.filter(pk__in=[row.pk for row in over]).delete()
    return over


def _row(rule: MeasureRule, subject: str, one: Series, verdict: Verdict, now: datetime) -> Crossing:
    about = {Group.SUBJECT: f": {subject}", Group.TREE: f": {one.tree}" if one.tree else "", Group.RULE: ""}
    return Crossing(
        rule=rule,
        subject=subject[:512],
        tree=one.tree,
        key=one.key,
        node_id=one.node_id,
        alert_subject=(rule.name + about[Group(rule.group)])[:512],
        usual=verdict.usual,
        value=verdict.value,
        words=verdict.words[:300],
        since=now,
        measured_at=now,
    )


def _tell(rule: MeasureRule, came: list[Crossing], over: list[Crossing], now: datetime) -> None:
    for subject in sorted({row.alert_subject for row in came}):
        _raise(rule, subject, now)
    left = set(rule.crossings.values_list("alert_subject", flat=True))
    for subject in sorted({row.alert_subject for row in over} - left):
        resolve_subject(kind=Kind.RULE_CROSSED, subject=subject, by="it recovered", now=now)


def _raise(rule: MeasureRule, subject: str, now: datetime) -> None:
    rows = list(rule.crossings.filter(alert_subject=subject).order_by("since", "subject"))
    first, trees, nodes = rows[0], {row.tree for row in rows}, {row.node_id for row in rows}
    what = f"{first.subject}: {first.words}" if len(rows) == 1 else f"{len(rows)} beyond the bound"
    lines = [f"{row.subject}: {row.words}" for row in rows[:NAMED]]
    if len(rows) > NAMED:
        lines.append(f"and {len(rows) - NAMED} more")
    raise_alert(
        about=Subject(
            Kind.RULE_CROSSED,
            subject,
            tree=trees.pop() if len(trees) == 1 else rule.tree,
            node_id=nodes.pop() if len(nodes) == 1 else "",
        ),
        title=f"{rule.name}: {what}",
        body="\n".join(lines) if len(rows) > 1 else "",
        data={
            "rule": rule.name,
            "measure": rule.measure,
            "keys": [row.key for row in rows[:NAMED] if row.key],
        },
        severity=Severity(rule.severity),
        runbook_url=rule.runbook_url,
        now=now,
    )
