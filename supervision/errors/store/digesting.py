"""From what came in to events and issues: a batch at a time, each in one transaction, each report exactly once.

Several digests may run at once: each takes rows that no other holds. Rows that several of them change are locked in the
order of their keys, so that none waits for another in a circle: projects first, then an issue's own rows. A report that
cannot be digested stays where it is, marked, and holds nothing up.
"""

import datetime as dt
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import InterfaceError, OperationalError, transaction

from supervision.errors import event as reports
from supervision.errors.grouping.algorithms import ALGORITHMS, NEWEST
from supervision.errors.grouping.g1 import BY_RULE, Grouping
from supervision.errors.grouping.rules import Given, Rule, apply_rules
from supervision.errors.protocol.reading import read_event
from supervision.errors.sampling import is_kept
from supervision.errors.sampling import one_of as at_number
from supervision.errors.store import sql
from supervision.errors.store.activity import note
from supervision.errors.store.bodies import packed, unpacked
from supervision.errors.store.describing import described, tags_of, user_digest
from supervision.errors.store.escalating import escalate
from supervision.errors.store.grouping_rules import rules_by_project
from supervision.errors.store.models import (
    ErrorIntake,
    ErrorIssue,
    ErrorIssueHash,
    ErrorProject,
    ErrorRelease,
)
from supervision.errors.store.occasion_models import ErrorOccasion
from supervision.errors.store.others import check_other, take_others
from supervision.errors.store.owning import Fresh, give_new
from supervision.errors.store.pairing import is_ours, seen_before, sighting_of, told_twice
from supervision.errors.store.replacing import take_back
from supervision.errors.store.searching import write_words
from supervision.errors.store.seen import PATIENCE
from supervision.errors.store.sighting_models import ErrorSighting
from supervision.errors.store.tagging import count_tags
from supervision.errors.store.versions import is_no_older
from supervision.errors.store.waking import occasions_of_return, wake

log = logging.getLogger("overstory.errors")

BATCH = 300
AWAY = (OperationalError, InterfaceError)
"""What the database says of itself, not of a value: it is away, or others hold what is asked for."""
Kind = ErrorIntake.Kind
Key = tuple[int, str, str]
"""Of what leads to an issue: project, algorithm, hash."""
Algorithms = tuple[str, str]
"""Of a project: its own, and the former one where that still leads to issues, else nothing."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event of the batch, read and grouped; `former`: by the algorithm that its project had before, for a while."""

    row: ErrorIntake
    event: reports.ErrorEvent
    algorithm: str
    grouping: Grouping
    given: Given
    former: tuple[str, Grouping] | None = None

    @property
    def hashes(self) -> tuple[Key, Key]:
        return _keys(self.row.project_id, self.algorithm, self.grouping)

    @property
    def former_hashes(self) -> tuple[Key, ...]:
        return _keys(self.row.project_id, *self.former) if self.former is not None else ()


def _keys(project: int, algorithm: str, grouping: Grouping) -> tuple[Key, Key]:
    return (project, algorithm, grouping.app), (project, algorithm, grouping.system)


def digest(*, now: dt.datetime, most: int = BATCH) -> int:
    """Digest the oldest reports; how many were taken. Zero: nothing is due, or others hold all that is."""
    try:
        return _digest_oldest(now, most)
    except AWAY:
        raise
    except Exception:
        log.exception("a batch cannot be digested, its reports are taken one by one")
    taken = 0
    while taken < most and _digest_oldest(now, 1):
        taken += 1
    return taken


def _digest_oldest(now: dt.datetime, most: int) -> int:
    """In one transaction. What fails changes nothing; of a single report it is a mark, unless it is the database that is
    away."""
    with transaction.atomic():
        rows = list(
            ErrorIntake.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(failed_at=None)
            .exclude(kind=Kind.SEEN, received_at__gt=now - PATIENCE)
            .order_by("id")[:most]
        )
        if not rows:
            return 0
        try:
            with transaction.atomic():
                failed = _digest(rows, now)
        except AWAY:
            raise
        except Exception as error:
            if most > 1:
                raise
            log.exception("report %s cannot be digested", rows[0].pk)
            _mark(rows[0], error, now)
            failed = {rows[0].pk}
        ErrorIntake.objects.filter(pk__in=[row.pk for row in rows if row.pk not in failed]).delete()
    return len(rows)


