"""Dependencies: how names are found, what cannot be waited for, and that the kernel sees every tree the same way."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervision.kernel.checks import SpecError
from supervision.kernel.dependencies import requirements
from supervision.kernel.spec import ChildSpec, SupervisorSpec
from supervision.runtime.treedoc import DocumentErrors, parse_tree
from tests.supervision.runtime.tree_documents import child, faults, parsed, supervisor, tree

Json = dict[str, Any]


def required(document: Json, key: str) -> tuple[str, ...]:
    """Keys the kernel makes a child wait for."""
    found = parse_tree(document)
    return requirements(found.name, found.spec).get(key, ())


class TestNames:
    def test_a_sibling_is_named_by_its_id(self) -> None:
        assert required(tree(child("a"), child("b", depends_on=["a"])), "t/b") == ("t/a",)

    def test_anything_is_named_by_its_path_from_the_root(self) -> None:
        document = tree(supervisor("s", child("a")), child("b", depends_on=["s/a"]))
        assert required(document, "t/b") == ("t/s/a",)

    def test_a_single_name_is_a_sibling_first(self) -> None:
        inner = supervisor("s", child("a"), child("b", depends_on=["a"]))
        assert required(tree(child("a"), inner), "t/s/b") == ("t/s/a",)

    def test_a_single_name_is_a_child_of_the_root_else(self) -> None:
        document = tree(child("a"), supervisor("s", child("b", depends_on=["a"])))
        assert required(document, "t/s/b") == ("t/a",)

    def test_a_child_with_instances_means_all_of_them(self) -> None:
        document = tree(child("w", instances=3), child("b", depends_on=["w"]))
        assert required(document, "t/b") == ("t/w@1", "t/w@2", "t/w@3")

    def test_one_instance_is_named_with_its_number(self) -> None:
        document = tree(supervisor("s", child("w", instances=3)), child("b", depends_on=["s/w@2"]))
        assert required(document, "t/b") == ("t/s/w@2",)

    def test_no_instances_keep_nobody_waiting(self) -> None:
        assert required(tree(child("w", instances=0), child("b", depends_on=["w"])), "t/b") == ()

    def test_each_instance_waits(self) -> None:
        document = tree(child("a"), child("w", instances=2, depends_on=["a"]))
        assert required(document, "t/w@1") == required(document, "t/w@2") == ("t/a",)

    def test_a_child_may_wait_for_one_that_stands_after_it(self) -> None:
        assert required(tree(child("b", depends_on=["a"]), child("a")), "t/b") == ("t/a",)

    def test_a_template_may_wait_for_what_is_outside(self) -> None:
        pool = supervisor("pool", child("w", depends_on=["a"]), strategy="simple_one_for_one")
        assert required(tree(child("a"), pool), "t/pool/w") == ("t/a",)

    def test_inside_a_template_siblings_wait_for_each_other(self) -> None:
        unit = supervisor("unit", child("a"), child("b", depends_on=["a"]))
        pool = supervisor("pool", unit, strategy="simple_one_for_one")
        assert required(tree(pool), "t/pool/unit/b") == ("t/pool/unit/a",)


FIRST = "/supervisor/children/0/depends_on/0"
POOL = supervisor("pool", child("w"), strategy="simple_one_for_one")


@pytest.mark.parametrize(
    ("document", "pointer", "words"),
    [
        (tree(child("a", depends_on=["b"])), FIRST, "'b' is neither a sibling nor a path from the root"),
        (
            tree(child("a", depends_on=["postgrse"]), child("postgres")),
            FIRST,
            "did you mean 'postgres'?",
        ),
        (tree(child("a", depends_on=["s/x"]), supervisor("s", child("y"))), FIRST, "did you mean 's/y'?"),
        (tree(child("a", depends_on=["a"])), FIRST, "a child cannot wait for itself"),
        (tree(child("a", instances=2, depends_on=["a@1"])), FIRST, "a child cannot wait for itself"),
        (
            tree(supervisor("s", child("a", depends_on=["s"]))),
            "/supervisor/children/0/supervisor/children/0/depends_on/0",
            "s is a supervisor it stands in",
        ),
        (tree({**supervisor("s", child("a")), "depends_on": ["s/a"]}), FIRST, "s/a stands inside it"),
        (tree(child("a", depends_on=["pool/w"]), POOL), FIRST, "part of a template"),
        (
            tree(supervisor("p", child("w", depends_on=["p"]), strategy="simple_one_for_one")),
            "/supervisor/children/0/supervisor/children/0/depends_on/0",
            "p is a supervisor it stands in",
        ),
        (tree(child("a", depends_on=["b@1"]), child("b")), FIRST, "b has no instances, so there is no b@1"),
        (
            tree(child("a", depends_on=["b@3"]), child("b", instances=2)),
            FIRST,
            "b has 2 instances, from @1, and no @3",
        ),
        (tree(child("a", depends_on=["b@0"]), child("b", instances=2)), FIRST, "and no @0"),
        (tree(child("a", depends_on=["b@01"]), child("b", instances=2)), FIRST, "and no @01"),
        (tree(child("a", depends_on=["b@x"]), child("b", instances=2)), FIRST, "and no @x"),
        (
            tree(child("a", depends_on=["b", "b"]), child("b")),
            "/supervisor/children/0/depends_on/1",
            "'b' stands here twice",
        ),
        (tree(child("a", depends_on=["../b"])), FIRST, "is no id of a sibling, or path"),
        (
            tree(child("a", depends_on="b"), child("b")),
            "/supervisor/children/0/depends_on",
            "'b' is no list of",
        ),
    ],
)
def test_refuses(document: Json, pointer: str, words: str) -> None:
    found = faults(document)
    assert words in found[pointer]
    assert len(found) == 1


class TestCycles:
    def test_are_named_with_their_members(self) -> None:
        document = tree(
            child("a", depends_on=["b"]), child("b", depends_on=["c"]), child("c", depends_on=["a"])
        )
        assert faults(document) == {FIRST: "a cycle: a waits for b waits for c waits for a"}

    def test_go_through_supervisors_that_are_ready_after_their_children(self) -> None:
        document = tree(child("a", depends_on=["s"]), supervisor("s", child("b", depends_on=["a"])))
        assert faults(document) == {FIRST: "a cycle: a waits for s waits for s/b waits for a"}

    def test_go_through_supervisors_whose_children_start_after_them(self) -> None:
        document = tree({**supervisor("s", child("a")), "depends_on": ["b"]}, child("b", depends_on=["s/a"]))
        assert list(faults(document)) == [FIRST]

    def test_are_all_found(self) -> None:
        document = tree(
            child("a", depends_on=["b"]), child("b", depends_on=["a"]),
            child("c", depends_on=["d"]), child("d", depends_on=["c"]),
        )  # fmt: skip
        assert len(faults(document)) == 2

    def test_are_found_in_a_chain_of_thousands(self) -> None:
        children = [child(f"c{number}", depends_on=[f"c{(number + 1) % 3000}"]) for number in range(3000)]
        assert list(faults(tree(*children))) == [FIRST]

    def test_do_not_go_through_the_children_of_a_template(self) -> None:
        pool = supervisor("pool", child("w", depends_on=["a"]), strategy="simple_one_for_one")
        assert faults(tree(child("a", depends_on=["pool"]), pool)) == {}


names = st.sampled_from(["a", "b", "c", "s"])
paths = st.lists(names, min_size=1, max_size=3).map("/".join)


@st.composite
def trees(draw: st.DrawFn, depth: int = 2) -> list[Json]:
    """Children with names that meet often, and dependencies that may or may not be."""
    found = []
    for child_id in draw(st.lists(names, min_size=1, max_size=3, unique=True)):
        depends_on = draw(st.lists(paths, max_size=2, unique=True))
        if depth and draw(st.booleans()):
            strategy = {}
            below = draw(trees(depth - 1))
            if len(below) == 1 and draw(st.booleans()):
                strategy = {"strategy": "simple_one_for_one"}
            found.append({**supervisor(child_id, *below, **strategy), "depends_on": depends_on})
        else:
            found.append(child(child_id, depends_on=depends_on))
    return found


def spec_of(children: list[Json], **fields: Any) -> SupervisorSpec:
    """What the kernel would be given if nobody had looked at the dependencies before."""
    specs = []
    for each in children:
        inner = each.get("supervisor")
        nested = None
        if inner is not None:
            nested = spec_of(
                inner["children"], **{"strategy": inner["strategy"]} if "strategy" in inner else {}
            )
        specs.append(ChildSpec(each["id"], depends_on=tuple(each["depends_on"]), supervisor=nested))
    return SupervisorSpec(3, 5.0, children=tuple(specs), **fields)


@settings(max_examples=400, deadline=None)
@given(trees())
def test_the_kernel_refuses_the_same_trees(children: list[Json]) -> None:
    """But for templates: an instance that waits for its own supervisor is refused here only."""
    try:
        parse_tree(tree(*children))
        here = True
    except DocumentErrors:
        here = False
    try:
        requirements("t", spec_of(children))
        there = True
    except SpecError:
        there = False
    assert there or not here
    assert here == there or "simple_one_for_one" in str(children)


def test_the_kernel_takes_what_was_parsed() -> None:
    found = parsed(child("a"), supervisor("s", child("w", instances=2), child("b", depends_on=["w", "a"])))
    assert requirements("t", found.spec) == {"t/s/b": ("t/s/w@1", "t/s/w@2", "t/a")}
