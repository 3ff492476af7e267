"""`explain` for each cause, over a real kernel's journal."""

import pytest

from supervision.explain.explanation import Explanation, explain
from supervision.kernel.backoff import Backoff
from supervision.kernel.spec import (
    AutoShutdown,
    ChildSpec,
    ChildType,
    FailureAction,
    OnFailure,
    Restart,
    StopOrder,
    Strategy,
    SupervisorSpec,
)
from tests.support.told_tree import ToldTree

ALICE, ROOT = 1000, 0


def who(uid: int) -> str:
    return {ALICE: "alice", ROOT: "root"}.get(uid, f"uid {uid}")


def sup(*children: ChildSpec, **options: object) -> SupervisorSpec:
    return SupervisorSpec(**{"intensity": 3, "period": 5.0, "children": children, **options})  # type: ignore[arg-type]  # test data


def nested(name: str, *children: ChildSpec, **options: object) -> ChildSpec:
    return ChildSpec(name, type=ChildType.SUPERVISOR, supervisor=sup(*children, **options))


def begun(*children: ChildSpec, **options: object) -> ToldTree:
    tree = ToldTree("shop", sup(*children, **options))
    tree.begin()
    return tree


def ask(tree: ToldTree, key: str, *, node: bool = True) -> Explanation:
    told = explain(key, tree.observed() if node else None, tree.records, now=tree.now, who=who)
    assert told is not None
    assert told.to_json()["key"] == key
    return told


def chain(told: Explanation) -> list[str]:
    return [link.text for link in told.chain]


def test_what_runs_since_its_first_life_has_nothing_to_explain() -> None:
    tree = begun(ChildSpec("db"))
    tree.tick(75)
    told = ask(tree, "shop/db")
    assert told.headline == "shop/db runs for 1m15s (pid 4001, incarnation 1)."
    assert (told.chain, told.next, told.can, told.current) == ((), "", (), True)


def test_a_restart_names_exit_reason_stderr_strategy_and_window() -> None:
    tree = begun(ChildSpec("db"))
    tree.exit("shop/db", "exit(3)", stderr=["Traceback", "ValueError: boom"])
    tree.tick(2)
    tree.exit("shop/db", "exit(3)", stderr=["ValueError: again"])
    told = ask(tree, "shop/db")
    assert told.headline == "shop/db runs for 0s (pid 4003, incarnation 3). It was restarted 2 times."
    assert chain(told) == ["shop/db ended with exit code 3", "shop restarts db (restart 2 of 3 in 5s)"]
    assert told.chain[0].evidence == ("ValueError: again",)


def test_a_kill_by_an_unknown_hand_says_so() -> None:
    tree = begun(ChildSpec("db"))
    tree.exit("shop/db", "signal(9)")
    assert chain(ask(tree, "shop/db"))[0] == "shop/db was killed by SIGKILL; who sent it is not known"


def test_a_signal_that_somebody_asked_the_node_to_send_names_that_one() -> None:
    tree = begun(ChildSpec("db"))
    tree.append("command", uid=ALICE, pid=77, op="signal", args={"key": "shop/db", "signal": "SIGUSR1"})
    tree.exit("shop/db", "signal(10)")
    assert (
        chain(ask(tree, "shop/db"))[0]
        == "shop/db was ended by signal(10), which alice (pid 77) had sent to it"
    )
    tree.tick(60)
    tree.exit("shop/db", "signal(10)")
    assert chain(ask(tree, "shop/db"))[0] == "shop/db was ended by SIGUSR1; who sent it is not known"


def test_an_end_that_the_supervisor_read_of_later_is_told_by_its_own_record() -> None:
    tree = ToldTree("shop", sup(ChildSpec("job", restart=Restart.TEMPORARY), ChildSpec("late")))
    tree.defer.add("shop/late")
    tree.begin()
    tree.exit("shop/job", "exit(9)")
    tree.start_deferred("shop/late")
    assert chain(ask(tree, "shop/job")) == ["shop/job ended with exit code 9"]


def test_what_the_machine_knew_stands_beside_the_reason() -> None:
    tree = begun(ChildSpec("db"))
    tree.exit("shop/db", "signal(9)", cause="probably out of memory: the kernel's OOM counter rose")
    assert "(probably out of memory: the kernel's OOM counter rose)" in chain(ask(tree, "shop/db"))[0]


