"""start, stop, restart, hold, release: what is asked, what is waited for, what is said."""

import os

import pytest

from supervision.runtime.paths import Paths
from tests.support.command_line import manage, on_terminal, spawn
from tests.support.fake_node import FakeNode
from tests.support.fake_rows import Json, child
from tests.support.scripted_node import RefusalError
from tests.support.waiting import wait_for

DEADLINE = 30.0


def test_stop_says_what_ended_and_how(node: FakeNode) -> None:
    pid = node.find("shop/db")["pid"]
    ran = manage("stop", "shop/db")
    assert (ran.code, ran.out) == (0, f"shop/db  stopped (pid {pid}, shutdown)\n")


def test_stopping_what_is_stopped_is_success_and_says_so(node: FakeNode) -> None:
    manage("stop", "shop/db")
    assert manage("stop", "shop/db").out == "shop/db  was stopped already\n"


def test_stopping_a_supervisor_counts_its_children(node: FakeNode) -> None:
    assert manage("stop", "shop/web").out == "shop/web  stopped with 2 children\n"


def test_start_waits_until_it_runs(node: FakeNode) -> None:
    manage("stop", "shop/db")
    ran = manage("start", "shop/db")
    assert ran.code == 0
    assert ran.out.startswith("shop/db  running (pid ")
    assert "was running already" in manage("start", "shop/db").out


def test_restart_names_both_pids(node: FakeNode) -> None:
    old = node.find("shop/db")["pid"]
    ran = manage("restart", "shop/db")
    assert ran.out == f"shop/db  restarted (pid {old} -> {old + 1000}, incarnation 2)\n"


def test_the_result_as_json_has_before_and_after(node: FakeNode) -> None:
    ran = manage("stop", "shop/db", "--json")
    assert ran.json["ok"] is True
    (target,) = ran.json["targets"]
    assert target["key"] == "shop/db"
    assert target["changed"] is True
    assert (target["before"]["state"], target["after"]["state"]) == ("running", "stopped")
    assert target["error"] is None


def test_what_a_strategy_took_along_is_listed(node: FakeNode) -> None:
    def restart(args: Json) -> Json:
        for key in ("shop/web/api@2", "shop/mail"):
            node._life(node.find(key))
        return node.op_restart(args)

    node.handlers["restart"] = restart
    ran = manage("restart", "shop/web/api@1")
    assert ran.out.endswith("Also restarted, by a supervisor's strategy: shop/web/api@2\n"), (
        "mail restarted by itself"
    )


def test_several_keys_restart_one_after_the_other_and_stop_at_the_first_failure(node: FakeNode) -> None:
    def restart(args: Json) -> Json:
        answer = node.op_restart(args)
        node.find(args["key"]).update(state="failed", pid=None)
        return answer

    node.handlers["restart"] = restart
    ran = manage("restart", "shop/web/api", "--yes", "--json")
    assert ran.code == 1
    assert [args["key"] for args in node.asked("restart")] == ["shop/web/api@1"]
    assert [target["error"]["code"] for target in ran.json["targets"]] == ["failed", "skipped"]


def test_several_keys_stop_at_once(node: FakeNode) -> None:
    node.hold_answers("stop")
    with spawn("stop", "shop/web/api@1", "shop/db") as running:
        wait_for(lambda: len(node.asked("stop")) == 2, timeout=DEADLINE)
        node.release_answers("stop")
        assert running.end().out.count("stopped") == 2


def test_a_pattern_asks_on_a_terminal_and_needs_yes_elsewhere(node: FakeNode) -> None:
    ran = manage("stop", "shop/*", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "needs_yes")
    assert node.asked("stop") == []
    with on_terminal("stop", "shop/*") as running:
        assert "shop/db, shop/web and shop/mail" in running.until("[y/N]")
        running.type("n\n")
        assert running.wait() == 1
    assert node.asked("stop") == []
    with on_terminal("stop", "shop/*") as running:
        running.until("[y/N]")
        running.type("y\n")
        assert running.wait() == 0
    assert len(node.asked("stop")) == 3


def test_one_exact_key_asks_nobody(node: FakeNode) -> None:
    assert manage("stop", "shop").code == 0


def test_past_the_timeout_it_says_what_is_in_the_way_and_that_the_request_stands(node: FakeNode) -> None:
    node.handlers["stop"] = lambda args: node.find(args["key"]).update(state="stopping")
    node.hold_answers("stop")
    ran = manage("stop", "shop/db", "--timeout", "300ms")
    assert ran.code == 5
    assert "the request stands: 0 of 1 stopped; stopping: db" in ran.out


