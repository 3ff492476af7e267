"""How runs are told, by sums and one by one."""

from typing import Any

import pytest

from supervision.errors.protocol.sessions import told_of

ATTRS = {"release": "shop@1", "environment": "staging"}


def test_sums_are_added_up_and_what_crashed_has_errors_too() -> None:
    sums = [
        {"started": "2026-11-28T12:00:00Z", "exited": 5, "errored": 2, "crashed": 1, "abnormal": 1},
        {"exited": 3},
    ]
    told = told_of({"attrs": ATTRS, "aggregates": sums})
    assert told is not None
    assert (told.sessions, told.errored, told.crashed, told.once) == (12, 4, 2, ())
    assert (told.release, told.environment) == ("shop@1", "staging")


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"status": "ok", "errors": 0, "init": True}, ["sessions"]),
        ({"status": "exited", "errors": 2}, ["sessions", "errored"]),
        ({"status": "crashed", "errors": 1}, ["sessions", "errored", "crashed"]),
        ({"status": "abnormal"}, ["sessions", "errored", "crashed"]),
    ],
)
def test_a_run_that_is_told_again_has_the_same_keys(fields: dict[str, Any], what: list[str]) -> None:
    body = {"sid": "a" * 32, "attrs": ATTRS, **fields}
    told, again = told_of(body), told_of({**body, "seq": 7})
    assert told is not None
    assert told == again
    assert [name for name, _ in told.once] == what


def test_who_ran_it_is_a_digest_and_crashed_if_one_of_the_runs_did() -> None:
    one = told_of({"sid": "a", "did": "ada@shop.example", "status": "crashed", "attrs": ATTRS})
    sums = [
        {"exited": 2, "did": "ada@shop.example"},
        {"abnormal": 1, "did": "ada@shop.example"},
        {"did": "x"},
    ]
    many = told_of({"attrs": ATTRS, "aggregates": sums})
    assert one is not None
    assert many is not None
    [(user, crashed)] = one.users
    assert (len(user), crashed) == (32, True)
    assert many.users == one.users
    for nobody in (None, "", True, ["ada"]):
        told = told_of({"sid": "a", "did": nobody, "status": "ok", "attrs": ATTRS})
        assert told is not None
        assert told.users == ()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"attrs": ATTRS},
        {"attrs": {}, "sid": "a"},
        {"attrs": ATTRS, "aggregates": []},
        {"attrs": ATTRS, "aggregates": [{"exited": -1}, {"exited": True}, {"exited": 10**12}, 7]},
        {"attrs": 7, "sid": 7},
    ],
)
def test_what_says_nothing_is_nothing(body: dict[str, Any]) -> None:
    assert told_of(body) is None