@pytest.mark.parametrize(
    ("reason", "words", "advice"),
    [
        ("oom", "killed by the kernel because its control group ran out of memory", "memory_max"),
        ("watchdog", "sent no WATCHDOG=1 within its watchdog time", "watchdog"),
        ("unhealthy", "health check failed", "check"),
        ("signal(11)", "crashed with SIGSEGV", "debugger"),
        ("exit(127)", "a shell did not find the program", ""),
        ("exit(143)", "a shell reports SIGTERM so", ""),
        ("signal(10)", "was ended by SIGUSR1; who sent it is not known", ""),
        (
            "start_failed(no such executable: /x)",
            "could not be started: no such executable: /x",
            "Correct the tree file",
        ),
        ("exception(ValueError)", "raised ValueError", ""),
    ],
)
def test_each_reason_has_words_and_advice(reason: str, words: str, advice: str) -> None:
    tree = begun(ChildSpec("job", restart=Restart.TEMPORARY))
    tree.exit("shop/job", reason)
    told = ask(tree, "shop/job")
    assert words in told.headline
    assert advice in told.next
    assert "restart: temporary does not restart it" in told.headline


def test_a_sibling_that_took_it_along_is_named_with_its_own_reason() -> None:
    tree = begun(ChildSpec("a"), ChildSpec("b"), ChildSpec("c"), strategy=Strategy.REST_FOR_ONE)
    tree.exit("shop/b", "exit(1)", stderr=["b broke"])
    told = ask(tree, "shop/c")
    assert chain(told) == [
        "shop/b ended with exit code 1",
        "shop restarts b and with it, by rest_for_one, c (restart 1 of 3 in 5s)",
        "shop/c was asked to stop and did",
    ]
    assert told.chain[0].evidence == ("b broke",)
    assert chain(ask(tree, "shop/b"))[1] == "shop restarts b (restart 1 of 3 in 5s; by rest_for_one also c)"
    assert chain(ask(tree, "shop/a")) == []


def test_a_nested_supervisor_that_was_taken_along_explains_its_children_too() -> None:
    tree = begun(ChildSpec("a"), nested("web", ChildSpec("api")), strategy=Strategy.ONE_FOR_ALL)
    tree.exit("shop/a", "exit(1)")
    assert chain(ask(tree, "shop/web/api"))[:2] == [
        "shop/a ended with exit code 1",
        "shop restarts a and with it, by one_for_all, web (restart 1 of 3 in 5s)",
    ]


def test_backoff_says_until_when_and_for_the_how_manyeth_time() -> None:
    tree = begun(ChildSpec("mail", backoff=Backoff(2.0, 2.0, 60.0)))
    tree.exit("shop/mail", "exit(3)")
    tree.tick(2)
    tree.exit("shop/mail", "exit(3)")
    told = ask(tree, "shop/mail")
    assert told.headline == "shop/mail ended with exit code 3, and its restart waits."
    assert chain(told)[-1] == "its restart waits 4s (backoff, failure 2 in a row)"
    assert told.next.startswith("It is tried again in 4s, at ")
    assert told.can[0] == "manage.py start shop/mail    try now"


def test_waiting_names_what_for_and_why_that_is_not_ready() -> None:
    tree = begun(ChildSpec("db", readiness=True), ChildSpec("api", depends_on=("db",)))
    tree.tick(3)
    told = ask(tree, "shop/api")
    assert told.headline == "shop/api waits for shop/db for 3s."
    assert told.next == "It starts as soon as shop/db is ready."
    (db,) = told.blocked_by
    assert db.headline == "shop/db was started 3s ago (pid 4001) and is not ready yet."
    assert told.can == (), "what to do stands with the one that it waits for"


def test_a_wait_for_what_failed_explains_that_failure() -> None:
    tree = begun(
        ChildSpec("db", restart=Restart.TEMPORARY, readiness=True), ChildSpec("api", depends_on=("db",))
    )
    tree.exit("shop/db", "exit(5)", stderr=["no disk"])
    told = ask(tree, "shop/api")
    (db,) = told.blocked_by
    assert db.state == "failed"
    assert db.chain[0].evidence == ("no disk",)


def test_a_circle_of_waits_ends() -> None:
    tree = begun(
        ChildSpec("a", readiness=True),
        ChildSpec("b", depends_on=("a",), readiness=True),
        ChildSpec("c", depends_on=("b",)),
    )
    told = ask(tree, "shop/c")
    assert told.blocked_by[0].blocked_by[0].key == "shop/a"


