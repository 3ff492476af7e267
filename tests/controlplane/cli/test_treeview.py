"""The tree in eighty columns."""

import io
import re
from typing import Any

from controlplane.cli.terminal import Terminal, strip
from controlplane.cli.text import width
from controlplane.cli.treeview import TreeFilter, prune, render
from supervision.runtime.observed import Observed
from tests.support.fake_rows import child, shop, supervisor, tree

NOW = 1_000_000.0


def draw(
    *trees: dict[str, Any], node: dict[str, Any] | None = None, columns: int = 80, **options: Any
) -> list[str]:
    facts = {"node_id": "3f2a91bc" + "0" * 24, "pid": 4121, "started": NOW - 3600, **(node or {})}
    observed = Observed.from_json({"node": facts, "trees": list(trees)})
    terminal = Terminal(io.StringIO(), io.StringIO(), fixed_width=columns)
    for name in ("color", "unicode"):
        if name in options:
            setattr(terminal, name, options.pop(name))
    return render(observed, terminal, now=NOW, view=TreeFilter(**options))


def at(seconds: float) -> dict[str, Any]:
    return {"since": NOW - seconds}


def test_it_reads_as_a_tree_with_state_pid_incarnation_time_restarts_and_last_exit() -> None:
    root = supervisor(
        "shop",
        child("shop/db", pid=4687, **at(75)),
        supervisor("shop/web", child("shop/web/api@1", pid=4281, **at(7_200)), strategy="rest_for_one", window_used=2),
        child(
            "shop/mail", "backoff", incarnation=7, restarts=6, backoff_until=NOW + 40,
            last_exit={"reason": "exit(3)", "at": NOW - 2, "incarnation": 7}, **at(2),
        ),
        **at(75),
    )  # fmt: skip
    assert draw(tree(root, revision=4)) == [
        "node 3f2a91bc · pid 4121 · up 1h00m · 1 tree · 3 children: 2 running, 1 backoff",
        "",
        "NAME        STATE           PID   INC   SINCE  RST LAST EXIT",
        "shop        ● running   one_for_one 0/3 in 5s, revision 4",
        "├─ db       ● running      4687    #1   1m15s    0",
        "├─ web      ● running   rest_for_one 2/3 in 5s",
        "│  └─ api@1 ● running      4281    #1   2h00m    0",
        "└─ mail     ▲ backoff         -    #7      2s    6 next try in 40s; exit(3)",
    ]


def test_every_line_fits_the_terminal() -> None:
    deep = child("shop/" + "/".join(["a-rather-long-name"] * 6) + "/worker@1000", "failed", last_exit=None)
    rows = deep
    for level in range(6, 0, -1):
        rows = supervisor("shop/" + "/".join(["a-rather-long-name"] * level), rows)
    why = "start_failed(no such executable: /opt/programs/that/are/not/here/at/all/bin/worker in PATH)"
    bad = child("shop/bad", "failed", last_exit={"reason": why, "at": NOW, "incarnation": 1})
    chatty = child("shop/chatty", status="processed 123456 of 1234567 messages, " * 5)
    wide = child("shop/wide", status="日本語" * 40)
    for columns in (62, 80, 132, 200):
        lines = draw(
            tree(supervisor("shop", rows, bad, chatty, wide, strategy="simple_one_for_one")), columns=columns
        )
        assert max(map(width, lines)) <= columns, (columns, max(lines, key=width))


def test_nothing_of_a_reason_is_lost_when_it_is_longer_than_its_column() -> None:
    why = "start_failed(no such executable: /opt/programs/that/are/not/here/at/all/bin/worker in the child's PATH)"
    lines = draw(
        tree(
            supervisor(
                "shop", child("shop/bad", "failed", last_exit={"reason": why, "at": NOW, "incarnation": 1})
            )
        )
    )
    assert why.replace(" ", "") in "".join(lines).replace(" ", "")


def test_the_end_of_a_long_name_stays_because_the_instance_number_stands_there() -> None:
    lines = draw(
        tree(supervisor("shop", child("shop/" + "worker-of-the-very-long-name-that-does-not-fit@17")))
    )
    assert re.search(r"└─ worker-\S*…\S*@17 ", lines[-1])


def test_a_state_is_told_by_shape_and_word_and_colour_only_adds() -> None:
    row = tree(supervisor("t", child("t/a", "failed")))
    coloured, plain = draw(row, color=True), draw(row)
    assert "\x1b[31;1m■\x1b[0m" in coloured[-1]
    assert [strip(line).rstrip() for line in coloured] == [line.rstrip() for line in plain]
    assert "■ failed" in plain[-1]
    assert "# failed" in draw(row, unicode=False)[-1]
    assert draw(row, unicode=False)[-1].isascii()


def test_why_a_child_does_not_run_is_said_beside_it() -> None:
    lines = draw(
        tree(
            supervisor(
                "t",
                child("t/a", "waiting", waiting_for=["t/db", "t/redis"]),
                child("t/b", "held", held_until=NOW + 600),
                child("t/c", "starting", stage="pre_start"),
                child("t/d", "backoff", descendants_ending=[7, 8]),
                child("t/e", "backoff", blocked="journal full"),
                child("t/f", held=True),
                child("t/g", status="ok"),
            )
        )
    )
    for words in (
        "waits for db and redis", "held until", "runs pre_start", "its 2 descendants must end first", "journal full", "held",
        '"ok"',
    ):  # fmt: skip
        assert any(words in line for line in lines), words


def test_a_supervisor_that_used_its_restarts_up_is_marked() -> None:
    lines = draw(tree(supervisor("t", child("t/a"), window_used=3)), color=True)
    assert "\x1b[33mone_for_one 3/3 in 5s\x1b[0m" in lines[3]


def test_depth_sums_up_what_is_below() -> None:
    lines = draw(shop(), depth=1)
    assert not any("api@1" in line for line in lines)
    assert any("web" in line and "2 children running" in line for line in lines)
    assert "4 children: 3 running, 1 backoff" in draw(shop(), depth=0)[-1]


def test_a_filter_shows_what_matches_and_what_is_above_it() -> None:
    lines = draw(shop(), wanted=lambda member: member.key == "shop/web/api@2")
    assert [line.split(" ●")[0].strip() for line in lines[3:]] == ["shop", "└─ web", "└─ api@2"]
    assert draw(shop(), wanted=lambda _: False)[-1] == "Nothing matches."


def test_without_a_tree_it_says_what_to_do() -> None:
    assert "manage.py apply" in draw()[-1]


def test_what_else_is_wrong_with_the_node_is_said_on_top() -> None:
    node = {
        "strays": 2,
        "journal_short": True,
        "stopping": True,
        "helpers": [{"name": "rotator", "pid": None, "starts": 9}],
    }
    lines = draw(shop(), node=node)
    for words in (
        "helper rotator is down",
        "the node is stopping",
        "disk under the journal is full",
        "2 strays",
    ):
        assert any(words in line for line in lines[:6]), words


def test_names_and_states_from_elsewhere_cannot_command_the_terminal() -> None:
    lines = draw(tree(supervisor("t", child("t/a", status="\x1b[2J\x07gotcha"))))
    assert not any("\x1b" in line or "\x07" in line for line in lines)


def test_pruning_keeps_the_answers_fields() -> None:
    raw = {"node": {"pid": 1}, "trees": [shop()]}
    pruned = prune(raw, TreeFilter(lambda member: member.state == "backoff"))
    assert pruned["node"] == {"pid": 1}
    assert [row["key"] for row in pruned["trees"][0]["root"]["children"]] == ["shop/mail"]
    assert prune(raw, TreeFilter()) is raw
