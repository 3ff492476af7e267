"""Shapes of events, old and new, and hostile ones."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.errors.protocol.cleaning import MOST_STRING, NotJsonError, clean, parse
from supervision.errors.protocol.reading import MOST_FRAMES, read_event

FRAME = {"module": "shop", "function": "load", "lineno": 7, "abs_path": "/srv/shop.py", "in_app": True}


@pytest.mark.parametrize(
    "exception",
    [
        {"values": [{"type": "KeyError", "value": "'x'", "stacktrace": {"frames": [FRAME]}}]},
        [{"type": "KeyError", "value": "'x'", "stacktrace": {"frames": [FRAME]}}],
        {"type": "KeyError", "value": "'x'", "stacktrace": {"frames": [FRAME]}},
    ],
)
@pytest.mark.parametrize("name", ["exception", "sentry.interfaces.Exception"])
def test_exceptions_in_every_shape(name: str, exception: Any) -> None:
    (raised,) = read_event({name: exception}).raised
    assert (raised.type, raised.value) == ("KeyError", "'x'")
    assert (raised.frames[0].function, raised.frames[0].line, raised.frames[0].in_app) == ("load", 7, True)


@pytest.mark.parametrize(
    ("data", "template", "message"),
    [
        ({"message": "late"}, "", "late"),
        ({"message": {"message": "order %s", "params": [7]}}, "order %s", "order 7"),
        (
            {"logentry": {"message": "order %s", "formatted": "order seven", "params": [7]}},
            "order %s",
            "order seven",
        ),
        ({"logentry": {"message": "order %(id)s", "params": {"id": 7}}}, "order %(id)s", "order 7"),
        ({"logentry": {"message": "100 %"}}, "100 %", "100 %"),
        ({"logentry": {"message": "order %d", "params": ["x"]}}, "order %d", "order %d"),
        ({"sentry.interfaces.Message": {"message": "late"}}, "late", "late"),
    ],
)
def test_messages(data: dict[str, Any], template: str, message: str) -> None:
    event = read_event(data)
    assert (event.template, event.message) == (template, message)


@pytest.mark.parametrize(
    ("given_time", "seconds"),
    [
        (1_700_000_000, 1_700_000_000.0),
        (1_700_000_000.5, 1_700_000_000.5),
        ("2023-11-14T22:13:20Z", 1_700_000_000.0),
        ("2023-11-14T22:13:20.500000+00:00", 1_700_000_000.5),
        ("2023-11-14T22:13:20", 1_700_000_000.0),
        ("yesterday", None),
        (float("nan"), None),
        (True, None),
        (-5, None),
        (10**20, None),
    ],
)
def test_times(given_time: Any, seconds: float | None) -> None:
    assert read_event({"timestamp": given_time}).timestamp == seconds


def test_the_programs_clock_is_corrected() -> None:
    assert read_event({"timestamp": 1000.0}, drift_s=30).timestamp == 1030.0


@pytest.mark.parametrize("tags", [{"a": 1, "b": None}, [["a", 1], ["b", None], ["short"], 7]])
def test_tags(tags: Any) -> None:
    assert read_event({"tags": tags}).tags == {"a": "1"}


def test_the_envelopes_id_stands_above_the_payloads() -> None:
    own, envelope = "a" * 32, "b" * 32
    assert read_event({"event_id": own}, event_id=envelope).event_id == envelope
    assert read_event({"event_id": "AAAAAAAA-AAAA-AAAA-AAAA-AAAAAAAAAAAA"}).event_id == own
    assert len(read_event({"event_id": 7}).event_id) == 32


def test_the_middle_of_a_long_stack_is_left_out() -> None:
    frames = [{"function": f"f{number}"} for number in range(1000)]
    (raised,) = read_event({"exception": {"type": "E", "stacktrace": {"frames": frames}}}).raised
    assert len(raised.frames) == MOST_FRAMES
    assert (raised.frames[0].number, raised.frames[-1].number) == (0, 999)


def test_a_stack_beside_the_exception_is_its_own() -> None:
    (raised,) = read_event({"exception": {"type": "E"}, "stacktrace": {"frames": [FRAME]}}).raised
    assert raised.frames[0].function == "load"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    [
        "exception",
        "message",
        "logentry",
        "tags",
        "user",
        "timestamp",
        "level",
        "fingerprint",
        "stacktrace",
        "event_id",
        "platform",
    ]
)


@given(st.dictionaries(KEYS, JSON))
def test_no_shape_raises(data: dict[str, Any]) -> None:
    event = read_event(data)
    assert len(event.event_id) == 32


@given(JSON)
def test_what_is_cleaned_can_be_stored(value: Any) -> None:
    def look(inner: Any) -> None:
        if isinstance(inner, str):
            inner.encode()
            assert "\0" not in inner
        elif isinstance(inner, dict):
            for key, item in inner.items():
                look(key)
                look(item)
        elif isinstance(inner, list):
            for item in inner:
                look(item)
        else:
            assert inner is None or isinstance(inner, bool | int | float)

    look(clean(value).value)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": NaN}', {"a": "nan"}),
        (b'{"a": "\\ud800x"}', {"a": "\N{REPLACEMENT CHARACTER}x"}),
        (b'{"a": "\\u0000"}', {"a": "\N{REPLACEMENT CHARACTER}"}),
        (b'{"a": 99999999999999999999999}', {"a": 1e23}),
    ],
)
def test_what_strict_readers_refuse_is_read_and_cleaned(body: bytes, value: Any) -> None:
    assert clean(parse(body)).value == value


@pytest.mark.parametrize("body", [b"", b"{", b'{"a": }', b"[" * 50_000 + b"]" * 50_000, b'{"a":' * 50_000])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(NotJsonError):
        parse(body)


def test_what_is_cut_is_said() -> None:
    deep: Any = "x"
    for _ in range(100):
        deep = {"a": deep}
    cleaned = clean({"long": "y" * (MOST_STRING + 1), "many": list(range(2000)), "deep": deep})
    assert len(cleaned.value["long"]) == MOST_STRING
    assert len(cleaned.value["many"]) == 1000
    assert cleaned.cut[".long"] == f"{MOST_STRING + 1} characters, {MOST_STRING} kept"
    assert cleaned.cut[".many"] == "2000 items, 1000 kept"
    assert any(why == "nested too deep" for why in cleaned.cut.values())
