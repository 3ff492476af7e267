"""What comes beside events: check-ins, runs of releases, attachments, and what clients say that they lost."""

import datetime as dt
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Sum

from supervision.errors.protocol.attachments import read
from supervision.errors.protocol.sessions import Told, told_of
from supervision.errors.store import sql
from supervision.errors.store.checkins import take_check_ins
from supervision.errors.store.models import ErrorIntake, ErrorRelease
from supervision.errors.store.release_models import ErrorAttachment
from supervision.errors.store.transactions import check_ran, take_transactions

Kind = ErrorIntake.Kind
Discards = Counter[tuple[int, str, str]]
Taken = Sequence[tuple[ErrorIntake, dict[str, Any]]]
"""Any: cleaned JSON."""
MOST_ATTACHED_BYTES = 100 * 1024 * 1024
"""Of a project."""


def check_other(kind: str, body: object) -> None:
    """ValueError for what `take_others` could not read: it must not hold up what came with it."""
    if not isinstance(body, dict):
        raise ValueError("no JSON object")
    if kind == Kind.ATTACHMENT:
        read(body)
    if kind == Kind.TRANSACTION:
        check_ran(body)


def take_others(rows: Mapping[str, Taken], *, now: dt.datetime) -> Discards:
    """By kind; what was not kept."""
    discards: Discards = Counter()
    for row, body in rows.get(Kind.CLIENT_REPORT, ()):
        discards.update(_lost_in_client(row, body))
    if check_ins := rows.get(Kind.CHECK_IN):
        take_check_ins(check_ins, now=now)
    if sessions := rows.get(Kind.SESSIONS):
        _take_sessions(sessions)
    if transactions := rows.get(Kind.TRANSACTION):
        discards.update(take_transactions(transactions))
    if attachments := rows.get(Kind.ATTACHMENT):
        discards.update(_take_attachments(attachments))
    return discards


def _lost_in_client(row: ErrorIntake, body: dict[str, Any]) -> Discards:
    """What a client says that it dropped itself."""
    found: Discards = Counter()
    given = body.get("discarded_events")
    for each in given[:100] if isinstance(given, list) else []:
        if isinstance(each, dict) and isinstance(each.get("quantity"), int) and 0 < each["quantity"] < 10**9:
            reason = f"client: {str(each.get('reason'))[:50]}"
            found[row.project_id, str(each.get("category"))[:32], reason] += each["quantity"]
    return found


def _take_sessions(rows: Taken) -> None:
    told = [(row, each) for row, body in rows if (each := told_of(body)) is not None]
    seen: dict[tuple[int, str], dt.datetime] = {}
    for row, each in told:
        key = (row.project_id, each.release)
        seen[key] = min(seen.get(key, row.received_at), row.received_at)
    ErrorRelease.objects.bulk_create(
        [
            ErrorRelease(project_id=project, version=version, first_seen=at)
            for (project, version), at in sorted(seen.items())
        ],
        ignore_conflicts=True,
    )
    keys = {(row.project_id, once): row.received_at for row, each in told for _, once in each.once}
    fresh = sql.claim_event_keys([(project, once, at) for (project, once), at in keys.items()])
    counts: dict[tuple[int, str, str, dt.datetime], list[int]] = {}
    for row, each in told:
        hour = row.received_at.replace(minute=0, second=0, microsecond=0)
        sums = counts.setdefault((row.project_id, each.release, each.environment, hour), [0, 0, 0])
        for place, count in enumerate(_counts(row.project_id, each, fresh)):
            sums[place] += count
    sql.count_releases(
        [(*key, sums[0], sums[1], sums[2]) for key, sums in sorted(counts.items()) if any(sums)]
    )
    _see_users(told)


def _see_users(told: Sequence[tuple[ErrorIntake, Told]]) -> None:
    seen: dict[tuple[int, str, str, str], tuple[dt.datetime, dt.datetime | None]] = {}
    for row, each in told:
        hour = row.received_at.replace(minute=0, second=0, microsecond=0)
        for user, crashed in each.users:
            key = (row.project_id, each.release, each.environment, user)
            before, failed = seen.get(key, (hour, None))
            seen[key] = (max(before, hour), max(failed or hour, hour) if crashed else failed)
    sql.see_users([(*key, *moments) for key, moments in sorted(seen.items())])


def _counts(project: int, told: Told, fresh: set[tuple[int, str]]) -> tuple[int, int, int]:
    """Sessions, errored, crashed. A key counts for the first who has it."""
    if not told.once:
        return told.sessions, told.errored, told.crashed
    mine = {what for what, key in told.once if (project, key) in fresh}
    fresh.difference_update((project, key) for _, key in told.once)
    return int("sessions" in mine), int("errored" in mine), int("crashed" in mine)


def _take_attachments(rows: Taken) -> Discards:
    discards: Discards = Counter()
    sizes = ErrorAttachment.objects.filter(project__in={row.project_id for row, _ in rows}).order_by()
    used: Counter[int] = Counter(dict(sizes.values_list("project").annotate(n=Sum("size"))))
    kept = []
    for row, body in rows:
        file = read(body)
        if used[row.project_id] + len(file.data) > MOST_ATTACHED_BYTES:
            discards[row.project_id, "attachment", "project_full"] += 1
            continue
        used[row.project_id] += len(file.data)
        kept.append(
            ErrorAttachment(
                project_id=row.project_id,
                event_id=row.event_id,
                name=file.name,
                content_type=file.content_type,
                size=len(file.data),
                data=zlib.compress(file.data, 3),
                received_at=row.received_at,
            )
        )
    ErrorAttachment.objects.bulk_create(kept, ignore_conflicts=True)
    return discards
