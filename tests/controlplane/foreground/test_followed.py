"""What is told while children start and stop."""

import io
from typing import Any

import pytest

from controlplane.foreground.followed import Followed
from controlplane.foreground.progress import Progress
from supervision.runtime.clock import ManualClock
from supervision.runtime.observed import Observed

SHOP = frozenset({"shop"})


def observed(**children: dict[str, Any]) -> Observed:
    listed = [{"key": f"shop/{name}", "kind": "process", **fields} for name, fields in children.items()]
    return Observed.from_json({"trees": [{"name": "shop", "root": {"key": "shop", "children": listed}}]})


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def followed(out: io.StringIO) -> Followed:
    return Followed(Progress(out, ManualClock()))


@pytest.mark.parametrize(
    ("fields", "settled"),
    [
        ({"state": "running", "pid": 7}, True),
        ({"state": "starting", "pid": 7}, False),
        ({"state": "waiting", "waiting_for": ["shop/b"]}, False),
        ({"state": "stopped", "wanted": "up"}, False),
        ({"state": "stopped", "wanted": "down"}, True),
        ({"state": "stopping", "wanted": "up"}, False),
        ({"state": "completed"}, True),
        ({"state": "failed"}, True),
        ({"state": "held"}, True),
        ({"state": "backoff"}, True),
    ],
)
def test_a_tree_has_settled_when_no_child_is_about_to_start(
    followed: Followed, fields: dict[str, Any], settled: bool
) -> None:
    assert followed.starting(observed(a=fields), SHOP) is settled


def test_where_all_must_run_a_child_in_backoff_is_waited_for_and_told_once(
    followed: Followed, out: io.StringIO
) -> None:
    backoff = {"state": "backoff", "last_exit": {"reason": "exit(1)", "at": 0, "incarnation": 1}}
    assert not followed.starting(observed(a=backoff), SHOP, all_must_run=True)
    assert not followed.starting(observed(a=backoff), SHOP, all_must_run=True)
    assert out.getvalue().count("shop/a") == 1
    assert followed.not_ready() == ["shop/a: backoff, last exit exit(1)"]
    assert followed.starting(observed(a={"state": "running", "pid": 9}), SHOP, all_must_run=True)
    assert "running   pid 9" in out.getvalue()


def test_each_child_is_told_once_and_a_tree_that_is_not_there_yet_is_waited_for(
    followed: Followed, out: io.StringIO
) -> None:
    running = {"state": "running", "pid": 7}
    assert not followed.starting(observed(a=running), frozenset({"shop", "other"}))
    assert followed.starting(observed(a=running), SHOP)
    assert out.getvalue().count("shop/a") == 1


def test_a_stop_is_told_when_the_process_is_gone(followed: Followed, out: io.StringIO) -> None:
    followed.starting(observed(a={"state": "running", "pid": 7}, b={"state": "running", "pid": 8}), SHOP)
    followed.stopping(observed(a={"state": "stopping", "pid": 7}, b={"state": "stopped"}))
    assert [child.key for child in followed.alive()] == ["shop/a"]
    assert out.getvalue().splitlines()[-1].split()[2:] == ["shop/b", "stopped"]


def test_a_terminal_that_went_away_does_not_keep_us_from_going_on() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(5, "Input/output error")

    progress = Progress(Gone(), ManualClock())
    progress.step("one")
    progress.say("two")


@pytest.mark.parametrize(
    ("supervisor", "settled"), [({"wanted": "down"}, True), ({"state": "held"}, True), ({}, False)]
)
def test_below_a_supervisor_that_an_operator_stopped_nothing_is_waited_for(
    followed: Followed, supervisor: dict[str, Any], settled: bool
) -> None:
    child = {"key": "shop/pool/a", "state": "stopped", "wanted": "up"}
    pool = {"key": "shop/pool", "state": "stopped", "children": [child], **supervisor}
    body = {"trees": [{"name": "shop", "root": {"key": "shop", "state": "running", "children": [pool]}}]}
    assert followed.starting(Observed.from_json(body), SHOP) is settled
