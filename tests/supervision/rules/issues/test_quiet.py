"""Quiet hours: on the clock of a place, over midnight too, and what cannot be meant is named."""

import datetime as dt

import pytest

from supervision.rules.issues.quiet import InvalidQuietError, quiet_of


@pytest.mark.parametrize(
    ("since", "until", "zone", "at", "quiet"),
    [
        ("22:00", "07:00", "UTC", "2026-11-28T21:59:59Z", False),
        ("22:00", "07:00", "UTC", "2026-11-28T22:00:00Z", True),
        ("22:00", "07:00", "UTC", "2026-11-29T00:00:00Z", True),
        ("22:00", "07:00", "UTC", "2026-11-29T06:59:59Z", True),
        ("22:00", "07:00", "UTC", "2026-11-29T07:00:00Z", False),
        ("12:00", "13:30", "UTC", "2026-11-28T13:29:00Z", True),
        ("12:00", "13:30", "UTC", "2026-11-28T11:59:00Z", False),
        ("12:00", "13:30", "UTC", "2026-11-28T13:30:00Z", False),
        # winter and summer in Berlin: the same hour on the clock, another one in UTC
        ("22:00", "07:00", "Europe/Berlin", "2026-11-28T21:00:00Z", True),
        ("22:00", "07:00", "Europe/Berlin", "2026-11-28T20:59:00Z", False),
        ("22:00", "07:00", "Europe/Berlin", "2026-07-28T20:00:00Z", True),
        ("22:00", "07:00", "Europe/Berlin", "2026-07-29T05:00:00Z", False),
        # the night in which an hour comes twice is quiet both times
        ("02:00", "03:00", "Europe/Berlin", "2026-10-25T00:30:00Z", True),
        ("02:00", "03:00", "Europe/Berlin", "2026-10-25T01:30:00Z", True),
        ("02:00", "03:00", "Europe/Berlin", "2026-10-25T02:00:00Z", False),
    ],
)
def test_a_moment_is_quiet_or_not(since: str, until: str, zone: str, at: str, quiet: bool) -> None:
    found = quiet_of(since, until, zone)
    assert found is not None
    assert found.holds(dt.datetime.fromisoformat(at)) is quiet


def test_without_times_nothing_is_quiet() -> None:
    assert quiet_of("", "", "UTC") is None


@pytest.mark.parametrize(
    ("since", "until", "zone", "field"),
    [
        ("22:00", "", "UTC", "quiet_until"),
        ("", "07:00", "UTC", "quiet_from"),
        ("24:00", "07:00", "UTC", "quiet_from"),
        ("22:00", "7:00", "UTC", "quiet_until"),
        ("22:00", "07:00\n", "UTC", "quiet_until"),
        ("22:00", "22:00", "UTC", "quiet_until"),
        ("22:00", "07:00", "Europe/Nowhere", "quiet_zone"),
        ("22:00", "07:00", "../etc/passwd", "quiet_zone"),
        ("", "", "", "quiet_zone"),
    ],
)
def test_what_cannot_be_meant_names_its_field(since: str, until: str, zone: str, field: str) -> None:
    with pytest.raises(InvalidQuietError) as caught:
        quiet_of(since, until, zone)
    assert caught.value.field == field
