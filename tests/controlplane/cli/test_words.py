"""Durations, times, text: small things that every line is made of."""

import argparse

import pytest

from controlplane.cli.arguments import count as number
from controlplane.cli.arguments import patience, seconds
from controlplane.cli.moments import since
from controlplane.cli.text import cut, cut_middle, pad, printable, width
from supervision.explain.words import clock_time, count, duration, iso_time, listing, size
from supervision.runtime.clock import SystemClock


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (-3, "0s"), (0, "0s"), (0.02, "0s"), (0.4, "0.4s"), (5, "5s"), (5.96, "6s"), (9.94, "9.9s"), (9.96, "10s"),
        (59.4, "59s"), (59.6, "1m00s"), (192, "3m12s"), (3599.6, "1h00m"), (14_700, "4h05m"), (86_400, "1d00h"),
        (525_600, "6d02h"),
    ],
)  # fmt: skip
def test_durations_have_at_most_two_units(given: float, said: str) -> None:
    assert duration(given) == said


@pytest.mark.parametrize(
    ("given", "said"),
    [(0, "0 B"), (512, "512 B"), (1536, "1.5 KiB"), (300 << 20, "300 MiB"), (5 << 40, "5.0 TiB")],
)
def test_sizes_are_binary(given: int, said: str) -> None:
    assert size(given) == said


def test_times_carry_the_date_only_when_it_is_another_day() -> None:
    assert clock_time(1_700_000_000.5, now=1_700_000_001, millis=True).endswith(".500")
    assert " " not in clock_time(1_700_000_000, now=1_700_000_001)
    assert clock_time(1_700_000_000, now=1_700_200_000).count("-") == 2
    assert iso_time(1_700_000_000.25) == "2023-11-14T22:13:20.250Z"


def test_counts_and_lists_read_as_sentences() -> None:
    assert [count(0, "child", "children"), count(1, "child", "children"), count(2, "tree")] == [
        "0 children",
        "1 child",
        "2 trees",
    ]
    assert listing(["a"]) == "a"
    assert listing(["a", "b", "c"]) == "a, b and c"
    assert listing(list("abcdefgh")) == "a, b, c, d, e, f and 2 more"


def test_text_is_cut_by_columns_not_by_characters() -> None:
    assert width("日本") == 4
    assert cut("日本語", 5) == "日本…"
    assert cut("short", 5) == "short"
    assert width(cut("a" * 50, 7)) == 7
    assert cut_middle("very-long-name@12", 10) == "very-l…@12"
    assert pad("日", 4) + "|" == "日  |"
    assert pad("7", 3, right=True) == "  7"


def test_what_a_terminal_would_obey_is_made_visible() -> None:
    assert printable("a\x1b[2Jb\tc\x07") == "a?[2Jb c?"


@pytest.mark.parametrize(
    ("text", "value"),
    [("30", 30), ("500ms", 0.5), ("5s", 5), ("2m", 120), ("1h30m", 5400), ("1d", 86400), ("1.5s", 1.5)],
)
def test_durations_are_read_as_tree_files_write_them(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "x", "5 s", "-3", "3y", "s", "1e9", "inf", "nan"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        seconds(text)


def test_no_patience_is_no_limit() -> None:
    assert patience("0") is None
    assert patience("5s") == 5
    with pytest.raises(argparse.ArgumentTypeError):
        number("-1")


def test_moments_are_ago_or_of_the_day_or_dated() -> None:
    now = SystemClock().wall()
    assert since("10m") == pytest.approx(now - 600, abs=5)
    assert now - 86_401 < since("00:00") <= now
    assert now - 86_401 < since("23:59:59") <= now + 1
    assert since("2026-11-21T03:00:00Z") == 1_795_230_000
    assert since("2026-11-21 03:00:00+00:00") == 1_795_230_000
    with pytest.raises(argparse.ArgumentTypeError):
        since("tomorrow")
