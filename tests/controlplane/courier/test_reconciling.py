"""What a node should do about its trees."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controlplane.courier.reconciling import Apply, Delete, Gone, Present, Step, Wanted, reconcile

WANTED = Wanted("t", 3, "digest", 1, fence=False, state="assigned")
HERE = Present("t", 3, "digest", "store", 1, fence=False, removing=False)


@pytest.mark.parametrize(
    ("wanted", "present", "steps"),
    [
        pytest.param([], [], [], id="nothing"),
        pytest.param([WANTED], [], [Apply("t", None)], id="new here"),
        pytest.param([WANTED], [HERE], [], id="as it should be"),
        pytest.param(
            [replace(WANTED, state="draining")], [HERE], [], id="drained it runs on until it is replaced"
        ),
        pytest.param(
            [replace(WANTED, revision=4, digest="d4")], [HERE], [Apply("t", 3)], id="another revision"
        ),
        pytest.param([replace(WANTED, epoch=2)], [HERE], [Apply("t", 3)], id="another epoch"),
        pytest.param([replace(WANTED, fence=True)], [HERE], [Apply("t", 3)], id="fenced from now on"),
        pytest.param(
            [WANTED], [replace(HERE, origin="local")], [Apply("t", 3)], id="recorded: it is the store's"
        ),
        pytest.param([WANTED], [replace(HERE, removing=True)], [], id="on its way out: later"),
        pytest.param([], [HERE], [Delete("t", 3)], id="no longer placed here"),
        pytest.param([], [replace(HERE, removing=True)], [], id="going already"),
        pytest.param([], [replace(HERE, origin="local")], [], id="only this node knows it yet"),
        pytest.param([replace(WANTED, state="removing")], [HERE], [Delete("t", 3)], id="to be removed"),
        pytest.param([replace(WANTED, state="removing", epoch=5)], [], [Gone("t", 5)], id="removed"),
        pytest.param(
            [replace(WANTED, name="a"), replace(WANTED, name="b", state="removing")],
            [replace(HERE, name="b"), replace(HERE, name="c")],
            [Delete("b", 3), Delete("c", 3), Apply("a", None)],
            id="removals make room first",
        ),
    ],
)
def test_each_case(wanted: list[Wanted], present: list[Present], steps: list[Step]) -> None:
    assert reconcile(wanted, present) == steps


NAMES = st.sampled_from("abc")


@given(
    st.lists(st.builds(Wanted, NAMES, st.integers(1, 3), st.sampled_from("xy"), st.integers(1, 2), st.booleans(),
             st.sampled_from(["assigned", "draining", "removing"])), unique_by=lambda one: one.name),
    st.lists(st.builds(Present, NAMES, st.integers(1, 3), st.sampled_from("xy"), st.sampled_from(["store", "local"]),
             st.integers(1, 2), st.booleans(), st.booleans()), unique_by=lambda one: one.name),
)  # fmt: skip
def test_doing_what_is_said_leads_to_what_is_wanted(wanted: list[Wanted], present: list[Present]) -> None:
    """Rounds of comparing and doing end, and then every placed tree is there and nothing of the store's beside them."""
    placed = {one.name: one for one in wanted}
    here = {one.name: one for one in present}
    for _ in range(6):
        here = {name: tree for name, tree in here.items() if not tree.removing}
        for step in reconcile(placed.values(), here.values()):
            if isinstance(step, Gone):
                del placed[step.tree]
            elif isinstance(step, Delete):
                here[step.tree] = replace(here[step.tree], removing=True)
            else:
                one = placed[step.tree]
                here[step.tree] = Present(
                    one.name, one.revision, one.digest, "store", one.epoch, one.fence, removing=False
                )
    assert reconcile(placed.values(), here.values()) == []
    ours = {name: tree for name, tree in here.items() if tree.origin == "store"}
    assert {name: tree.digest for name, tree in ours.items()} == {
        name: one.digest for name, one in placed.items() if name in ours
    }
    assert placed.keys() <= here.keys()