def test_stopped_says_by_whom_and_when_and_that_it_stays_so() -> None:
    tree = begun(ChildSpec("db"))
    tree.ask("stop", "shop/db", uid=ALICE)
    tree.tick(60)
    told = ask(tree, "shop/db")
    assert told.headline.startswith("shop/db is stopped by alice at ")
    assert told.headline.endswith("(1m00s ago).")
    assert "until it is started" in told.next
    assert told.can == ("manage.py start shop/db",)
    assert chain(told) == ["alice (pid 77) asked it to stop", "shop/db was asked to stop and did"]


def test_what_stands_below_a_stopped_supervisor_points_at_it() -> None:
    tree = begun(nested("web", ChildSpec("api")))
    tree.ask("stop", "shop/web", uid=ALICE)
    told = ask(tree, "shop/web")
    assert told.headline.startswith("shop/web is stopped by alice")
    below = explain("shop/web/api", tree.observed(), tree.records, now=tree.now, who=who)
    if below is not None:  # a kernel may forget the children of a supervisor that is down
        assert (
            below.headline == "shop/web/api does not run because shop/web, which supervises it, is stopped."
        )
        assert below.blocked_by[0].key == "shop/web"


def test_a_stop_that_had_to_kill_says_timeout() -> None:
    tree = begun(ChildSpec("db", shutdown=5.0))
    tree.auto_stop = False
    tree.ask("stop", "shop/db")
    told = ask(tree, "shop/db")
    assert told.headline.startswith("shop/db was asked to stop 0s ago by alice")
    tree.tick(5)
    assert "did not within its shutdown time and was killed" in chain(ask(tree, "shop/db"))[1]


def test_an_operators_restart_is_one_and_counts_in_no_window() -> None:
    tree = begun(ChildSpec("db"))
    tree.ask("restart", "shop/db", uid=ROOT)
    told = ask(tree, "shop/db")
    assert chain(told)[:2] == ["root (pid 77) asked it to restart", "shop/db was asked to stop and did"]
    assert not any("restart 1 of" in text for text in chain(told))


def test_held_says_by_whom_and_until_when() -> None:
    tree = begun(ChildSpec("db"))
    tree.ask("hold", "shop/db", seconds=600)
    assert "It is held by alice at " in ask(tree, "shop/db").headline
    tree.exit("shop/db", "exit(1)")
    told = ask(tree, "shop/db")
    assert told.state == "held"
    assert "ended with exit code 1, and is held by alice at" in told.headline
    assert "(in 10m00s): its restart is suspended" in told.headline
    assert told.can == ("manage.py release shop/db",)
    assert chain(told)[-1] == "it is held, so its restart is suspended"


def test_a_supervisor_that_gave_up_tells_the_ends_that_counted_and_what_was_above() -> None:
    tree = begun(nested("web", ChildSpec("api"), ChildSpec("log")))
    for at in range(4):
        tree.tick(0.1)
        tree.exit("shop/web/api", "exit(1)", stderr=[f"try {at}"])
    told = ask(tree, "shop/web")
    assert chain(told) == [
        "shop/web/api ended with exit code 1, 4 times in 0.3s",
        "shop/web gave up: one restart more than the 3 restarts in 5s that its intensity allows",
        "shop restarts web (restart 1 of 3 in 5s)",
    ]
    assert told.chain[0].evidence == ("try 3",)
    assert chain(ask(tree, "shop/web/log"))[:2] == chain(told)[:2]
    assert "shop decides now" in " ".join(chain(ask(tree, "shop/web/api")))


def test_an_older_reason_is_not_told_for_a_later_stop() -> None:
    tree = begun(nested("web", ChildSpec("api")))
    for _ in range(4):
        tree.exit("shop/web/api", "exit(1)")
    tree.tick(60)
    tree.ask("restart", "shop/web", uid=ALICE)
    assert chain(ask(tree, "shop/web"))[0] == "alice (pid 77) asked it to restart"
    assert chain(ask(tree, "shop/web/api"))[0] == "alice (pid 77) asked shop/web to restart"


def test_a_root_that_gave_up_says_when_the_tree_starts_again() -> None:
    tree = begun(ChildSpec("api"), on_failure=OnFailure(initial=30.0))
    for _ in range(4):
        tree.exit("shop/api", "exit(1)")
    told = ask(tree, "shop")
    assert told.state == "backoff"
    assert chain(told)[-1] == "the tree is started again after 30s (on_failure: retry, attempt 1)"
    assert told.next.startswith("It is tried again in 30s")


