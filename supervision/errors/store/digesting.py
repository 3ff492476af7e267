"""From what came in to events and issues: a batch at a time, each in one transaction, each report exactly once.

Several digests may run at once: each takes rows that no other holds. Rows that several of them change are locked in the
order of their keys, so that none waits for another in a circle: projects first, then an issue's own rows. A report that
cannot be digested stays where it is, marked, and holds nothing up.
"""

import datetime as dt
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from supervision.errors import event as reports
from supervision.errors.grouping.g1 import ALGORITHM, Grouping, group
from supervision.errors.grouping.rules import Given, InvalidRuleError, Rule, apply_rules
from supervision.errors.protocol.reading import read_event
from supervision.errors.store import sql
from supervision.errors.store.bodies import packed, unpacked
from supervision.errors.store.checkins import take_check_ins
from supervision.errors.store.crashes import SAME_WITHIN, is_of_output
from supervision.errors.store.models import (
    ErrorActivity,
    ErrorEvent,
    ErrorIntake,
    ErrorIssue,
    ErrorIssueHash,
    ErrorProject,
    ErrorRelease,
    ErrorRule,
)

log = logging.getLogger("overstory.errors")

BATCH = 300
MOST_TAGS = 40
Kind = ErrorIntake.Kind


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event of the batch, read and grouped."""

    row: ErrorIntake
    event: reports.ErrorEvent
    grouping: Grouping
    given: Given

    @property
    def hashes(self) -> tuple[tuple[int, str], tuple[int, str]]:
        return (self.row.project_id, self.grouping.app), (self.row.project_id, self.grouping.system)


def digest(*, now: dt.datetime, most: int = BATCH) -> int:
    """Digest the oldest reports; how many were taken. Zero: nothing is due, or others hold all that is."""
    with transaction.atomic():
        rows = list(
            ErrorIntake.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(failed_at=None)
            .order_by("id")[:most]
        )
        if not rows:
            return 0
        failed = _digest(rows, now)
        ErrorIntake.objects.filter(pk__in=[row.pk for row in rows if row.pk not in failed]).delete()
    return len(rows)


def _digest(rows: Sequence[ErrorIntake], now: dt.datetime) -> set[int]:
    """The rows that could not be digested."""
    projects = {row.project_id for row in rows}
    list(ErrorProject.objects.select_for_update().filter(pk__in=projects).order_by("pk").values("pk"))
    failed: set[int] = set()
    arrived: list[Arrived] = []
    discards: Counter[tuple[int, str, str]] = Counter()
    rules = rules_of(projects)
    check_ins: list[tuple[ErrorIntake, dict[str, Any]]] = []
    for row in rows:
        try:
            body = unpacked(row.body)
            if row.kind == Kind.EVENT:
                arrived.append(_arrived(row, body, rules.get(row.project_id, ())))
            elif row.kind == Kind.CHECK_IN:
                check_ins.append((row, body))
            else:
                discards.update(_lost_in_client(row, body))
        except Exception as error:
            log.exception("report %s cannot be digested", row.pk)
            failed.add(row.pk)
            ErrorIntake.objects.filter(pk=row.pk).update(
                failed_at=now, failure=f"{type(error).__name__}: {error}"[:2000]
            )
    new = _without_told_twice(_once(arrived))
    for each in arrived:
        if each not in new:
            discards[each.row.project_id, "error", "duplicate"] += 1
    if new:
        _store(new, now)
    if check_ins:
        take_check_ins(check_ins, now=now)
    sql.count_discards(discards, now)
    return failed


def rules_of(projects: Iterable[int]) -> dict[int, tuple[Rule, ...]]:
    """By project, in their order; one that is not understood any more is left out."""
    found: dict[int, list[Rule]] = {}
    for row in ErrorRule.objects.filter(project__in=list(projects)):
        try:
            rule = Rule(
                tuple((str(name), str(pattern)) for name, pattern in row.match),
                tuple(row.fingerprint),
                row.title,
            )
        except (InvalidRuleError, TypeError, ValueError):
            log.warning("rule %s of project %s is not understood", row.pk, row.project_id)
            continue
        found.setdefault(row.project_id, []).append(rule)
    return {project: tuple(rules) for project, rules in found.items()}


def _arrived(row: ErrorIntake, body: dict[str, Any], rules: Sequence[Rule]) -> Arrived:
    event = read_event(body, event_id=row.event_id or None, drift_s=row.drift_s)
    given = apply_rules(rules, event, child=row.child)
    return Arrived(row, event, group(event, given.fingerprint), given)


def _lost_in_client(row: ErrorIntake, body: dict[str, Any]) -> Counter[tuple[int, str, str]]:
    """What a client says that it dropped itself."""
    found: Counter[tuple[int, str, str]] = Counter()
    given = body.get("discarded_events")
    for each in given[:100] if isinstance(given, list) else []:
        if isinstance(each, dict) and isinstance(each.get("quantity"), int) and 0 < each["quantity"] < 10**9:
            reason = f"client: {str(each.get('reason'))[:50]}"
            found[row.project_id, str(each.get("category"))[:32], reason] += each["quantity"]
    return found


def _once(arrived: Sequence[Arrived]) -> list[Arrived]:
    """Those whose id was not stored before, each id once."""
    first: dict[tuple[int, str], Arrived] = {}
    for each in arrived:
        first.setdefault((each.row.project_id, each.event.event_id), each)
    fresh = sql.claim_event_keys(
        [(project, event, each.row.received_at) for (project, event), each in first.items()]
    )
    return [each for key, each in first.items() if key in fresh]


def _without_told_twice(new: Sequence[Arrived]) -> list[Arrived]:
    """Without what was made of a child's last output where the child's own SDK reported the same crash."""
    ours = [each for each in new if is_of_output(dict(each.event.data))]
    if not ours:
        return list(new)
    told = {
        (each.row.project_id, each.row.child, each.row.incarnation, each.event.raised[-1].type)
        for each in new
        if each.event.raised and each.row.child and not is_of_output(dict(each.event.data))
    }
    kept = []
    for each in new:
        key = (
            each.row.project_id,
            each.row.child,
            each.row.incarnation,
            each.event.raised[-1].type if each.event.raised else "",
        )
        if each in ours and (key in told or _was_told(each)):
            continue
        kept.append(each)
    return kept


def _was_told(each: Arrived) -> bool:
    near = ErrorEvent.objects.filter(
        project_id=each.row.project_id,
        child=each.row.child,
        incarnation=each.row.incarnation,
        received_at__range=(each.row.received_at - SAME_WITHIN, each.row.received_at + SAME_WITHIN),
    ).values_list("issue_id", flat=True)
    return ErrorIssue.objects.filter(pk__in=list(near[:50]), type=each.event.raised[-1].type).exists()


def _store(new: Sequence[Arrived], now: dt.datetime) -> None:
    releases = _releases(new)
    issues = _issues(new)
    by_issue: dict[int, list[Arrived]] = {}
    for each in new:
        by_issue.setdefault(issues[each.hashes[0]].pk, []).append(each)
    sql.copy_events(
        (
            each.event.event_id,
            each.row.project_id,
            pk,
            _moment(each),
            each.row.received_at,
            each.event.level,
            each.event.environment,
            each.event.release,
            each.event.transaction,
            each.event.user,
            each.row.child,
            each.row.incarnation,
            packed({**each.event.data, "grouping": each.grouping.because.to_json()}),
        )
        for pk, those in by_issue.items()
        for each in those
    )
    sql.count_issues((pk, len(those), *_newest(those)) for pk, those in sorted(by_issue.items()))
    sql.count_hours(Counter((pk, _hour(each)) for pk, those in by_issue.items() for each in those))
    sql.count_tags(
        Counter(key for pk, those in by_issue.items() for each in those for key in _tags(pk, each))
    )
    _come_back({issue.pk: issue for issue in issues.values()}, by_issue, releases, now)


def _newest(those: Sequence[Arrived]) -> tuple[dt.datetime, str, str, str, str]:
    last = max(those, key=lambda each: each.row.received_at)
    return (
        last.row.received_at,
        last.event.release,
        last.event.environment,
        last.row.child,
        last.event.event_id,
    )


def _tags(pk: int, each: Arrived) -> list[tuple[int, str, str]]:
    event = each.event
    known = {
        "environment": event.environment,
        "release": event.release,
        "level": event.level,
        "server_name": event.server_name,
        "user": event.user,
        "child": each.row.child,
    }
    pairs = {**{name: value for name, value in known.items() if value}, **event.tags}
    return [(pk, name, value[:200]) for name, value in list(pairs.items())[:MOST_TAGS]]


def _moment(each: Arrived) -> dt.datetime:
    """When it happened, by the program's clock where that can be true."""
    if each.event.timestamp is None:
        return each.row.received_at
    moment = dt.datetime.fromtimestamp(each.event.timestamp, tz=dt.UTC)
    return moment if moment <= each.row.received_at + dt.timedelta(minutes=1) else each.row.received_at


