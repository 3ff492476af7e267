"""status, strays, start_child, delete_child, signal, reload."""

from pathlib import Path

import pytest

from tests.support.command_line import manage, on_terminal
from tests.support.fake_node import FakeNode
from tests.support.fake_rows import child, supervisor


@pytest.fixture
def pool(node: FakeNode) -> FakeNode:
    node.find("shop")["children"].append(supervisor("shop/pool", strategy="simple_one_for_one"))
    return node


def test_status_is_a_few_facts(node: FakeNode) -> None:
    ran = manage("status")
    assert ran.code == 0
    for words in (
        "4121, guardian 4119",
        "4 children: 3 running, 1 backoff",
        "shop: running, revision 4",
        "rotator (pid 4130)",
    ):
        assert words in ran.out
    assert manage("status", "--json").json["node_id"] == node.node_id


def test_strays_are_listed_adopted_and_ended(node: FakeNode) -> None:
    assert "No stray" in manage("strays").out
    node.strays = [
        {"pid": 4711, "command": ["sleep", "99"], "seen_s": 3.2},
        {"pid": 4712, "command": [], "seen_s": 1.0},
    ]
    ran = manage("strays", "list")
    assert "    4711    3.2s sleep 99" in ran.out.splitlines()
    assert ran.out.splitlines()[-1] == "Coverage 95.0 %: 38 of 40 processes belong to a child."
    assert manage("strays", "adopt", "4711", "shop/db").out == "pid 4711 belongs to shop/db now\n"
    assert node.asked("adopt_stray") == [{"pid": 4711, "key": "shop/db"}]
    assert manage("strays", "end", "4712", "--yes").code == 0
    assert [stray["pid"] for stray in node.strays] == [4711]
    assert manage("strays", "end", "9", "--yes").code == 3


def test_ending_a_stray_asks_first(node: FakeNode) -> None:
    node.strays = [{"pid": 4711, "command": ["x"], "seen_s": 1.0}]
    assert manage("strays", "end", "4711").code == 1
    with on_terminal("strays", "end", "4711") as running:
        running.until("[y/N]")
        running.type("y\n")
        assert running.wait() == 0
    assert node.strays == []


def test_json_of_strays_is_the_nodes(node: FakeNode) -> None:
    assert manage("strays", "--json").json == manage("strays", "list", "--json").json
    assert manage("strays", "--json").json == {"strays": [], "processes": 40}


@pytest.mark.parametrize(
    "words", [["adopt", "5"], ["end"], ["list", "5"], ["end", "5", "shop/db"], ["eat", "5"]]
)
def test_strays_with_the_wrong_words_is_a_usage_error(node: FakeNode, words: list[str]) -> None:
    assert manage("strays", *words).code == 2


def test_an_instance_is_added_by_name(pool: FakeNode) -> None:
    ran = manage("start_child", "shop/pool", "--instance", "blue")
    assert ran.code == 0
    assert pool.asked("start_child") == [{"supervisor": "shop/pool", "instance": "blue"}]
    assert manage("start_child", "shop/pool", "--instance", "blue").code == 1
    assert manage("start_child", "shop/pool").code == 2
    assert manage("start_child", "shop/pool", "--instance", "a/b").code == 2
    assert manage("start_child", "shop/web", "--instance", "x").code == 1


def test_a_child_is_added_from_a_file(pool: FakeNode, tmp_path: Path) -> None:
    path = tmp_path / "child.yaml"
    path.write_text("id: extra\nprocess: {command: [sleep, '9']}\n")
    pool.handlers["start_child"] = lambda _: {}
    assert manage("start_child", "shop", "--child", str(path)).out == "shop/extra  added\n"
    (asked,) = pool.asked("start_child")
    assert asked["child"]["id"] == "extra"
    path.write_text("- id: extra\n")
    assert manage("start_child", "shop", "--child", str(path)).code == 1
    assert manage("start_child", "shop", "--child", "/nowhere").code == 1


def test_a_child_is_deleted_after_asking(pool: FakeNode) -> None:
    pool.find("shop/pool")["children"].append(child("shop/pool/blue", "stopped"))
    assert manage("delete_child", "shop/pool/blue").code == 1
    assert manage("delete_child", "shop/pool/blue", "--yes").out == "shop/pool/blue  removed\n"


def test_signals_go_by_name_or_number(node: FakeNode) -> None:
    assert manage("signal", "shop/db", "hup").out == "shop/db  SIGHUP sent\n"
    manage("signal", "shop/db", "15")
    assert [args["signal"] for args in node.asked("signal")] == ["SIGHUP", "SIGTERM"]
    assert manage("signal", "shop/db", "BOGUS").code == 2
    assert manage("signal", "shop/mail", "HUP").code == 1


def test_reload_says_how(node: FakeNode) -> None:
    node.handlers["reload"] = lambda args: {"key": args["key"], "pid": 7, "signal": "SIGHUP"}
    assert manage("reload", "shop/db").out == "shop/db  asked to reload (SIGHUP to pid 7)\n"
    assert manage("reload", "shop/db", "--json").json["signal"] == "SIGHUP"
