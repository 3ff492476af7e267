"""The words by which issues are found: written when an issue is made, joined and parted as it is."""

from collections.abc import Iterable, Mapping

from django.db import connection

from supervision.errors.event import ErrorEvent
from supervision.errors.store.models import ErrorIssue
from supervision.errors.store.sql import many
from supervision.errors.words import vector_of

MOST_JOINED = 5000
"""Words of an issue beyond which those of merged ones are not added."""
TAGS_FILLED = 50
AT_ONCE = 1000

WRITE = """
INSERT INTO supervision_errorissuesearch AS search (issue_id, words)
SELECT issue_id, words::tsvector
FROM unnest(%s::bigint[], %s::text[]) AS came (issue_id, words)
ON CONFLICT (issue_id) DO UPDATE SET words = excluded.words
"""
JOIN = """
UPDATE supervision_errorissuesearch AS search
SET words = search.words || other.words
FROM supervision_errorissuesearch AS other
WHERE search.issue_id = %s AND other.issue_id = %s AND length(search.words) < %s
"""
MISSING = """
SELECT issue.id, project.slug, issue.number, issue.title, issue.type, issue.value, issue.culprit, issue.child, ARRAY(
    SELECT tags.value
    FROM supervision_errortag AS tags
    WHERE tags.issue_id = issue.id
    LIMIT %s
)
FROM supervision_errorissue AS issue
JOIN supervision_errorproject AS project ON project.id = issue.project_id
WHERE NOT EXISTS (SELECT FROM supervision_errorissuesearch AS search WHERE search.issue_id = issue.id)
ORDER BY issue.id
LIMIT %s
"""


def write_words(firsts: Mapping[int, tuple[ErrorIssue, ErrorEvent]], slugs: Mapping[int, str]) -> None:
    """Of issues, by their keys, and an event of each. `slugs` by project."""
    rows = []
    for pk, (issue, event) in sorted(firsts.items()):
        said = _said(slugs[issue.project_id], issue.number, issue.title, issue.type, issue.value)
        more = [issue.culprit, issue.child, event.message, event.template, *event.tags.values()]
        rows.append((pk, vector_of([*said, *more])))
    many(WRITE, rows)


def write_words_of(issue: ErrorIssue, event: ErrorEvent | None) -> None:
    """Of one."""
    event = event if event is not None else ErrorEvent("")
    write_words({issue.pk: (issue, event)}, {issue.project_id: issue.project.slug})


def join_words(into: ErrorIssue, gone: Iterable[int]) -> None:
    """What led to the merged ones leads to it too."""
    with connection.cursor() as cursor:
        for other in gone:
            cursor.execute(JOIN, [into.pk, other, MOST_JOINED])


def fill_missing(*, most: int = AT_ONCE) -> int:
    """Issues that have no words yet, made before there were any, or by a version that knows none; how many."""
    with connection.cursor() as cursor:
        cursor.execute(MISSING, [TAGS_FILLED, most])
        found = cursor.fetchall()
    rows = []
    for pk, slug, number, *texts, tags in found:
        rows.append((pk, vector_of([*_said(slug, number, *texts), *tags])))
    many(WRITE, rows)
    return len(found)


def _said(slug: str, number: int, *texts: str) -> list[str]:
    return [*texts, f"{slug}-{number}", slug]