def _hour(each: Arrived) -> dt.datetime:
    return each.row.received_at.replace(minute=0, second=0, microsecond=0)


def _issues(new: Sequence[Arrived]) -> dict[tuple[int, str], ErrorIssue]:
    """The issue of each hash. Issues that are missing are made; the projects are locked, so nobody makes them beside us."""
    wanted = {key for each in new for key in each.hashes}
    found: dict[tuple[int, str], ErrorIssue] = {
        (row.project_id, row.hash): row.issue
        for row in ErrorIssueHash.objects.filter(
            project__in={project for project, _ in wanted},
            algorithm=ALGORITHM,
            hash__in={key for _, key in wanted},
        ).select_related("issue")
    }
    fresh: list[ErrorIssueHash] = []
    for each in new:
        app, system = each.hashes
        issue = found.get(app) or found.get(system)
        if issue is None:
            issue = _make_issue(each)
        for project, key in (app, system):
            if (project, key) not in found:
                found[project, key] = issue
                fresh.append(ErrorIssueHash(project_id=project, algorithm=ALGORITHM, hash=key, issue=issue))
    ErrorIssueHash.objects.bulk_create(fresh)
    return found


def _make_issue(each: Arrived) -> ErrorIssue:
    event, row = each.event, each.row
    number = sql.next_issue_number(row.project_id)
    last = event.raised[-1] if event.raised else None
    text = (last.value if last else event.message or event.template).strip()
    kind = last.type if last else "Message"
    first_line = text.partition("\n")[0]
    said = f"{kind}: {first_line}" if last and first_line else kind if last else first_line
    title = each.given.title or said
    issue = ErrorIssue.objects.create(
        project_id=row.project_id,
        number=number,
        title=(title or "(no message)")[:300],
        type=kind[:200],
        value=text[:500],
        culprit=event.culprit[:300],
        level=event.level,
        platform=event.platform,
        status_at=row.received_at,
        first_seen=row.received_at,
        first_release=event.release,
        child=row.child,
        because=each.grouping.because.to_json(),
        callee=each.grouping.callee or "",
    )
    ErrorActivity.objects.create(issue=issue, at=row.received_at, kind="first_seen", text=event.release)
    return issue


