"""What the node answers to `tree`, read leniently."""

from supervision.runtime.observed import Child, Observed, Supervisor, term_words
from tests.support.fake_rows import child, shop, supervisor, tree


def test_the_whole_answer_is_read() -> None:
    observed = Observed.from_json(
        {"node": {"node_id": "abc", "pid": 5, "helpers": [{"name": "r", "pid": 6}]}, "trees": [shop()]}
    )
    mail = observed.find("shop/mail")
    assert isinstance(mail, Child)
    assert mail.last_exit is not None
    assert (mail.state, mail.restarts, mail.last_exit.reason) == ("backoff", 6, "exit(3)")
    web = observed.find("shop/web")
    assert isinstance(web, Supervisor)
    assert [one.key for one in web.children] == ["shop/web/api@1", "shop/web/api@2"]
    assert observed.parent("shop/web/api@1") is web
    assert observed.parent("shop") is None
    assert observed.node.helpers[0].pid == 6
    assert observed.trees[0].state == "running"


def test_walking_goes_in_start_order_parents_first() -> None:
    observed = Observed.from_json({"trees": [shop()]})
    keys = ["shop", "shop/db", "shop/web", "shop/web/api@1", "shop/web/api@2", "shop/mail"]
    assert [member.key for member in observed.walk()] == keys


def test_a_tree_sixty_levels_deep_is_walked() -> None:
    root = supervisor("t")
    level = root
    for number in range(60):
        below = supervisor(f"{level['key']}/s{number}")
        level["children"].append(below)
        level = below
    assert sum(1 for _ in Observed.from_json({"trees": [tree(root)]}).walk()) == 61


def test_unknown_fields_are_ignored_and_missing_ones_are_empty() -> None:
    body = {
        "trees": [{"name": "t", "moon": 1, "root": {"key": "t", "children": [{"key": "t/a", "new": []}]}}]
    }
    observed = Observed.from_json(body)
    only = observed.find("t/a")
    assert isinstance(only, Child)
    assert (only.id, only.pid, only.held, only.command) == ("a", None, False, ())


def test_nonsense_is_an_empty_answer_and_no_traceback() -> None:
    nonsense: list[object] = [None, [], "x", {"trees": 5, "node": []}, {"trees": [5, None]}]
    for body in nonsense:
        assert Observed.from_json(body).trees == ()


def test_a_hold_stands_also_without_expiry_and_while_the_child_runs() -> None:
    rows = [child("t/a", held=True), child("t/b", "held"), child("t/c", held_until=9.0), child("t/d")]
    observed = Observed.from_json({"trees": [tree(supervisor("t", *rows))]})
    assert [member.held for member in observed.processes()] == [True, True, True, False]


def test_terms_of_otp_read_as_text() -> None:
    assert term_words("exit(3)") == "exit(3)"
    assert term_words(["shutdown", "moved"]) == "shutdown: moved"
    assert term_words(["a", ["b", 3]]) == "a: b: 3"
    assert term_words(None) == ""
