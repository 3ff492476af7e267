"""Transactions: counted by the hour as they come, and what pages and the API ask of them."""

import datetime as dt
import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Sum

from supervision.errors.protocol.transactions import Ran, class_of, quantile, read_ran
from supervision.errors.store import sql
from supervision.errors.store.models import ErrorIntake, ErrorProject
from supervision.errors.store.transaction_models import ErrorTransactionHour

SPAN = dt.timedelta(days=1)
"""Of runs that are shown."""
MOST_NAMES = 500
"""Of a project in an hour; a program that names them by what they were called with would fill the disk."""
OTHER = "(others)"


def take_transactions(rows: Sequence[tuple[ErrorIntake, dict[str, Any]]]) -> Counter[tuple[int, str, str]]:
    """Each id once; what was not counted. Any: what `Ran.to_json` made; checked before."""
    fresh = _once([row for row, _ in rows])
    told = [(row, read_ran(body)) for row, body in rows if row.pk in fresh]
    known = _names({(row.project_id, _hour(row)) for row, _ in told})
    sums: dict[tuple[int, str, str, dt.datetime, int], list[float]] = defaultdict(lambda: [0, 0, 0.0])
    for row, ran in told:
        place = row.project_id, _hour(row)
        names = known.setdefault(place, set())
        if len(names) < MOST_NAMES:
            names.add(ran.name)
        name, op = (ran.name, ran.op) if ran.name in names else (OTHER, "")
        one = sums[row.project_id, name, op, _hour(row), class_of(ran.ms)]
        one[0] += 1
        one[1] += ran.failed
        one[2] += ran.ms
    sql.count_transactions(
        [(*key, int(count), int(failed), total) for key, (count, failed, total) in sorted(sums.items())]
    )
    return Counter((row.project_id, "transaction", "duplicate") for row, _ in rows if row.pk not in fresh)


def _once(rows: Sequence[ErrorIntake]) -> set[int]:
    """Rows whose id was not counted before, each id once, and those that have none. An error may have the same id."""
    first: dict[tuple[int, str], ErrorIntake] = {}
    for row in rows:
        if row.event_id:
            key = hashlib.blake2s(f"transaction {row.event_id}".encode(), digest_size=16).hexdigest()
            first.setdefault((row.project_id, key), row)
    fresh = sql.claim_event_keys([(project, key, row.received_at) for (project, key), row in first.items()])
    return {first[key].pk for key in fresh} | {row.pk for row in rows if not row.event_id}


def check_ran(body: dict[str, Any]) -> Ran:
    """ValueError where the body is none."""
    try:
        return read_ran(body)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no transaction: {error!r}") from error


def _hour(row: ErrorIntake) -> dt.datetime:
    return row.received_at.replace(minute=0, second=0, microsecond=0)


def _names(places: set[tuple[int, dt.datetime]]) -> dict[tuple[int, dt.datetime], set[str]]:
    found: dict[tuple[int, dt.datetime], set[str]] = {}
    rows = ErrorTransactionHour.objects.filter(
        project__in={project for project, _ in places}, hour__in={hour for _, hour in places}
    )
    for project, hour, name in rows.order_by().values_list("project", "hour", "name").distinct():
        found.setdefault((project, hour), set()).add(name)
    return found


@dataclass(slots=True)
class Transaction:
    """How a transaction ran within SPAN. Times in ms; `p50` and `p95` to the class they fall in."""

    project: str
    tree: str
    name: str
    op: str
    count: int = 0
    failed: int = 0
    total_ms: float = 0.0
    classes: dict[int, int] = field(default_factory=dict)

    @property
    def mean_ms(self) -> float:
        return self.total_ms / self.count if self.count else 0.0

    @property
    def p50_ms(self) -> float | None:
        return quantile(self.classes, 0.5)

    @property
    def p95_ms(self) -> float | None:
        return quantile(self.classes, 0.95)


def transactions(
    *, trees: frozenset[str] | None, now: dt.datetime, project: str = "", most: int = 500
) -> list[Transaction]:
    """Those that took the most time in all, first. Two queries."""
    projects = ErrorProject.objects.all() if trees is None else ErrorProject.objects.filter(tree__in=trees)
    if project:
        projects = projects.filter(slug=project)
    rows = ErrorTransactionHour.objects.filter(
        project__in=projects, hour__gt=now - SPAN - dt.timedelta(hours=1)
    )
    longest = list(
        rows.order_by()
        .values("project", "name", "op")
        .annotate(all=Sum("total_ms"))
        .order_by("-all", "project", "name", "op")[:most]
        .values_list("project", "name", "op")
    )
    found: dict[tuple[int, str, str], Transaction] = {}
    told = (
        rows.filter(name__in={name for _, name, _ in longest})
        .order_by()
        .values("project", "project__slug", "project__tree", "name", "op", "time_class")
        .annotate(n=Sum("count"), bad=Sum("failed"), all=Sum("total_ms"))
    )
    for row in told:
        key = row["project"], row["name"], row["op"]
        one = found.setdefault(
            key, Transaction(row["project__slug"], row["project__tree"], row["name"], row["op"])
        )
        one.count += row["n"]
        one.failed += row["bad"]
        one.total_ms += row["all"]
        one.classes[row["time_class"]] = row["n"]
    return [found[key] for key in longest if key in found]