def test_a_root_that_stays_down_says_so() -> None:
    tree = begun(ChildSpec("api"), on_failure=OnFailure(FailureAction.STAY_DOWN))
    for _ in range(4):
        tree.exit("shop/api", "exit(1)")
    told = ask(tree, "shop")
    assert told.state == "failed"
    assert chain(told)[-1] == "the tree stays down (on_failure: stay_down)"
    assert told.can == ("manage.py start shop",)


def test_starts_that_fail_are_told_like_ends() -> None:
    tree = begun(ChildSpec("api"), ChildSpec("log"))
    tree.refuse["shop/api"] = "start_failed(no such executable: /opt/api)"
    tree.exit("shop/api", "exit(1)")
    texts = chain(ask(tree, "shop"))
    assert "shop/api could not be started: no such executable: /opt/api, 3 times in 0s" in texts


def test_auto_shutdown_names_the_significant_child() -> None:
    job = ChildSpec("job", restart=Restart.TRANSIENT, significant=True)
    tree = begun(nested("batch", job, ChildSpec("log"), auto_shutdown=AutoShutdown.ANY_SIGNIFICANT))
    tree.exit("shop/batch/job", "normal")
    texts = chain(ask(tree, "shop/batch"))
    assert texts[:2] == [
        "shop/batch/job ended by itself with exit code 0",
        "shop/batch shuts itself down because a significant child has ended (auto_shutdown)",
    ]


def test_done_says_that_its_restart_type_leaves_it_so() -> None:
    tree = begun(ChildSpec("job", restart=Restart.TRANSIENT))
    tree.exit("shop/job", "normal")
    told = ask(tree, "shop/job")
    assert (
        told.headline
        == "shop/job is done: it ended by itself with exit code 0 0s ago, and restart: transient leaves it so."
    )


def test_lost_admits_that_nobody_saw_it() -> None:
    tree = begun(ChildSpec("job", restart=Restart.TEMPORARY))
    tree.exit("shop/job", "lost")
    told = ask(tree, "shop/job")
    assert told.state == "lost"
    assert "neither guardian nor node could see it" in told.headline


def test_a_parallel_stop_of_the_whole_tree_is_told() -> None:
    tree = begun(ChildSpec("a"), ChildSpec("b"), stop=StopOrder.PARALLEL)
    tree.append("node", what="stopping")
    tree.stop_root()
    assert chain(ask(tree, "shop"))[0] == "the node was stopping, and with it the tree shop"


def test_a_revision_that_restarted_it_is_named() -> None:
    tree = begun(ChildSpec("a", body={"n": 1}))
    tree.apply(sup(ChildSpec("a", body={"n": 2})), revision=7)
    texts = chain(ask(tree, "shop/a"))
    assert texts[0] == "revision 7 of shop was applied by alice"


def test_without_a_node_the_journals_last_word_is_told_and_marked() -> None:
    tree = begun(
        ChildSpec("db", readiness=True),
        ChildSpec("api", depends_on=("db",)),
        ChildSpec("mail", backoff=Backoff(2.0, 2.0, 60.0)),
    )
    tree.exit("shop/mail", "exit(3)", stderr=["x"])
    for key in ("shop/mail", "shop/api", "shop/db", "shop"):
        with_node, without = ask(tree, key), ask(tree, key, node=False)
        assert (without.state, without.current) == (with_node.state, False)
    assert ask(tree, "shop/mail", node=False).chain == ask(tree, "shop/mail").chain
    assert ask(tree, "shop/mail", node=False).next == ask(tree, "shop/mail").next
    assert ask(tree, "shop/api", node=False).headline == ask(tree, "shop/api").headline


def test_a_key_that_nobody_knows_has_no_explanation() -> None:
    tree = begun(ChildSpec("db"))
    assert explain("shop/nix", tree.observed(), tree.records, now=tree.now) is None
    assert explain("nix", None, tree.records, now=tree.now) is None


def test_records_of_a_newer_release_are_passed_over() -> None:
    tree = begun(ChildSpec("db"))
    tree.append("moonphase", tree="shop")
    tree.append(
        "step", tree="shop", event=["teleported", "shop/db", 1], actions=[["beam", 1], ["state"], 5, []]
    )
    tree.append("step", tree="shop", event="?", actions=None)
    tree.exit("shop/db", "exit(1)")
    assert chain(ask(tree, "shop/db"))[0] == "shop/db ended with exit code 1"
