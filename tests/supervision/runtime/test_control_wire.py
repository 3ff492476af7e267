"""Lines of the control socket: whatever a client sends is a request or an error that names the fault."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.runtime.control_wire import MAX_DEPTH, Asked, LineReader, RequestError, parse_request, shown

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def nested(depth: int) -> bytes:
    """A request whose only argument is that many arrays in each other."""
    return b'{"id":1,"op":"stop","args":{"key":' + b"[" * depth + b"]" * depth + b"}}"


def read(line: bytes) -> Asked | RequestError:
    try:
        return parse_request(line)
    except RequestError as error:
        return error


@given(st.binary(max_size=300))
def test_any_bytes_are_a_request_or_an_error_with_a_message(line: bytes) -> None:
    made = read(line)
    assert isinstance(made, Asked) or (made.code == "bad_request" and made.message)


@given(st.dictionaries(st.sampled_from(["id", "op", "args", "v", "else"]), JSON))
def test_an_object_is_a_request_exactly_when_each_part_is_of_its_kind(body: dict[str, Any]) -> None:
    request_id, op, args = (body.get(name) for name in ("id", "op", "args"))
    good = {
        "/id": request_id is None or type(request_id) is int or isinstance(request_id, str),
        "/op": isinstance(op, str),
        "/args": args is None or isinstance(args, dict),
    }
    made = read(json.dumps(body).encode())
    if isinstance(made, Asked):
        assert all(good.values())
        assert (made.id, made.op, made.args) == (request_id, op, args or {})
    else:
        assert made.pointer == next(pointer for pointer, right in good.items() if not right)


@pytest.mark.parametrize(
    ("line", "pointer", "words"),
    [
        (b"", None, "not a request"),
        (b"GET / HTTP/1.1\r", None, "not a request"),
        (b"\xff\xfe", None, "not a request"),
        (b"[1]", None, "an object is needed"),
        (b'{"id":1,"op":"stop","args":{"timeout_s":NaN}}', None, "NaN is no number of JSON"),
        (b'{"id":1,"op":"stop","args":{"timeout_s":Infinity}}', None, "Infinity is no number of JSON"),
        (b'{"id":1,"op":"stop","args":{"timeout_s":1e999}}', None, "1e999"),
        (b'{"id":' + b"9" * 5000 + b',"op":"stop"}', None, "not a request"),
        (b'{"id":[1],"op":"stop"}', "/id", "id is a number or text"),
        (b'{"id":true,"op":"stop"}', "/id", "id is a number or text"),
        (b'{"id":1.5,"op":"stop"}', "/id", "id is a number or text"),
        (b'{"id":"' + b"x" * 300 + b'","op":"stop"}', "/id", "200 characters"),
        (b'{"id":1}', "/op", "op is needed"),
        (b'{"id":1,"op":["stop"]}', "/op", "op is needed"),
        (b'{"id":1,"op":"stop","args":"shop"}', "/args", "args is an object"),
        (nested(MAX_DEPTH), None, "nested deeper"),
        (nested(100_000), None, "nested deeper"),
        (None, None, "longer than"),
    ],
)
def test_the_error_says_what_is_wrong_and_where(line: bytes | None, pointer: str | None, words: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse_request(line)
    assert caught.value.pointer == pointer
    assert words in caught.value.message
    assert len(caught.value.message) < 300


def test_an_error_carries_the_id_where_there_is_one_so_that_the_client_finds_its_request() -> None:
    with pytest.raises(RequestError) as caught:
        parse_request(b'{"id":"a","op":7}')
    assert caught.value.request_id == "a"


def test_what_may_be_deep_is_as_deep_as_a_document_needs() -> None:
    assert parse_request(nested(MAX_DEPTH - 3)).op == "stop"


def test_many_brackets_beside_each_other_are_not_deep() -> None:
    args: dict[str, Any] = {"key": [[] for _ in range(10 * MAX_DEPTH)]}
    assert parse_request(json.dumps({"op": "stop", "args": args}).encode()).args == args


def test_what_a_newer_client_says_beside_is_ignored() -> None:
    asked = parse_request(b'{"id":1,"op":"stop","args":{"key":"a","new":1},"trace":"x"}')
    assert asked.args == {"key": "a", "new": 1}


@given(
    st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line), max_size=8),
    st.lists(st.integers(1, 50)),
)
def test_lines_are_cut_the_same_however_the_bytes_arrive(lines: list[bytes], cuts: list[int]) -> None:
    reader = LineReader(most=20)
    data = b"".join(line + b"\n" for line in lines)
    for cut in cuts:
        reader.feed(data[:cut])
        data = data[cut:]
    reader.feed(data)
    assert [*reader.lines] == [line if len(line) <= 20 else None for line in lines]


def test_a_line_that_is_too_long_is_told_at_once_and_not_kept() -> None:
    reader = LineReader(most=100)
    for _ in range(1000):
        reader.feed(b"x" * 99)
    assert [*reader.lines] == [None]
    reader.feed(b"rest\nnext\n")
    assert [*reader.lines] == [None, b"next"]


def test_what_a_client_sent_is_shown_short() -> None:
    assert shown("stop") == "'stop'"
    assert len(shown("x" * 10_000)) == 60
