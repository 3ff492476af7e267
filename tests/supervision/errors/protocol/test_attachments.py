"""Files that come with an event: bounded, and without secrets where they can be read."""

import datetime as dt
import json

import pytest

from supervision.errors.protocol.accepting import accept
from supervision.errors.protocol.attachments import (
    MOST_BYTES,
    MOST_NAME,
    TEXT_BYTES,
    Attachment,
    body_of,
    read,
)
from supervision.errors.protocol.envelope import Item, read_envelope

NOW = dt.datetime(2026, 11, 28, 12, 0, tzinfo=dt.UTC)
ID = "b" * 32


def item(data: bytes, **header: str) -> Item:
    return Item({"type": "attachment", **header}, data)


def kept(data: bytes, **header: str) -> Attachment:
    body = body_of(item(data, **header))
    assert body is not None
    return read(body)


def test_bytes_stay_as_they_are_and_texts_lose_their_secrets() -> None:
    core = bytes(range(256))
    assert kept(core, filename="core.bin").data == core
    log = kept(b"password=hunter2\nall well\n", filename="shop.log", content_type="text/plain")
    assert b"hunter2" not in log.data
    assert b"all well" in log.data
    assert (log.name, log.content_type) == ("shop.log", "text/plain")


def test_a_text_too_long_to_be_looked_through_is_not_kept() -> None:
    assert body_of(item(b"x" * TEXT_BYTES)) is not None
    assert body_of(item(b"x" * (TEXT_BYTES + 1))) is None
    assert body_of(item(b"\0" * (TEXT_BYTES + 1))) is not None


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
def test_texts_of_any_encoding_lose_their_secrets_and_nothing_else(encoding: str) -> None:
    data = "größe=1\npassword=hunter2\n".encode(encoding)
    assert kept(data).data == "größe=1\npassword=[Filtered]\n".encode(encoding)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("../../etc/passwd", "passwd"),
        ("a\r\nX-Mark: x", "aX-Mark: x"),
        ("dump-password=hunter2.txt", "dump-password=[Filtered]"),
        ('a"b.txt', "ab.txt"),
        ("/", "attachment"),
        ("", "attachment"),
    ],
)
def test_a_name_is_a_name_and_nothing_else(given: str, name: str) -> None:
    assert kept(b"x", filename=given).name == name


def test_what_is_beyond_the_bound_of_an_event_is_counted() -> None:
    half = b"\0" * (MOST_BYTES // 2)
    body = json.dumps({"event_id": ID}).encode()
    for number in range(3):
        header = {"type": "attachment", "length": len(half), "filename": f"{number}"}
        body += b"\n" + json.dumps(header).encode() + b"\n" + half
    found = accept(read_envelope(body), now=NOW)
    assert [report.kind for report in found.reports] == ["attachment", "attachment"]
    assert found.discards == {("attachment", "too_large"): 1}


def test_files_of_one_name_are_all_kept_and_named_alike_when_they_come_again() -> None:
    long = "x" * 300
    body = json.dumps({"event_id": ID}).encode()
    for name in ("core.log", "/tmp/core.log", "password=a", "password=b", long, long):
        body += b"\n" + json.dumps({"type": "attachment", "length": 1, "filename": name}).encode() + b"\nx"
    names = [
        [report.body["name"] for report in accept(read_envelope(body), now=NOW).reports] for _ in range(2)
    ]
    assert names[0] == names[1]
    assert names[0][:4] == ["core.log", "(2) core.log", "password=[Filtered]", "(2) password=[Filtered]"]
    assert names[0][4:] == [long[:MOST_NAME], f"(2) {long}"[:MOST_NAME]]


def test_a_file_that_belongs_to_no_event_is_counted() -> None:
    found = accept(read_envelope(b'{}\n{"type":"attachment","length":1}\nx'), now=NOW)
    assert not found.reports
    assert found.discards == {("attachment", "not_stored"): 1}
