"""`what-if`: the kernel as the journal on this host has it, asked without a node."""

import json

import pytest

from supervision.runtime.paths import Paths
from tests.support.command_line import manage
from tests.support.stored_tree import told_tree

SHOP = {
    "version": 1,
    "tree": "shop",
    "supervisor": {
        "strategy": "rest_for_one",
        "children": [{"id": name, "process": {"command": ["/bin/true"]}} for name in ("db", "web")],
    },
}


@pytest.fixture(autouse=True)
def journal(paths: Paths) -> None:
    """One restart is used already."""
    told = told_tree(SHOP)
    told.exit("shop/web", "exit(3)")
    paths.journal_dir.mkdir()
    text = "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in told.records)
    (paths.journal_dir / f"{1:016d}.journal").write_text(text)


def test_it_says_what_crashes_would_take_along() -> None:
    ran = manage("what-if", "shop/db", "--times", "3", "--within", "1")
    assert ran.code == 0, ran
    lines = [line.strip() for line in ran.out.splitlines()]
    assert lines[0] == "If shop/db crashes 3 times in 1s:"
    assert "shop gives up." in lines[1]
    assert any("shop gives up: 4 restarts in 5s, 3 are allowed." in line for line in lines), ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


def test_an_action_is_told_in_its_order() -> None:
    ran = manage("what_if", "shop", "--do", "restart")
    assert ran.out.splitlines()[0] == "Restart shop:"
    assert "Stopped, in this order: shop/web, shop/db." in ran.out
    assert "Started, in this order: shop/db, shop/web." in ran.out


def test_as_json_it_is_the_answer_of_the_api() -> None:
    body = manage("what-if", "shop/web", "--do", "stop", "--json").json
    assert (body["key"], body["do"]) == ("shop/web", "stop")
    [node] = body["nodes"]
    assert node["affected"] == [
        {
            "key": "shop/web",
            "becomes": "stops",
            "is_supervisor": False,
            "before": "running",
            "after": "stopped",
            "lives": 0,
            "words": "stops",
        }
    ]


def test_what_nobody_knows_names_the_nearest() -> None:
    ran = manage("what-if", "shop/wbe")
    assert (ran.code, "Did you mean shop/web" in ran.err) == (3, True)


@pytest.mark.parametrize(
    "words",
    [["--times", "0"], ["--times", "1001"], ["--within", "-1"], ["--seconds", "0"], ["--do", "dance"]],
)
def test_what_is_no_question_is_refused(words: list[str]) -> None:
    assert manage("what-if", "shop/web", *words).code == 2