def _mark(row: ErrorIntake, error: Exception, now: dt.datetime) -> None:
    """It stays where it is, to be looked at."""
    said = f"{type(error).__name__}: {error}"[:2000]
    ErrorIntake.objects.filter(pk=row.pk).update(failed_at=now, failure=said)


def _digest(rows: Sequence[ErrorIntake], now: dt.datetime) -> set[int]:
    """The rows that could not be digested."""
    projects = {row.project_id for row in rows}
    algorithms = _algorithms(projects, now)
    failed: set[int] = set()
    arrived: list[Arrived] = []
    discards: Counter[tuple[int, str, str]] = Counter()
    rules = rules_by_project(projects)
    others: dict[str, list[tuple[ErrorIntake, dict[str, Any]]]] = {}
    for row in rows:
        try:
            body = unpacked(row.body)
            if row.kind in (Kind.EVENT, Kind.SEEN):
                arrived.append(_arrived(row, body, rules.get(row.project_id, ()), algorithms[row.project_id]))
            else:
                check_other(row.kind, body)
                others.setdefault(row.kind, []).append((row, body))
        except Exception as error:
            log.exception("report %s cannot be digested", row.pk)
            failed.add(row.pk)
            _mark(row, error, now)
    new = _once(arrived)
    twice, spent = told_twice([(each.row, each.event) for each in new])
    told = [each for place, each in enumerate(new) if place not in spent and not is_ours(each.row)]
    new = [each for place, each in enumerate(new) if place not in twice]
    seen = [(told[place], row) for place, row in seen_before([(each.row, each.event) for each in told])]
    kept = {id(each) for each in new}
    for each in arrived:
        if id(each) not in kept:
            discards[each.row.project_id, "error", "duplicate"] += 1
    if new:
        issues = _store(new, now)
        take_back([(row, issues[each.hashes[0]]) for each, row in seen], now=now)
        discards.update((row.project_id, "error", "duplicate") for _, row in seen)
    discards.update(take_others(others, now=now))
    sql.count_discards(discards, now)
    return failed


def _algorithms(projects: Iterable[int], now: dt.datetime) -> dict[int, Algorithms]:
    """By project; each is locked, but not against reports that name it. For a name that only a later version knows the
    newest of ours speaks."""
    rows = ErrorProject.objects.select_for_update(no_key=True).filter(pk__in=projects).order_by("pk")
    return {
        pk: (
            own if own in ALGORITHMS else NEWEST,
            former if former in ALGORITHMS and until is not None and now < until else "",
        )
        for pk, own, former, until in rows.values_list("pk", "algorithm", "former_algorithm", "former_until")
    }


def _arrived(
    row: ErrorIntake, body: dict[str, Any], rules: Sequence[Rule], algorithms: Algorithms
) -> Arrived:
    event = read_event(body, event_id=row.event_id or None, drift_s=row.drift_s)
    given = apply_rules(rules, event, child=row.child)
    own, before = algorithms
    former = (before, ALGORITHMS[before](event, given.fingerprint)) if before else None
    grouping = ALGORITHMS[own](event, given.fingerprint)
    if given.rule is not None and grouping.because.rule == BY_RULE:
        said = replace(grouping.because, rule=f"rule {given.rule + 1} of the project")
        grouping = replace(grouping, because=said)
    return Arrived(row, event, own, grouping, given, former)


def _once(arrived: Sequence[Arrived]) -> list[Arrived]:
    """Those whose id was not stored before, each id once."""
    first: dict[tuple[int, str], Arrived] = {}
    for each in arrived:
        first.setdefault((each.row.project_id, each.event.event_id), each)
    fresh = sql.claim_event_keys(
        [(project, event, each.row.received_at) for (project, event), each in first.items()]
    )
    return [each for key, each in first.items() if key in fresh]


