"""`tree`, once and live."""

import json
import os
import signal

from supervision.runtime.paths import Paths
from tests.support.command_line import manage, on_terminal, spawn
from tests.support.fake_node import FakeNode


def test_the_tree_is_printed_once(node: FakeNode) -> None:
    ran = manage("tree")
    assert ran.code == 0
    assert [line.split()[1] for line in ran.out.splitlines()[4:5]] == ["db"]
    assert max(map(len, ran.out.splitlines())) <= 80


def test_keys_and_states_choose(node: FakeNode) -> None:
    assert "mail" not in manage("tree", "shop/web").out
    out = manage("tree", "--state", "trouble").out
    assert "mail" in out
    assert "db" not in out
    assert manage("tree", "--state", "failed").out.endswith("Nothing matches.\n")


def test_json_keeps_the_nodes_shape_and_the_filter(node: FakeNode) -> None:
    body = manage("tree", "shop/web", "--json").json
    assert [row["key"] for row in body["trees"][0]["root"]["children"]] == ["shop/web"]


def test_a_key_that_means_nothing_is_not_found(node: FakeNode) -> None:
    assert manage("tree", "shop/nix").code == 3
    assert manage("tree", "shop/nix*").code == 0


def test_in_a_pipe_the_watch_prints_a_block_for_each_change(node: FakeNode) -> None:
    with spawn("tree", "--watch", "--json") as running:
        first = json.loads(running.line())
        assert (first["stale"], first["error"]) == (False, None)
        with node.changing():
            node.find("shop/db")["state"] = "stopping"
        assert '"state":"stopping"' in running.line()
        running.process.send_signal(signal.SIGINT)
        assert running.end().code == 130


def test_a_node_that_goes_away_makes_the_last_truth_stale_never_zero(node: FakeNode) -> None:
    with spawn("tree", "--watch", "--json") as running:
        running.line()
        node.replace(away=True)
        stale = json.loads(running.until('"stale":true'))
        assert stale["tree"]["trees"][0]["name"] == "shop", "the tree as it was last"
        assert stale["error"]
        node.return_()
        assert json.loads(running.until('"stale":false'))["tree"]["node"]["pid"] == 4122


def test_a_node_that_does_not_answer_is_stale_after_its_time(node: FakeNode) -> None:
    with spawn("tree", "--watch") as running:
        assert running.line().startswith("--- live, data 0")
        node.stall()
        assert " ago): " in running.until("--- STALE")
        node.resume()
        running.until("--- live")


def test_without_a_node_the_watch_waits_for_one(paths: Paths) -> None:
    with spawn("tree", "--watch", "--json") as running:
        assert json.loads(running.line())["tree"] is None
        with FakeNode(paths.control_socket):
            running.until('"stale":false')


def test_on_a_terminal_it_redraws_in_place_and_gives_the_terminal_back(node: FakeNode) -> None:
    with on_terminal("tree", "--watch") as running:
        running.until("\x1b[?1049h")
        assert "live, data" in running.until("mail")
        with node.changing():
            node.find("shop/db")["state"] = "lost"
        running.until("▪")
        running.type("q")
        assert running.wait() == 0
        assert running.seen.endswith("\x1b[?25h\x1b[?1049l")


def test_on_a_terminal_ctrl_c_and_sigterm_give_it_back_too(node: FakeNode) -> None:
    for act, code in (("\x03", 130), (signal.SIGTERM, 143)):
        with on_terminal("tree", "--watch") as running:
            running.until("q quits")
            if isinstance(act, str):
                running.type(act)
            else:
                os.kill(running.process.pid, act)
            assert running.wait() == code
            assert "\x1b[?1049l" in running.seen
            assert "Traceback" not in running.seen


def test_a_tree_longer_than_the_screen_scrolls(node: FakeNode) -> None:
    with on_terminal("tree", "--watch", rows=6) as running:
        running.until("1-4 of 9 lines")
        running.type(" ")
        running.until("5-8 of 9 lines")
        running.type("G")
        running.until("6-9 of 9 lines")
        running.type("g\x1b[B")
        running.until("2-5 of 9 lines")


def test_stale_is_said_on_the_screen_and_reconnection_is_by_itself(node: FakeNode) -> None:
    with on_terminal("tree", "--watch") as running:
        running.until("mail")
        node.replace(away=True)
        assert "STALE, as of" in running.until("no node runs here")
        node.return_()
        running.until("pid 4122")