def _releases(new: Sequence[Arrived]) -> dict[tuple[int, str], dt.datetime]:
    """When each release of these projects was first seen."""
    seen: dict[tuple[int, str], dt.datetime] = {}
    for each in new:
        if each.event.release:
            key = (each.row.project_id, each.event.release)
            seen[key] = min(seen.get(key, each.row.received_at), each.row.received_at)
    ErrorRelease.objects.bulk_create(
        [
            ErrorRelease(project_id=project, version=version, first_seen=at)
            for (project, version), at in sorted(seen.items())
        ],
        ignore_conflicts=True,
    )
    rows = ErrorRelease.objects.filter(project__in={each.row.project_id for each in new})
    return {(row.project_id, row.version): row.first_seen for row in rows}


def _come_back(
    issues: dict[int, ErrorIssue],
    by_issue: dict[int, list[Arrived]],
    releases: dict[tuple[int, str], dt.datetime],
    now: dt.datetime,
) -> None:
    """Resolved issues that are there again: of a release that is no older than the one that was to mend them."""
    for pk, those in sorted(by_issue.items()):
        issue = issues[pk]
        if issue.status != ErrorIssue.Status.RESOLVED:
            continue
        again = [each for each in those if _is_again(issue, each, releases)]
        if again and ErrorIssue.objects.filter(pk=pk, status=ErrorIssue.Status.RESOLVED).update(
            status=ErrorIssue.Status.REGRESSED, status_at=now
        ):
            ErrorActivity.objects.create(issue=issue, at=now, kind="regressed", text=again[0].event.release)


def _is_again(issue: ErrorIssue, each: Arrived, releases: dict[tuple[int, str], dt.datetime]) -> bool:
    if not issue.resolved_in:
        return each.row.received_at > issue.status_at
    mended = releases.get((each.row.project_id, issue.resolved_in))
    seen = releases.get((each.row.project_id, each.event.release))
    return mended is not None and seen is not None and seen >= mended


def waiting() -> int:
    """Reports that are accepted and not digested."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM supervision_errorintake WHERE failed_at IS NULL")
        return int(cursor.fetchone()[0])
