"""Envelopes: captured ones, made-up ones, hostile ones."""

import base64
import contextlib
import gzip
import json
import zlib
from pathlib import Path
from typing import Any

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.errors.protocol.categories import Limit, category_of, rate_limits_header
from supervision.errors.protocol.encodings import BadEncodingError, Body, TooLargeError, UnknownEncodingError
from supervision.errors.protocol.envelope import (
    MOST_HEADER,
    MOST_ITEMS,
    EnvelopeTooLargeError,
    MalformedEnvelopeError,
    read_envelope,
)
from supervision.errors.protocol.keys import key_of
from supervision.errors.protocol.reading import read_event
from supervision.errors.scrubbing.values import scrub

CAPTURED = Path(__file__).parents[3] / "data" / "sentry_envelopes"
KEY = "6f1c2b7a9d3e4f508192a3b4c5d6e7f8"
MIB = 1024 * 1024


def _decoded(encoding: str, data: bytes, *, most: int = 100 * MIB, step: int = 1000) -> bytes:
    body = Body(encoding, most_wire=20 * MIB, most_decoded=most)
    for at in range(0, len(data), step):
        body.feed(data[at : at + step])
    return body.whole()


@pytest.mark.parametrize("name", sorted(path.stem for path in CAPTURED.glob("*.json")))
def test_captured_requests(name: str) -> None:
    facts = json.loads((CAPTURED / f"{name}.json").read_text())
    headers = {key.lower(): value for key, value in facts["headers"].items()}
    decoded = _decoded(headers.get("content-encoding", ""), (CAPTURED / f"{name}.body").read_bytes())
    assert len(decoded) == facts["bytes_decoded"]
    envelope = read_envelope(decoded)
    assert envelope.header.get("event_id") == facts["envelope_event_id"]
    assert [item.type for item in envelope.items] == [item["type"] for item in facts["items"]]
    assert [len(item.payload) for item in envelope.items] == [item["length"] for item in facts["items"]]
    assert key_of(headers, {}) == KEY
    for item in envelope.items:
        if item.type == "event":
            _check_event(json.loads(item.payload), facts["expect"])


def _check_event(payload: dict[str, Any], expected: dict[str, Any]) -> None:
    scrubbed = scrub(payload).value
    text = json.dumps(scrubbed)
    assert not [secret for secret in expected.get("must_not_store", ()) if secret in text]
    event = read_event(scrubbed)
    assert event.raised[-1].type == expected["issue_type"]
    for name, facts in {"exceptions": [each.type for each in event.raised], "environment": event.environment,
                        "release": event.release, "user_id": event.user, "level": event.level}.items():  # fmt: skip
        if name in expected:
            assert facts == expected[name]
    assert expected.get("tags", {}).items() <= event.tags.items()


DATA = b'{"a": "' + b"x" * 200_000 + b'"}'


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("", DATA),
        ("identity", DATA),
        ("gzip", gzip.compress(DATA)),
        ("GZIP ", gzip.compress(DATA)),
        ("deflate", zlib.compress(DATA)),
        ("deflate", zlib.compress(DATA)[2:-4]),
        ("br", brotli.compress(DATA)),
    ],
)
def test_encodings(encoding: str, data: bytes) -> None:
    assert _decoded(encoding, data) == DATA
    assert _decoded(encoding, data, step=10**6) == DATA


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_a_bomb_stops_at_the_bound(encoding: str) -> None:
    bomb = b"0" * (64 * MIB)
    small = {
        "gzip": gzip.compress(bomb),
        "deflate": zlib.compress(bomb),
        "br": brotli.compress(bomb, quality=4),
    }[encoding]
    body = Body(encoding, most_wire=20 * MIB, most_decoded=MIB)
    with pytest.raises(TooLargeError):
        body.feed(small)
    assert len(body._made) < 2 * MIB


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_little_more_is_made_than_there_is_room_for(encoding: str) -> None:
    plain = b"0" * 20 * MIB
    packed = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress}[encoding](plain)
    body = Body(encoding, most_wire=MIB, most_decoded=100 * MIB)
    body.feed(packed, room=MIB)
    assert MIB < len(body) < 2 * MIB


def test_more_on_the_wire_than_the_bound() -> None:
    with pytest.raises(TooLargeError):
        Body("", most_wire=10, most_decoded=MIB).feed(b"x" * 11)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
