"""What was added to a tree by hand is stored as the requests that add it again where the tree moves."""

from types import SimpleNamespace
from typing import Any, cast

from supervision.journal.rows import start_request, tree_row
from supervision.kernel import Kernel
from supervision.kernel.actions import Start
from supervision.kernel.events import Begin, Call, Event, Ready, StartChild, Started
from supervision.kernel.spec import ChildSpec
from supervision.runtime.carrying import Carry
from supervision.runtime.recovery import RecoveredTree
from supervision.runtime.treedoc import parse_tree
from tests.support.engine import child, tree


def shop() -> Kernel:
    pool = {"id": "pool", "supervisor": {"strategy": "simple_one_for_one", "children": [child("job")]}}
    parsed = parse_tree(tree("shop", child("web"), pool))
    kernel = Kernel("shop", parsed.spec)
    run(kernel, Begin())
    return kernel


def run(kernel: Kernel, *events: Event) -> None:
    """With children that start and get ready at once."""
    waiting = list(events)
    while waiting:
        actions, _ = kernel.handle(waiting.pop(0), now=1.0)
        for action in actions:
            if isinstance(action, Start):
                waiting += [Started(action.key, action.incarnation), Ready(action.key, action.incarnation)]


def keys(kernel: Kernel) -> list[str]:
    return [view.key for view in kernel.children() if view.dynamic]


def test_a_tree_that_moves_has_the_children_that_were_added_to_it() -> None:
    here = shop()
    body = {"kind": "process", "process": {"command": ["/bin/sleep", "5"]}}
    run(here, Call("1", StartChild("shop/pool", instance="job@monday")))
    run(here, Call("2", StartChild("shop", child=ChildSpec("extra", body=body))))
    assert sorted(keys(here)) == ["shop/extra", "shop/pool/job@monday"]
    recovered = cast(
        "RecoveredTree",
        SimpleNamespace(
            kernel=here, name="shop", revision=1, digest="d", message="", applied_at=0.0, ended=None
        ),
    )
    requests: list[Any] = [start_request(recovered, key) for key in keys(here)]
    assert tree_row(recovered, requests)["dynamic"] == requests
    carried = Carry.from_request({"dynamic": requests}, wall=0.0, boot=0.0)
    there = shop()
    run(there, *(Call(f"c{number}", request) for number, request in enumerate(carried.dynamic)))
    assert sorted(keys(there)) == sorted(keys(here))
    extra = there.child("shop/extra")
    assert extra is not None
    assert extra.spec.body == body
    assert start_request(recovered, "shop/nothing") is None
