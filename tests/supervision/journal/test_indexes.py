"""What pages ask of a large journal is found by an index, also when it is about something quiet beside something busy."""

import json
from typing import Any

import pytest
from django.db import connection
from django.db.models import Q, QuerySet

from supervision.journal import selectors
from supervision.journal.models import JournalRecord

pytestmark = pytest.mark.django_db
ROWS = 60_000
MOST_READ = 3_000
"""Rows that may be read for an answer of 50. What one record in fifty is about, is found among the latest 2,500 as well."""

FILL = """
INSERT INTO supervision_journalrecord (node_id, stream_epoch, seq, at, boot, kind, tree, key, body, received_at)
SELECT CASE WHEN n %% 6000 = 0 THEN 'quiet' ELSE 'busy' || n %% 5 END, 1, n,
    timestamptz '2026-11-01' + n * interval '1 second', n,
    CASE WHEN n %% 700 = 0 THEN 'node' ELSE 'step' END,
    CASE WHEN n %% 700 = 0 THEN '' WHEN n %% 5000 = 0 THEN 'still' ELSE 'shop' END,
    CASE WHEN n %% 700 = 0 THEN '' WHEN n %% 5000 = 0 THEN 'still/web'
         WHEN n %% 4999 = 0 THEN 'shop/back/rare' ELSE 'shop/front/c' || n %% 50 END,
    '{}', timestamptz '2026-11-01' + n * interval '1 second'
FROM generate_series(1, %s) AS n
"""


@pytest.fixture
def journal() -> None:
    with connection.cursor() as cursor:
        cursor.execute(FILL, [ROWS])
        cursor.execute("ANALYZE supervision_journalrecord")


def rows_read(rows: QuerySet[JournalRecord]) -> int:
    """Rows that the plan's scans returned or threw away."""
    plan = json.loads(rows.explain(format="json", analyze=True, timing=False))[0]["Plan"]

    def walk(node: dict[str, Any]) -> int:
        below = node.get("Plans", [])
        own = node["Actual Rows"] if not below else 0
        own += node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        return int(own) * int(node["Actual Loops"]) + sum(walk(child) for child in below)

    return walk(plan)


@pytest.mark.parametrize(
    "asked",
    [
        {"key": "shop/back/rare"},
        {"key": "shop/back"},
        {"key": "shop/front/c7"},
        {"key": "shop/none"},
        {"tree": "still"},
        {"tree": "shop"},
        {"node_id": "quiet"},
        {"node_id": "busy1"},
    ],
    ids=lambda asked: next(iter(asked.values())),
)
def test_the_latest_records_are_found_without_reading_the_others(
    journal: None, asked: dict[str, str]
) -> None:
    rows = selectors.records(**asked)[:50]
    assert rows_read(rows) <= MOST_READ


def test_a_quiet_trees_explanation_reads_what_it_is_about(journal: None) -> None:
    about = Q(tree="still") | Q(tree="", kind__in=("node", "command"))
    rows = (
        JournalRecord.objects.filter(about, node_id="busy0").exclude(kind="snapshot").order_by("-id")[:4000]
    )
    assert rows_read(rows) <= MOST_READ