def _store(new: Sequence[Arrived], now: dt.datetime) -> dict[Key, ErrorIssue]:
    """The issue of each hash."""
    releases = _releases(new)
    issues, made = _issues(new)
    by_issue: dict[int, list[Arrived]] = {}
    for each in new:
        by_issue.setdefault(issues[each.hashes[0]].pk, []).append(each)
    kept, one_of = _kept(by_issue)
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
        for pk, those in kept.items()
        for each in those
    )
    users = _affected(by_issue)
    sql.count_issues(
        (pk, len(those), users.get(pk, 0), *_newest(those), len(those) - len(kept[pk]), one_of[pk])
        for pk, those in sorted(by_issue.items())
    )
    sql.count_hours(Counter((pk, _hour(each)) for pk, those in by_issue.items() for each in those))
    sql.count_project_hours(Counter((each.row.project_id, _hour(each)) for each in new))
    sql.count_minutes(
        Counter(
            (pk, each.event.environment, _minute(each)) for pk, those in by_issue.items() for each in those
        )
    )
    fresh = count_tags(
        Counter(key for pk, those in by_issue.items() for each in those for key in _tags(pk, each))
    )
    occasions = _appeared(fresh, by_issue, made, now)
    found = {issue.pk: issue for issue in issues.values()}
    firsts = {pk: by_issue[pk][0] for pk in sorted(made)}
    give_new([Fresh(found[pk], first.event, first.row.child) for pk, first in firsts.items()], now=now)
    if firsts:
        of_projects = ErrorProject.objects.filter(pk__in={first.row.project_id for first in firsts.values()})
        slugs = dict(of_projects.values_list("pk", "slug"))
        write_words({pk: (found[pk], first.event) for pk, first in firsts.items()}, slugs)
    occasions += _come_back(found, by_issue, releases, now)
    environments = {
        pk: list(dict.fromkeys(each.event.environment for each in those)) for pk, those in by_issue.items()
    }
    occasions += wake(found, environments, now=now)
    escalate(found, now=now)
    ErrorOccasion.objects.bulk_create(occasions)
    _remember(by_issue, kept)
    return issues


def _remember(by_issue: dict[int, list[Arrived]], kept: dict[int, list[Arrived]]) -> None:
    """What Overstory saw and nobody told of yet."""
    sightings = []
    for pk, those in by_issue.items():
        stored = {id(each) for each in kept[pk]}
        for each in those:
            sighting = sighting_of(each.row, each.event)
            if sighting is not None:
                sighting.issue_id, sighting.is_kept = pk, id(each) in stored
                sighting.tags = {name: value for _, name, value in _tags(pk, each)}
                sightings.append(sighting)
    ErrorSighting.objects.bulk_create(sightings)


def _kept(by_issue: dict[int, list[Arrived]]) -> tuple[dict[int, list[Arrived]], dict[int, int]]:
    """By issue, the events that are stored, and one of how many that is at its newest (supervision/errors/sampling.py). The
    newest is, which its counters name, and the first of each child, so that no child is missed."""
    projects = {those[0].row.project_id for those in by_issue.values()}
    wholes = dict(
        ErrorProject.objects.filter(pk__in=projects, store_whole__gt=0).values_list("pk", "store_whole")
    )
    if not wholes:
        return by_issue, dict.fromkeys(by_issue, 1)
    minutes = {(pk, _minute(each)) for pk, those in by_issue.items() for each in those}
    numbers = sql.in_minutes(sorted(minutes))
    kept: dict[int, list[Arrived]] = {}
    one_of = {}
    for pk, those in by_issue.items():
        newest = max(those, key=lambda each: each.row.received_at)
        children: set[str] = set()
        own, whole = kept.setdefault(pk, []), wholes.get(those[0].row.project_id, 0)
        for each in those:
            number = numbers[pk, _minute(each)] = numbers.get((pk, _minute(each)), 0) + 1
            is_first = each.row.child not in children
            children.add(each.row.child)
            if each is newest or is_first or is_kept(number, whole=whole):
                own.append(each)
        one_of[pk] = at_number(numbers[pk, _minute(newest)], whole=whole)
    return kept, one_of


def _minute(each: Arrived) -> dt.datetime:
    return each.row.received_at.replace(second=0, microsecond=0)


def _appeared(
    fresh: set[tuple[int, str]], by_issue: dict[int, list[Arrived]], made: set[int], now: dt.datetime
) -> list[ErrorOccasion]:
    """Issues in environments in which they were never seen, the very first of an issue among them."""
    firsts = {(pk, by_issue[pk][0].event.environment) for pk in made}
    return [
        ErrorOccasion(
            issue_id=pk,
            kind=ErrorOccasion.Kind.NEW,
            environment=environment,
            is_first=(pk, environment) in firsts,
            at=now,
        )
        for pk, environment in sorted(fresh | firsts)
    ]


