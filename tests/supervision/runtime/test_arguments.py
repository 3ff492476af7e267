"""Arguments of the operations: each of the wrong kind is refused by name, what is not known is left out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervision.runtime.arguments import ARGUMENTS, UNSAID, Argument, read_arguments, to_record
from supervision.runtime.control_wire import ControlError

GOOD: dict[str, Any] = {
    "key": "shop/web", "tree": "shop", "supervisor": "shop/pool", "instance": "one", "child": {"id": "a"},
    "spec": {"version": 1}, "message": "why", "from_revision": 3, "state": "running", "timeout_s": 1.5, "seconds": 10,
    "signal": "TERM", "pid": 4711, "what": "both",
    "command_id": "6f1e", "by": "user:ann", "revision": 4, "origin": "store", "epoch": 7, "fence": True, "carry": {},
    "why": "it leaks", "incarnation": 3, "stand_in": True, "sent": 12.5, "ttl_s": 6.0, "trees": {"shop": 7},
    "mark": "6f1e", "since": 3, "lines_since": 3, "dsns": {"shop": "http://k@127.0.0.1/1"},
}  # fmt: skip
DOCUMENTS = ("spec", "child", "carry", "trees", "dsns")
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
TYPED = [(op, argument) for op, arguments in ARGUMENTS.items() for argument in arguments]
IDS = [f"{op}-{argument.name}" for op, argument in TYPED]


def good(op: str) -> dict[str, Any]:
    return {argument.name: GOOD[argument.name] for argument in ARGUMENTS[op]}


@pytest.mark.parametrize("op", ARGUMENTS)
def test_good_arguments_are_taken(op: str) -> None:
    taken = read_arguments(op, good(op))
    assert set(taken) == set(good(op))


@pytest.mark.parametrize(("op", "argument"), TYPED, ids=IDS)
def test_an_argument_without_default_is_needed(op: str, argument: Argument) -> None:
    args = good(op)
    del args[argument.name]
    if (
        argument.default is UNSAID
        or argument.default is None
        or isinstance(argument.default, str | float | int)
    ):
        assert read_arguments(op, args)[argument.name] == argument.default
    else:
        with pytest.raises(ControlError) as caught:
            read_arguments(op, args)
        assert (caught.value.code, caught.value.pointer) == ("bad_request", f"/args/{argument.name}")
        assert argument.name in caught.value.message


@pytest.mark.parametrize(
    ("op", "argument"), [(op, a) for op, a in TYPED if a.name not in DOCUMENTS],
    ids=[i for i in IDS if i.rpartition("-")[2] not in DOCUMENTS],
)  # fmt: skip
@given(value=ANYTHING)
def test_a_value_of_another_kind_is_refused_by_the_name_of_its_argument(
    op: str, argument: Argument, value: Any
) -> None:
    error = None
    try:
        taken = read_arguments(op, {**good(op), argument.name: value})[argument.name]
        assert taken is None or taken is UNSAID or isinstance(taken, str | int | float)
    except ControlError as refused:
        error = refused
    if error is not None:
        assert (error.code, error.pointer) == ("bad_request", f"/args/{argument.name}")
        assert argument.name in error.message
        assert len(error.message) < 300


@pytest.mark.parametrize(
    ("op", "name", "value"),
    [
        ("stop", "key", ""),
        ("stop", "key", "x" * 5000),
        ("stop", "key", ["shop"]),
        ("tree", "tree", ["shop"]),
        ("tree", "key", {}),
        ("wait", "state", "up"),
        ("wait", "timeout_s", -1),
        ("wait", "timeout_s", float("nan")),
        ("wait", "timeout_s", True),
        ("hold", "seconds", float("inf")),
        ("hold", "seconds", "10"),
        ("signal", "signal", "NOTHING"),
        ("signal", "signal", 0),
        ("signal", "signal", 9.5),
        ("signal", "signal", True),
        ("signal", "signal", 10**30),
        ("adopt_stray", "pid", 1.0),
        ("adopt_stray", "pid", 0),
        ("end_stray", "pid", -1),
        ("apply", "from_revision", 0),
        ("apply", "message", {"a": 1}),
        ("reexec", "what", "all"),
        ("start_child", "instance", ".hidden"),
        ("start_child", "instance", "../../etc"),
        ("start_child", "instance", "a/b"),
        ("start_child", "instance", "a\0b"),
        ("start_child", "instance", ""),
        ("start_child", "instance", "x" * 64),
    ],
)
def test_these_values_are_refused(op: str, name: str, value: Any) -> None:
    with pytest.raises(ControlError) as caught:
        read_arguments(op, {**good(op), name: value})
    assert caught.value.pointer == f"/args/{name}"


def test_a_signal_has_a_name_or_a_number() -> None:
    for value in ("TERM", "SIGTERM", "term", 15):
        assert read_arguments("signal", {"key": "a", "signal": value})["signal"] == 15


def test_no_revision_is_not_the_same_as_no_tree_yet() -> None:
    assert read_arguments("apply", {"spec": {}})["from_revision"] is UNSAID
    assert read_arguments("apply", {"spec": {}, "from_revision": None})["from_revision"] is None


def test_an_unknown_operation_is_named() -> None:
    with pytest.raises(ControlError) as caught:
        read_arguments("explode", {})
    assert caught.value.pointer == "/op"
    assert "'explode'" in caught.value.message


def test_what_is_not_known_is_neither_taken_nor_recorded() -> None:
    taken = read_arguments("stop", {"key": "shop/web", "password": "hunter2"})
    assert taken == {"key": "shop/web", "command_id": None, "by": None}
    assert to_record("stop", taken) == {"key": "shop/web"}


def test_documents_and_what_was_not_said_are_not_recorded_with_the_command() -> None:
    taken = read_arguments("apply", {"spec": {"version": 1}})
    assert to_record("apply", taken) == {}
    taken = read_arguments(
        "start_child", {"supervisor": "shop", "child": {"environment": {"TOKEN": "secret"}}}
    )
    assert to_record("start_child", taken) == {"supervisor": "shop"}
