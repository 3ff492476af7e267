"""How often each value of a tag came with an issue, and no more values than it can be asked for.

Of a tag of an issue at most MOST_VALUES are counted one by one: those that came first, and after each round of retention,
which leaves the most frequent (retention.py), those that come then. What is beyond is counted together, as OTHER. So a tag
that has another value in each event, a request's id say, fills no table.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from django.db import connection
from django.db.models import Count, F, Window
from django.db.models.functions import RowNumber

from supervision.errors.store.models import ErrorIssue, ErrorTag
from supervision.errors.store.sql import columns, many

MOST_VALUES = 1000
OTHER = "(other)"
"""A value that a program calls so is counted with them."""
ENVIRONMENT = "environment"
Key = tuple[int, str, str]
"""Issue, tag, value."""

COUNT_KNOWN = """
WITH came AS (
    SELECT * FROM unnest(%s::bigint[], %s::varchar[], %s::varchar[], %s::bigint[]) AS came (issue_id, key, value, count)
),
known AS (
    UPDATE supervision_errortag AS tags
    SET count = tags.count + came.count
    FROM came
    WHERE (tags.issue_id, tags.key, tags.value) = (came.issue_id, came.key, came.value)
    RETURNING tags.issue_id, tags.key, tags.value
)
SELECT came.issue_id, came.key, came.value
FROM came
LEFT JOIN known USING (issue_id, key, value)
WHERE known.issue_id IS NULL
"""
COUNT_VALUES = """
SELECT asked.issue_id, asked.key, (
    SELECT count(*)
    FROM (
        SELECT
        FROM supervision_errortag AS tags
        WHERE (tags.issue_id, tags.key) = (asked.issue_id, asked.key)
        LIMIT %s
    ) AS values
)
FROM unnest(%s::bigint[], %s::varchar[]) AS asked (issue_id, key)
"""
COUNT_NEW = """
INSERT INTO supervision_errortag AS tags (issue_id, key, value, count)
SELECT * FROM unnest(%s::bigint[], %s::varchar[], %s::varchar[], %s::bigint[])
ON CONFLICT (issue_id, key, value) DO UPDATE SET count = tags.count + excluded.count
"""


def count_tags(counts: Mapping[Key, int]) -> set[tuple[int, str]]:
    """(issue, environment) that were not seen together before. The caller holds the lock of their project."""
    fresh = _add(counts)
    if not fresh:
        return set()
    counted = _bounded({key: counts[key] for key in sorted(fresh)})
    many(COUNT_NEW, [(*key, count) for key, count in sorted(counted.items())])
    return {(issue, value) for issue, key, value in counted if key == ENVIRONMENT and value != OTHER}


def _bounded(fresh: Mapping[Key, int]) -> Counter[Key]:
    """Of values that are not there yet those for which there is room, the most frequent first; the rest together."""
    known = _numbers(sorted({(issue, key) for issue, key, _ in fresh}))
    counted: Counter[Key] = Counter()
    for (issue, key, value), count in sorted(fresh.items(), key=lambda each: -each[1]):
        has_room = known[issue, key] < MOST_VALUES
        if has_room and value != OTHER:
            known[issue, key] += 1
        counted[issue, key, value if has_room else OTHER] += count
    return counted


def _numbers(asked: Sequence[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """How many values each tag of an issue has."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT_VALUES, [MOST_VALUES, *columns(asked)])
        return {(issue, key): int(number) for issue, key, number in cursor.fetchall()}


def uncount(issue: ErrorIssue, counts: Mapping[tuple[str, str], int]) -> None:
    """So many less of each (tag, value). A value that is not counted by itself was counted with the others. The caller holds
    the lock of their project."""
    others: Counter[Key] = Counter()
    for _, key, value in _add({(issue.pk, *pair): -number for pair, number in counts.items()}):
        others[issue.pk, key, OTHER] -= counts[key, value]
    _add(others)
    ErrorTag.objects.filter(issue=issue, count__lte=0).delete()


def _add(counts: Mapping[Key, int]) -> list[Key]:
    """To values that are there; those that are not."""
    if not counts:
        return []
    with connection.cursor() as cursor:
        cursor.execute(COUNT_KNOWN, columns([(*key, count) for key, count in sorted(counts.items())]))
        return [(issue, key, value) for issue, key, value in cursor.fetchall()]


def most_frequent(issue: ErrorIssue, *, values: int, most: int) -> list[tuple[str, str, int, int]]:
    """(tag, value, how often, how many values the tag has): of each tag the most frequent values; `most` rows at most."""
    place = Window(RowNumber(), partition_by=[F("key")], order_by=[F("count").desc(), F("pk").asc()])
    number = Window(Count("pk"), partition_by=[F("key")])
    rows = ErrorTag.objects.filter(issue=issue).annotate(place=place, number=number).filter(place__lte=values)
    return list(rows.order_by("key", "place").values_list("key", "value", "count", "number")[:most])