@pytest.mark.parametrize("data", [b"not compressed at all", base64.b64decode("H4sIAAAAAAAA/w==")])
def test_what_is_not_compressed_so(encoding: str, data: bytes) -> None:
    with pytest.raises(BadEncodingError):
        _decoded(encoding, data)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_a_body_that_ends_too_early(encoding: str) -> None:
    whole = {"gzip": gzip.compress(DATA), "deflate": zlib.compress(DATA), "br": brotli.compress(DATA)}[
        encoding
    ]
    with pytest.raises(BadEncodingError):
        _decoded(encoding, whole[: len(whole) // 2])


def test_an_unknown_encoding() -> None:
    with pytest.raises(UnknownEncodingError, match="lzma"):
        Body("lzma", most_wire=1, most_decoded=1)


@pytest.mark.parametrize(
    ("body", "items"),
    [
        (b"{}", []),
        (b"{}\n", []),
        (b'{}\n{"type":"event"}\n{"a":1}', [("event", b'{"a":1}')]),
        (b'{}\n{"type":"event"}\n{"a":1}\n', [("event", b'{"a":1}')]),
        (
            b'{}\n{"type":"attachment","length":3}\na\nb\n{"type":"x"}\ny',
            [("attachment", b"a\nb"), ("x", b"y")],
        ),
        (b'{}\n{"type":"event","length":0}\n\n{"type":"x"}\n', [("event", b""), ("x", b"")]),
        (b'{}\n{"type":"never_seen","length":2}\n{}\n', [("never_seen", b"{}")]),
        (b'{}\n{"length":2}\n{}\n', [("", b"{}")]),
        (b'{}\n{"type":7}\n{}', [("", b"{}")]),
        (b'{}\n\n\n{"type":"x"}\n{}\n\n', [("x", b"{}")]),
    ],
)
def test_the_grammar(body: bytes, items: list[tuple[str, bytes]]) -> None:
    assert [(item.type, item.payload) for item in read_envelope(body).items] == items


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "header"),
        (b"[]", "no JSON object"),
        (b"not json\n", "header"),
        (b'{}\n{"type":"event","length":9}\n{}\n', "9 bytes said, 3 came"),
        (b'{}\n{"type":"event","length":-1}\n{}\n', "no length"),
        (b'{}\n{"type":"event","length":"2"}\n{}\n', "no length"),
        (b'{}\n{"type":"event","length":true}\n{}\n', "no length"),
        (b'{}\n{"type":"event","length":1}\n{}\n', "no new line"),
        (b"{}\nnot json\n{}\n", "item 1"),
        (b'{}\n{"type":"event"}\n{}\n{"type":"event"}\n{}\n', "more than one"),
        (b"[" * 50_000, "header"),
    ],
)
def test_what_is_no_envelope(body: bytes, said: str) -> None:
    with pytest.raises((MalformedEnvelopeError, EnvelopeTooLargeError), match=said):
        read_envelope(body)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"' + b"x" * MOST_HEADER + b'"}\n',
        b"{}\n" + b'{"type":"x"}\n{}\n' * (MOST_ITEMS + 1),
        b'{}\n{"type":"event"}\n' + b"x" * (MIB + 1),
        b'{}\n{"type":"client_report"}\n' + b"x" * 5000,
    ],
)
def test_what_is_too_large(body: bytes) -> None:
    with pytest.raises(EnvelopeTooLargeError):
        read_envelope(body)


@given(
    st.binary(max_size=200)
    | st.binary(max_size=100).map(lambda tail: b'{}\n{"type":"event","length":5}\n' + tail)
)
def test_no_body_raises_anything_else(body: bytes) -> None:
    with contextlib.suppress(MalformedEnvelopeError, EnvelopeTooLargeError):
        read_envelope(body)


@pytest.mark.parametrize(
    ("headers", "query", "dsn"),
    [
        ({"x-sentry-auth": f"Sentry sentry_version=7, sentry_key={KEY}, sentry_client=x"}, {}, None),
        ({"authorization": f"Sentry sentry_key={KEY}"}, {}, None),
        ({"authorization": "Bearer x"}, {"sentry_key": KEY}, None),
        ({}, {"sentry_key": KEY, "sentry_version": "7"}, None),
        ({}, {}, f"https://{KEY}@errors.example/below/42"),
        ({}, {}, f"https://{KEY}:secret@errors.example/42"),
    ],
)
def test_where_a_key_may_stand(headers: dict[str, str], query: dict[str, str], dsn: str | None) -> None:
    assert key_of(headers, query, dsn) == KEY


@pytest.mark.parametrize(
    ("headers", "query", "dsn"),
    [
        ({}, {}, None),
        ({"authorization": "Bearer x"}, {}, None),
        ({}, {"sentry_key": "a b"}, None),
        ({}, {}, "https://errors.example/1"),
        ({}, {}, "http://[::1/1"),
        ({}, {}, 7),
        ({"x-sentry-auth": "Sentry sentry_key='; DROP"}, {}, None),
    ],
)
def test_no_key(headers: dict[str, str], query: dict[str, str], dsn: object) -> None:
    assert key_of(headers, query, dsn) is None


def test_rate_limits_as_clients_read_them() -> None:
    limits = [
        Limit(59.2, ("error", "default"), "quota"),
        Limit(0.1, ("monitor",), "spike_protection"),
        Limit(9, ("internal",), "x"),
    ]
    assert rate_limits_header(limits) == "60:error;default:project:quota, 1:monitor:project:spike_protection"
    assert rate_limits_header([]) == ""


@pytest.mark.parametrize(
    ("item", "category"),
    [
        ("event", "error"),
        ("check_in", "monitor"),
        ("client_report", "internal"),
        ("never_seen", "default"),
        ("sessions", "session"),
    ],
)
def test_categories(item: str, category: str) -> None:
    assert category_of(item) == category
