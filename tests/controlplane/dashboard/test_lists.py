"""Lists: filtered, sorted, cut into pages."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.dashboard.lists import PER_PAGE, in_order, listing
from controlplane.filters.fields import PROCS

COLUMNS = ("key", "restarts", "state")


def rows(*restarts: int | None) -> list[dict[str, Any]]:
    return [
        {
            "id": f"n:{at}",
            "key": f"shop/{at}",
            "restarts": value,
            "state": "running",
            "status": "",
            "command": [],
        }
        for at, value in enumerate(restarts)
    ]


def listed(found: list[dict[str, Any]], **asked: str) -> Any:
    given = {"q": "", "sort": "", "page": ""} | asked
    return listing(found, fields=PROCS, now=0.0, columns=COLUMNS, default="key", **given)


@pytest.mark.parametrize(
    ("sort", "order"), [("restarts", [2, 0, 1, 3]), ("-restarts", [1, 0, 2, 3]), ("colour", [0, 1, 2, 3])]
)
def test_what_is_not_known_stands_last_whichever_way_it_is_sorted(sort: str, order: list[int]) -> None:
    found = listed(rows(3, 5, 1, None), sort=sort)
    assert [int(row["id"][2:]) for row in found.rows] == order


@pytest.mark.parametrize(
    ("page", "number"),
    [("", 1), ("1", 1), ("2", 2), ("3", 3), ("4", 3), ("0", 1), ("-1", 1), ("x", 1), ("9" * 50, 1)],
)
def test_a_page_that_is_not_there_is_the_nearest_one(page: str, number: int) -> None:
    found = listed(rows(*range(2 * PER_PAGE + 1)), page=page)
    assert (found.page_number, found.page_count, found.total) == (number, 3, 2 * PER_PAGE + 1)


def test_a_wrong_filter_hides_nothing_and_is_named() -> None:
    found = listed(rows(1, 2), q="restarts:many")
    assert found.total == 2
    assert found.q_error["at"] == 9


def test_the_query_of_a_link_holds_what_was_asked() -> None:
    assert (
        listed(rows(1), q="state:running", sort="-restarts").context()["query"]
        == "q=state%3Arunning&sort=-restarts"
    )


@given(st.lists(st.none() | st.integers(0, 5), max_size=30), st.booleans())
def test_the_order_is_total(values: list[int | None], descending: bool) -> None:
    found = in_order(rows(*values), "restarts", descending=descending)
    assert sorted(row["id"] for row in found) == sorted(row["id"] for row in rows(*values))
    known = [row["restarts"] for row in found if row["restarts"] is not None]
    assert known == sorted(known, reverse=descending)
