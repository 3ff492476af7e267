"""Which events go when a project has more than it is to keep: those that say least.

An event says little where many of its issue are kept. So each issue keeps so many that all of them together fit; one that
has fewer keeps all of its own, and a flood of one error takes nothing from a rare one. Of an issue that has more, the first
and the last stay and the others evenly between them; as this is done again and again, what is old becomes sparse. Whatever
is set, LEAST of an issue stay. Counts of issues do not change: they say what came, not what is kept.
"""

from collections.abc import Iterable

from django.db import connection

LEAST = 22
"""Of an issue: its first, its last, and twenty between."""
AT_ONCE = 20_000
KEPT_FREE = 0.1
"""So much of the bound is made free at once, that it is not done for each event."""

STORED = """
SELECT issue_id, count(*)
FROM supervision_errorevent
WHERE project_id = %s
GROUP BY issue_id
"""
THIN = """
DELETE FROM supervision_errorevent AS event
USING (
    SELECT id, received_at
    FROM (
        SELECT id, received_at, row_number() OVER (ORDER BY id) - 1 AS place, count(*) OVER () AS number
        FROM supervision_errorevent
        WHERE issue_id = %(issue)s AND project_id = %(project)s
    ) AS placed
    WHERE place > 0
        AND place < number - 1
        AND place * (%(keep)s - 1) / (number - 1) = (place - 1) * (%(keep)s - 1) / (number - 1)
    ORDER BY id
    LIMIT %(most)s
) AS gone
WHERE event.id = gone.id AND event.received_at = gone.received_at
"""
"""Whole numbers are divided: a place stays where the share of those to keep grows by one."""


def share_of(counts: Iterable[int], most: int) -> int | None:
    """How many of an issue are kept, so that all together are at most `most`; LEAST at least. None: all may stay."""
    ordered = sorted(counts)
    if sum(ordered) <= most:
        return None
    left = most
    for place, count in enumerate(ordered):
        share = left // (len(ordered) - place)
        if count > share:
            return max(LEAST, share)
        left -= count
    return None


def thin(project: int, most: int, *, at_once: int = AT_ONCE) -> int:
    """Remove what says least of a project that has more than `most`; at most `at_once`. How many went."""
    with connection.cursor() as cursor:
        cursor.execute(STORED, [project])
        stored = {int(issue): int(count) for issue, count in cursor.fetchall()}
        if sum(stored.values()) <= most:
            return 0
        keep = share_of(stored.values(), int(most * (1 - KEPT_FREE)))
        gone = 0
        for issue, count in sorted(stored.items(), key=lambda one: -one[1]):
            if keep is None or count <= keep or gone >= at_once:
                break
            cursor.execute(THIN, {"issue": issue, "project": project, "keep": keep, "most": at_once - gone})
            gone += cursor.rowcount
    return gone
