"""Small pictures in lists: lines with gaps, from what is in memory, without a query."""

from controlplane.dashboard.rowspark import count_bars, row_spark


def test_a_gap_breaks_the_line_and_zero_is_at_the_bottom() -> None:
    made = row_spark({"cpu": [0.0, 1.0, None, 0.5, 0.5], "rss": [5, 5, 5, 5, 5]})
    assert made["cpu"] == ["2.0,18.0 19.0,2.0", "53.0,10.0 70.0,10.0"]
    assert made["rss"] == ["2.0,10.0 19.0,10.0 36.0,10.0 53.0,10.0 70.0,10.0"]
    assert made["any"]


def test_what_was_not_measured_has_no_picture() -> None:
    assert row_spark({"cpu": [None] * 60, "rss": [None] * 59 + [7]}) == {"cpu": [], "rss": [], "any": False}


def test_a_program_that_does_nothing_lies_at_the_bottom() -> None:
    assert row_spark({"cpu": [0.0, 0.0], "rss": []})["cpu"] == ["2.0,18.0 70.0,18.0"]


def test_counts_are_bars_and_one_event_is_seen_beside_a_thousand() -> None:
    bars = count_bars([0, 1, 1000])
    assert [bar["x"] for bar in bars] == ["24.0", "48.0"]
    assert [bar["height"] for bar in bars] == ["1.5", "18.0"]
    assert bars[1]["y"] == "2.0"
    assert count_bars([0] * 24) == []
    assert count_bars([]) == []
