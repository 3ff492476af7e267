"""`explain` of what ended without having failed itself: recycled children, and supervisors that failed for an ill child."""

from supervision.explain.explanation import explain
from supervision.kernel.events import Call, EscalateKey, RecycleKey
from supervision.kernel.spec import ChildSpec, ChildType, Strategy, SupervisorSpec
from tests.support.told_tree import ToldTree


def told(tree: ToldTree, key: str) -> list[str]:
    found = explain(key, tree.observed(), tree.records, now=tree.now)
    assert found is not None
    return [link.text for link in found.chain]


def sup(*children: ChildSpec, strategy: Strategy = Strategy.ONE_FOR_ONE) -> SupervisorSpec:
    return SupervisorSpec(intensity=3, period=5.0, children=children, strategy=strategy)


def test_a_recycled_child_says_why_and_that_its_strategy_took_nobody_along() -> None:
    tree = ToldTree("shop", sup(ChildSpec("api"), ChildSpec("mail"), strategy=Strategy.ONE_FOR_ALL))
    tree.begin()
    tree.feed(Call("1", RecycleKey("shop/api", "it leaks descriptors")))
    assert told(tree, "shop/api")[0] == (
        "shop recycles api: it leaks descriptors; it alone: one_for_all takes siblings along only when something failed"
    )
    assert told(tree, "shop/mail") == []


def test_a_supervisor_that_failed_for_an_ill_child_says_so_and_so_do_its_other_children() -> None:
    web = ChildSpec("web", type=ChildType.SUPERVISOR, supervisor=sup(ChildSpec("api"), ChildSpec("page")))
    tree = ToldTree("shop", sup(web, ChildSpec("mail")))
    tree.begin()
    tree.feed(Call("1", EscalateKey("shop/web/api", 1, "http: 503")))
    because = "shop/web failed because api is not healthy (http: 503); shop decides now"
    for key in ("shop/web", "shop/web/api", "shop/web/page"):
        assert because in told(tree, key), key
    assert any(text.startswith("shop restarts web (restart 1 of 3") for text in told(tree, "shop/web"))
    assert told(tree, "shop/mail") == []
