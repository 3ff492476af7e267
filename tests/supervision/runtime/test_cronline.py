"""Lines of the schedule, as a document may have them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from cronsim import CronSim

from supervision.runtime.cronline import why_no_cron
from supervision.runtime.treedoc import DocumentErrors, parse_tree

GOOD = ("* * * * *", "*/5 8-18 * * MON-FRI", "0 0 1 1 *", "5,35 4 1-7 JAN,JUL 0", "0 8-20/2 * * 7")


@pytest.mark.parametrize("line", GOOD)
def test_a_good_line_is_one_that_the_control_plane_reads_too(line: str) -> None:
    assert why_no_cron(line) == ""
    CronSim(line, datetime(2026, 11, 28, tzinfo=UTC))


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("60 * * * *", "minute"),
        ("0 24 * * *", "hour"),
        ("0 0 0 * *", "day of the month"),
        ("0 0 * 13 *", "month"),
        ("0 0 * * FUN", "day of the week"),
        ("*/0 * * * *", "minute"),
        ("5-1 * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
    ],
)
def test_a_bad_field_is_named(line: str, word: str) -> None:
    assert f"is no {word} of a cron line" in why_no_cron(line)


def scaled(**entry: Any) -> dict[str, Any]:
    schedule = [{"cron": "0 8 * * *", "workers": 2, **entry}]
    worker = {"app": "a", "scale": {"max": 3, "schedule": schedule}}
    return {"version": 1, "tree": "t", "supervisor": {"children": [{"id": "w", "celery_worker": worker}]}}


@pytest.mark.parametrize(
    ("entry", "field"),
    [
        ({"cron": "0 25 * * *"}, "cron"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"workers": 4}, "workers"),
    ],
)
def test_a_document_says_which_entry_is_wrong(entry: dict[str, Any], field: str) -> None:
    with pytest.raises(DocumentErrors) as caught:
        parse_tree(scaled(**entry))
    assert [error.pointer for error in caught.value.errors] == [
        f"/supervisor/children/0/celery_worker/scale/schedule/0/{field}"
    ]


def test_without_a_control_plane_a_pool_has_its_fewest() -> None:
    tree = parse_tree(scaled())
    assert [child.id for child in tree.spec.children] == ["w@1"]
