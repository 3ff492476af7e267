"""What a tree takes along: it stands before the kernel begins, live and repeated from the journal."""

from typing import Any

import pytest

from supervision.kernel import Kernel
from supervision.kernel.events import Begin
from supervision.runtime.carrying import Carry
from supervision.runtime.recovery import Recovered
from supervision.runtime.treedoc import parse_tree
from tests.support.engine import child, tree

DOCUMENT = tree(
    "t",
    child("a"),
    child("b"),
    {"id": "pool", "supervisor": {"strategy": "simple_one_for_one", "children": [child("job")]}},
)
BODY: dict[str, Any] = {
    "stopped": ["t/a"],
    "held": {"t/b": 1_010.0},
    "dynamic": [["start_child", "t/pool", None, "one", {}]],
}


def started(kernel: Kernel) -> set[str]:
    actions, _ = kernel.handle(Begin(), now=200.0)
    return {action.to_json()[1] for action in actions if action.tag == "start"}


def test_what_was_stopped_stays_so_and_what_was_held_is_held_as_long() -> None:
    spec = parse_tree(DOCUMENT).spec
    carry = Carry.from_request(BODY, wall=1_000.0, boot=100.0)
    kernel = Kernel("t", spec)
    carry.put_into(kernel, 100.0)
    assert "t/a" not in started(kernel)
    assert carry.held == {"t/b": 110.0}
    view = kernel.child("t/a")
    assert view is not None
    assert not view.wanted


def test_the_record_of_the_tree_says_it_all() -> None:
    carry = Carry.from_request(BODY, wall=1_000.0, boot=100.0)
    assert Carry.from_record(carry.to_record()) == carry
    live = Kernel("t", parse_tree(DOCUMENT).spec)
    carry.put_into(live, 100.0)
    recovered = Recovered()
    recovered.apply(
        {
            "k": "tree", "what": "applied", "tree": "t", "revision": 3, "digest": "d", "message": "", "seq": 1,
            "t": 1_000.0, "b": 100.0, "document": DOCUMENT, "carry": carry.to_record(), "origin": "store",
            "epoch": 2, "fence": True,
        }
    )  # fmt: skip
    assert recovered.problems == []
    assert recovered.trees["t"].kernel.dump() == live.dump()
    assert recovered.returning["t"] == list(carry.dynamic)
    assert (recovered.trees["t"].origin, recovered.fences["t"].epoch) == ("store", 2)
    assert recovered.local_seq == 0


@pytest.mark.parametrize(
    "body",
    [[], {"stopped": "t/a"}, {"stopped": [1]}, {"held": []}, {"held": {"t/b": "soon"}}, {"dynamic": {}},
     {"dynamic": [1]}, {"dynamic": [["stop", "t/a"]]}, {"dynamic": [["nonsense"]]}],
)  # fmt: skip
def test_what_is_none_is_refused(body: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Carry.from_request(body, wall=0.0, boot=0.0)


def test_nothing_is_nothing() -> None:
    assert (
        Carry.from_request(None, wall=0.0, boot=0.0) == Carry.from_request({}, wall=0.0, boot=0.0) == Carry()
    )
