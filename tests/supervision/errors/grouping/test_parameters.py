"""What varies in a message, and what does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.errors.grouping.parameters import MOST_TEXT, parameterized


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("order 17 of a.b+c@shop.example", "order <int> of <email>"),
        ("GET https://shop.example/orders/17?x=1 failed", "GET <url> failed"),
        ("at 2026-11-28T10:00:00.123Z", "at <date>"),
        ("at 2026-11-28 10:00", "at <date>"),
        ("row 6f1c2b7a-9d3e-4f50-8192-a3b4c5d6e7f8", "row <uuid>"),
        ("blob 6f1c2b7a9d3e4f508192a3b4c5d6e7f8", "blob <hash>"),
        ("connect 10.0.0.7:6379 refused", "connect <ip> refused"),
        ("connect fe80:0:0:1::7 refused", "connect <ip> refused"),
        ("at 0xdeadBEEF", "at <hex>"),
        ("after 12.5 seconds", "after <duration>"),
        ("after 300ms", "after <duration>"),
        ("at 10:42:01", "at <time>"),
        ("no /srv/shop/orders/17.json", "no <path>"),
        ("ratio 0.25 of -3", "ratio <float> of <int>"),
        ("is True", "is <bool>"),
        ("key 'colour' and \"size\"", "key <quoted> and <quoted>"),
        ("user_42 and user-43", "user_<int> and user-<int>"),
        ("utf8 and sha256 and x86_64", "utf8 and sha256 and x86_<int>"),
        ("a message without anything", "a message without anything"),
        ("\n\n  first   line \n\nsecond\nthird", "first line second"),
        ("", ""),
    ],
)
def test_what_varies_is_replaced(message: str, expected: str) -> None:
    assert parameterized(message) == expected


@given(st.text(max_size=300), st.integers(0, 10**12), st.integers(0, 10**12))
def test_another_number_is_the_same_message(text: str, one: int, other: int) -> None:
    assert parameterized(f"{text} {one} rows") == parameterized(f"{text} {other} rows")


@pytest.mark.parametrize(
    "hostile", ["a@" * 5000, "1" * 100_000, "'" * 100_000, "/a" * 50_000, "1." * 50_000, "a:" * 50_000]
)
def test_a_hostile_message_is_cut_and_costs_little(hostile: str) -> None:
    assert len(parameterized(hostile)) <= 8 * MOST_TEXT
