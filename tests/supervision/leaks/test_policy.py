"""What a tree file says is done about a leak, and when: a table."""

import pytest

from supervision.leaks.policy import Does, OnLeak, on_leak_of
from tests.supervision.runtime.tree_documents import child, faults, parsed, tree

MIB = 1 << 20
RECYCLE = OnLeak(Does.RECYCLE)
RESTART = OnLeak(Does.RESTART, 100 * MIB)


@pytest.mark.parametrize(
    ("policy", "resource", "action", "mib", "why"),
    [
        (OnLeak(), "rss", "restart", 900, ""),
        (RECYCLE, "fds", "watch", 0, ""),
        (RECYCLE, "fds", "recycle", 0, "it leaks descriptors: They grow."),
        (RECYCLE, "rss", "restart", 900, "it leaks memory: They grow."),
        (RESTART, "rss", "recycle", 99, ""),
        (RESTART, "rss", "watch", 100, "it leaks memory and holds 100 MiB, its bound is 100 MiB"),
        (RESTART, "fds", "restart", 900, ""),
    ],
)
def test_when_a_child_has_to_go(policy: OnLeak, resource: str, action: str, mib: int, why: str) -> None:
    found = policy.why_now(resource=resource, action=action, value=float(mib * MIB), verdict="They grow.")
    assert found == why


def test_the_policy_of_a_child_is_found_by_its_key_also_of_instances_and_of_templates() -> None:
    says = {"does": "recycle"}
    many = child("many", instances=2, on_leak=says)
    template = child("one", on_leak={"does": "restart", "memory": "1GiB"})
    pool = {"id": "pool", "supervisor": {"strategy": "simple_one_for_one", "children": [template]}}
    document = parsed(child("plain"), many, pool).document
    name = document["tree"]
    assert on_leak_of(document, f"{name}/plain") == OnLeak()
    assert on_leak_of(document, f"{name}/many@2") == RECYCLE
    assert on_leak_of(document, f"{name}/pool/anything") == OnLeak(Does.RESTART, 1 << 30)
    assert on_leak_of(document, f"{name}/pool") == OnLeak()
    assert on_leak_of(document, f"{name}/nobody") == OnLeak()
    assert on_leak_of(document, name) == OnLeak()


def test_a_bound_belongs_to_restart_and_restart_needs_one() -> None:
    for says in ({"does": "restart"}, {"does": "recycle", "memory": "1GiB"}, {"memory": "1GiB"}):
        assert [*faults(tree(child("a", on_leak=says)))] == ["/supervisor/children/0/on_leak/memory"]


def test_a_child_lives_on_when_its_policy_changes() -> None:
    before = parsed(child("a"))
    after = parsed(child("a", on_leak={"does": "recycle"}))
    assert before.spec == after.spec
    assert before.digest != after.digest
