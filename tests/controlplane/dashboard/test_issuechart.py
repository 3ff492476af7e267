"""The picture of an issue's history."""

import datetime as dt

import pytest

from controlplane.dashboard.issuechart import issue_chart
from supervision.errors.store.history import Deploy, History

SINCE = dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def _deploy(at: dt.datetime, before: float = 1.0, after: float | None = 1.0) -> Deploy:
    return Deploy(at, "revision", "4", "more workers", "ada", before, after)


def test_every_event_and_restart_is_to_be_seen() -> None:
    chart = issue_chart(History(SINCE, HOUR, [0, 1, 1000], [0, 0, 3], [_deploy(SINCE + HOUR / 2)]))
    assert [(part["y"], part["height"]) for part in chart["parts"]] == [
        ("96.0", "0.0"),
        ("94.0", "2.0"),
        ("0.0", "96.0"),
    ]
    assert [part["tick_height"] for part in chart["parts"]] == ["0.0", "0.0", "8.0"]
    assert [part["x"] for part in chart["parts"]] == ["0.0", "240.0", "480.0"]
    assert chart["deploys"] == [{"x": "120.0", "words": "Revision 4 at 2026-11-28 12:30 UTC"}]
    assert chart["parts"][2]["words"] == "2026-11-28 14:00 UTC: 1000 events, 3 restarts"
    assert chart["label"] == "1001 events, 1 deploy and 3 restarts"


def test_nothing_at_all_is_a_picture_too() -> None:
    chart = issue_chart(History(SINCE, HOUR, [0, 0], [0, 0], []))
    assert {part["height"] for part in chart["parts"]} == {"0.0"}
    assert chart["label"] == "0 events, 0 deploys and 0 restarts"


@pytest.mark.parametrize(
    ("before", "after", "tone", "text"),
    [
        (0.0, 0.0, "ok", "none before, none after"),
        (2.0, 0.0, "ok", "none since, 2 an hour before"),
        (0.0, 1200.4, "crit", "none before, 1,200 an hour after"),
        (1.0, 2.0, "crit", "more often: 1 an hour before, 2 after"),
        (25.0, 12.5, "ok", "less often: 25 an hour before, 12 after"),
        (1.0, 1.25, "idle", "about as often: 1 an hour before, 1.2 after"),
        (1.0, None, "idle", "too new to say"),
    ],
)
def test_what_came_of_a_deploy_is_said_in_words(
    before: float, after: float | None, tone: str, text: str
) -> None:
    chart = issue_chart(History(SINCE, HOUR, [1], [0], [_deploy(SINCE, before, after)]))
    assert chart["newest"][0]["change"] == {"tone": tone, "text": text}


def test_the_newest_deploys_are_told_first() -> None:
    deploys = [_deploy(SINCE + HOUR * number) for number in range(8)]
    chart = issue_chart(History(SINCE, HOUR, [1] * 9, [0] * 9, deploys))
    assert [one["at"] for one in chart["newest"]] == [
        (SINCE + HOUR * number).timestamp() for number in (7, 6, 5, 4, 3)
    ]
    assert len(chart["deploys"]) == 8