def _affected(by_issue: dict[int, list[Arrived]]) -> dict[int, int]:
    """By issue, how many users it never happened to before. Of who they are a digest is kept."""
    seen: dict[tuple[int, str], dt.datetime] = {}
    for pk, those in by_issue.items():
        for each in those:
            if each.event.user:
                key = (pk, user_digest(each.event.user))
                seen[key] = max(seen.get(key, each.row.received_at), each.row.received_at)
    return sql.affect_users([(*key, at) for key, at in sorted(seen.items())])


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
    return [(pk, name, value) for name, value in tags_of(each.event, each.row.child).items()]


def _moment(each: Arrived) -> dt.datetime:
    """When it happened, by the program's clock where that can be true."""
    if each.event.timestamp is None:
        return each.row.received_at
    moment = dt.datetime.fromtimestamp(each.event.timestamp, tz=dt.UTC)
    return moment if moment <= each.row.received_at + dt.timedelta(minutes=1) else each.row.received_at


def _hour(each: Arrived) -> dt.datetime:
    return each.row.received_at.replace(minute=0, second=0, microsecond=0)


def _issues(new: Sequence[Arrived]) -> tuple[dict[Key, ErrorIssue], set[int]]:
    """The issue of each hash, and which issues are new. Those that are missing are made; the projects are locked, so nobody
    makes them beside us."""
    wanted = {key for each in new for key in (*each.hashes, *each.former_hashes)}
    found: dict[Key, ErrorIssue] = {
        (row.project_id, row.algorithm, row.hash): row.issue
        for row in ErrorIssueHash.objects.filter(
            project__in={project for project, _, _ in wanted},
            algorithm__in={algorithm for _, algorithm, _ in wanted},
            hash__in={key for _, _, key in wanted},
        ).select_related("issue")
    }
    fresh: list[ErrorIssueHash] = []
    made: set[int] = set()
    for each in new:
        app, system = each.hashes
        known = (found[key] for key in (app, system, *each.former_hashes) if key in found)
        issue = next(known, None)
        if issue is None:
            issue = _make_issue(each)
            made.add(issue.pk)
        for project, algorithm, key in (app, system):
            if (project, algorithm, key) not in found:
                found[project, algorithm, key] = issue
                fresh.append(ErrorIssueHash(project_id=project, algorithm=algorithm, hash=key, issue=issue))
    ErrorIssueHash.objects.bulk_create(fresh)
    return found, made


def _make_issue(each: Arrived) -> ErrorIssue:
    event, row = each.event, each.row
    number = sql.next_issue_number(row.project_id)
    issue = ErrorIssue.objects.create(
        project_id=row.project_id,
        number=number,
        status_at=row.received_at,
        first_seen=row.received_at,
        first_release=event.release,
        child=row.child,
        **described(event, each.given, each.grouping),
    )
    note(issue, at=row.received_at, kind="first_seen", text=event.release)
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
) -> list[ErrorOccasion]:
    """Resolved issues that are there again: of a release that is no older than the one that was to mend them."""
    occasions = []
    for pk, those in sorted(by_issue.items()):
        issue = issues[pk]
        if issue.status != ErrorIssue.Status.RESOLVED:
            continue
        again = [each for each in those if _is_again(issue, each, releases)]
        if again and ErrorIssue.objects.filter(pk=pk, status=ErrorIssue.Status.RESOLVED).update(
            status=ErrorIssue.Status.REGRESSED, status_at=now
        ):
            note(issue, at=now, kind="regressed", text=again[0].event.release)
            environments = dict.fromkeys(each.event.environment for each in again)
            occasions += occasions_of_return(issue, environments, now=now)
    return occasions


def _is_again(issue: ErrorIssue, each: Arrived, releases: dict[tuple[int, str], dt.datetime]) -> bool:
    """By the names of the releases where these say which is later, else by when each was first seen. One that nothing has
    named yet is as old as the decision."""
    if issue.in_next_release:
        seen = releases.get((each.row.project_id, each.event.release))
        return seen is not None and seen > issue.status_at
    if not issue.resolved_in:
        return each.row.received_at > issue.status_at
    by_name = is_no_older(each.event.release, issue.resolved_in)
    if by_name is not None:
        return by_name
    seen = releases.get((each.row.project_id, each.event.release))
    mended = releases.get((each.row.project_id, issue.resolved_in))
    return seen is not None and (seen > issue.status_at if mended is None else seen >= mended)
