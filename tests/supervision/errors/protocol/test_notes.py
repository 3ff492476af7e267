"""What a page says of what is not in a report: by the SDK's `_meta`, and by ours."""

from typing import Any

import pytest

from supervision.errors.protocol.notes import MOST, Note, notes_of


def test_what_the_sdk_trimmed_and_what_we_filtered_is_said_by_place() -> None:
    data: dict[str, Any] = {
        "_meta": {
            "extra": {"rows": {"": {"len": 4000}}},
            "request": {"headers": {"cookie": {"": {"rem": [["!config", "s"]]}}}},
            "user": {"ip_address": {"": {"rem": [["@ip", "p", 0, 5], ["@ip", "x"]], "len": 12}}},
        },
        "_overstory": {"cut": {".extra.log": "90000 characters, 65536 kept"}, "filtered": ["extra.password"]},
    }
    assert notes_of(data) == [
        Note("extra.rows", "shortened, it was 4000 long", "SDK"),
        Note("request.headers.cookie", "filtered", "SDK"),
        Note("user.ip_address", "removed, made a pseudonym, shortened, it was 12 long", "SDK"),
        Note("extra.log", "cut: 90000 characters, 65536 kept", "Overstory"),
        Note("extra.password", "filtered", "Overstory"),
    ]


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"_meta": 7, "_overstory": []},
        {"_meta": {"": 7, "a": {"": {"rem": 7, "len": True}}}},
        {"_overstory": {"cut": 1}},
    ],
)
def test_what_cannot_be_read_says_nothing(data: dict[str, Any]) -> None:
    assert notes_of(data) == []


def test_no_more_than_a_page_can_show() -> None:
    deep: dict[str, Any] = {"": {"len": 1}}
    for _ in range(500):
        deep = {"a": deep}
    assert notes_of({"_meta": deep}) == []
    assert len(notes_of({"_overstory": {"filtered": [str(number) for number in range(1000)]}})) == MOST