def test_a_start_that_ends_failed_says_why(node: FakeNode) -> None:
    why = {"reason": "start_failed(no such executable: /x)", "at": 0, "incarnation": 8}
    node.handlers["start"] = lambda args: node.find(args["key"]).update(state="failed", last_exit=why)
    ran = manage("start", "shop/mail")
    assert ran.code == 1
    assert "not up: failed (start_failed(no such executable: /x))" in ran.out
    assert "explain" in ran.err


def test_a_start_below_a_stopped_supervisor_names_it(node: FakeNode) -> None:
    manage("stop", "shop/web")
    node.handlers["start"] = lambda args: node.find(args["key"]).update(wanted="up")
    ran = manage("start", "shop/web/api@1", "--json")
    assert ran.code == 1
    assert ran.json["targets"][0]["in_the_way"] == [
        "shop/web/api@1: stopped (its supervisor shop/web is stopped)"
    ]


def test_a_start_in_backoff_is_waited_for_until_the_timeout(node: FakeNode) -> None:
    node.handlers["start"] = lambda args: {"key": args["key"]}
    ran = manage("start", "shop/mail", "--timeout", "300ms")
    assert ran.code == 5
    assert "the request stands: backoff (next try in" in ran.out


def test_without_waiting_the_answer_of_the_node_is_enough(node: FakeNode) -> None:
    node.handlers["start"] = lambda args: {"key": args["key"]}
    assert manage("start", "shop/mail", "--no-wait").code == 0


def test_a_refusal_of_one_key_leaves_the_others_done(node: FakeNode) -> None:
    def stop(args: Json) -> Json:
        if args["key"] == "shop/db":
            raise RefusalError("conflict", "not now")
        return node.op_stop(args)

    node.handlers["stop"] = stop
    ran = manage("stop", "shop/db", "shop/mail")
    assert ran.code == 1
    assert ran.out == "shop/db  not now\nshop/mail  stopped\n"


def test_a_hold_says_until_when_and_that_what_runs_runs_on(node: FakeNode) -> None:
    ran = manage("hold", "shop/db", "--for", "10m")
    assert node.asked("hold") == [{"key": "shop/db", "seconds": 600.0}]
    assert "held until" in ran.out
    assert "it runs on, and is not restarted when it ends" in ran.out
    assert manage("hold", "shop/mail").out.startswith("shop/mail  held until released")


def test_a_release_says_what_was(node: FakeNode) -> None:
    manage("hold", "shop/db")
    assert manage("release", "shop/db").out.startswith("shop/db  released; running (pid ")
    assert manage("release", "shop/db").out == "shop/db  was not held; running\n"


def test_a_node_replaced_in_the_middle_of_a_stop_is_asked_again(node: FakeNode) -> None:
    node.hold_answers("stop")
    with spawn("stop", "shop/db") as running:
        wait_for(lambda: node.asked("stop"), timeout=DEADLINE)
        node.replace(away=True)
        node.forget_answers("stop")
        node.return_()
        ran = running.end()
    assert (ran.code, len(node.asked("stop"))) == (0, 2), ran.err
    assert "stopped" in ran.out


def test_a_restart_is_not_asked_twice_when_the_node_is_replaced(node: FakeNode) -> None:
    node.hold_answers("restart")
    with spawn("restart", "shop/db") as running:
        wait_for(lambda: node.asked("restart"), timeout=DEADLINE)
        node.replace()
        ran = running.end()
    assert (ran.code, len(node.asked("restart"))) == (0, 1), ran.err
    assert "incarnation 2" in ran.out


def test_progress_is_shown_on_a_terminal_and_taken_away_again(node: FakeNode) -> None:
    node.handlers["stop"] = lambda args: node.find(args["key"]).update(state="stopping")
    with on_terminal("stop", "shop/db") as running:
        assert "\r" in running.until("stopping: 0 of 1 stopped; stopping: db")
        with node.changing():
            node.find("shop/db").update(state="stopped", pid=None)
        assert "\r\x1b[K" in running.until("shop/db  stopped")
        assert running.wait() == 0


@pytest.mark.parametrize("op", ["stop", "start"])
def test_nothing_about_progress_is_said_of_quick_work_in_a_pipe(node: FakeNode, op: str) -> None:
    assert manage(op, "shop/web").err == ""


def test_a_node_that_stops_answering_is_given_up(paths: Paths, node: FakeNode) -> None:
    node.stall()
    ran = manage("stop", "shop/db", "--timeout", "1s")
    assert ran.code == 4
    assert "may be stopped" in ran.err


def test_a_child_that_disappears_is_gone(node: FakeNode) -> None:
    def stop(args: Json) -> Json:
        node.find("shop")["children"].pop()
        return {"key": args["key"]}

    node.find("shop")["children"].append(child("shop/once"))
    node.handlers["stop"] = stop
    assert manage("stop", "shop/once").out == "shop/once  gone\n"


def test_the_environment_is_the_tests_own() -> None:
    assert "NO_COLOR" not in os.environ
