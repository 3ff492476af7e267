"""What pages and the API ask about releases, how they run, and files that came with events."""

import datetime as dt
from typing import Any

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from supervision.errors.store.models import ErrorIssue, ErrorRelease
from supervision.errors.store.release_models import ErrorAttachment, ErrorReleaseHour, ErrorReleaseUser

SPAN = dt.timedelta(days=14)
"""Of runs that are shown."""


def releases(*, trees: frozenset[str] | None, now: dt.datetime) -> "QuerySet[ErrorRelease]":
    """Newest first, each with `sessions`, `errored` and `crashed` of the last SPAN, the `users` who ran it then and those of
    them for whom it crashed, and `new_issues`. One query."""
    told = (
        ErrorReleaseHour.objects.filter(
            project=OuterRef("project"), release=OuterRef("version"), hour__gte=now - SPAN
        )
        .order_by()
        .values("release")
    )
    new = (
        ErrorIssue.objects.filter(
            project=OuterRef("project"), first_release=OuterRef("version"), merged_into=None
        )
        .order_by()
        .values("first_release")
        .annotate(n=Count("pk"))
        .values("n")
    )
    people = (
        ErrorReleaseUser.objects.filter(
            project=OuterRef("project"), release=OuterRef("version"), seen_at__gte=now - SPAN
        )
        .order_by()
        .values("release")
    )
    hit = people.filter(crashed_at__gte=now - SPAN)
    sums: dict[str, Any] = {
        name: Coalesce(Subquery(told.annotate(n=Sum(name)).values("n")), 0)
        for name in ("sessions", "errored", "crashed")
    }
    for name, some in (("users", people), ("crashed_users", hit)):
        sums[name] = Coalesce(Subquery(some.annotate(n=Count("user", distinct=True)).values("n")), 0)
    rows = ErrorRelease.objects.select_related("project").annotate(
        **sums, new_issues=Coalesce(Subquery(new), 0)
    )
    if trees is not None:
        rows = rows.filter(project__tree__in=trees)
    return rows.order_by("-first_seen", "-id")


def crash_free(sessions: int, crashed: int) -> float | None:
    """Percent of the runs, or of the people who ran it, without a crash; None where there were none."""
    return 100 * (1 - crashed / sessions) if sessions else None


def environments_of(
    rows: "list[ErrorRelease]", *, now: dt.datetime
) -> dict[tuple[int, str], list[dict[str, Any]]]:
    """By (project, release): each environment with its runs and users. Two queries."""
    found: dict[tuple[int, str], list[dict[str, Any]]] = {}
    told = (
        ErrorReleaseHour.objects.filter(
            project__in={row.project_id for row in rows},
            release__in={row.version for row in rows},
            hour__gte=now - SPAN,
        )
        .order_by()
        .values("project", "release", "environment")
        .annotate(all=Sum("sessions"), bad=Sum("crashed"))
        .order_by(F("all").desc(), "environment")
    )
    people = _people_in(rows, now=now)
    for row in told:
        users, hit = people.get((row["project"], row["release"], row["environment"]), (0, 0))
        one = {
            "name": row["environment"],
            "sessions": row["all"],
            "crash_free": crash_free(row["all"], row["bad"]),
            "users": users,
            "crash_free_users": crash_free(users, hit),
        }
        found.setdefault((row["project"], row["release"]), []).append(one)
    return found


def _people_in(
    rows: "list[ErrorRelease]", *, now: dt.datetime
) -> dict[tuple[int, str, str], tuple[int, int]]:
    """By (project, release, environment): who ran it, and for how many of them it crashed."""
    seen = (
        ErrorReleaseUser.objects.filter(
            project__in={row.project_id for row in rows},
            release__in={row.version for row in rows},
            seen_at__gte=now - SPAN,
        )
        .order_by()
        .values("project", "release", "environment")
        .annotate(all=Count("pk"), bad=Count("pk", filter=Q(crashed_at__gte=now - SPAN)))
    )
    return {(row["project"], row["release"], row["environment"]): (row["all"], row["bad"]) for row in seen}


def attachments(project: int, event_id: str) -> "QuerySet[ErrorAttachment]":
    """Of an event, without what is in them."""
    return ErrorAttachment.objects.filter(project=project, event_id=event_id).defer("data").order_by("pk")
