"""Clauses of OTP's supervisor.erl beside the cases, and what is ours beside OTP."""

import json
import sys
from dataclasses import replace

import pytest

from supervision.kernel import Kernel, machine
from supervision.kernel.actions import Exit, Kill, Reply, State
from supervision.kernel.backoff import Backoff
from supervision.kernel.events import (
    Begin,
    Call,
    CountChildren,
    DeleteChild,
    Exited,
    GetChildspec,
    HoldKey,
    Ready,
    RestartChild,
    RestartKey,
    StartChild,
    Started,
    StartFailed,
    StartKey,
    StopKey,
    StopRoot,
    TerminateChild,
    Tick,
    WhichChildren,
)
from supervision.kernel.reasons import Term
from supervision.kernel.spec import AutoShutdown, OnFailure, Restart, Shutdown, StopOrder, Strategy
from tests.supervision.kernel.fleet import (
    STUBBORN,
    Fleet,
    changes,
    killed,
    reports,
    signalled,
    started,
)
from tests.supervision.kernel.trees import inner, supervisor, worker

# --- OTP: do_restart, a clause for each restart type and reason ---------------------------------------------


@pytest.mark.parametrize(
    ("restart", "reason", "reported", "state"),
    [
        (Restart.PERMANENT, "normal", True, "running"),
        (Restart.PERMANENT, "shutdown", True, "running"),
        (Restart.PERMANENT, "exit(1)", True, "running"),
        (Restart.TRANSIENT, "normal", False, "completed"),
        (Restart.TRANSIENT, "shutdown", False, "completed"),
        (Restart.TRANSIENT, ["shutdown", "done"], False, "completed"),
        (Restart.TRANSIENT, "exit(1)", True, "running"),
        (Restart.TRANSIENT, "exit(3)", False, "completed"),
        (Restart.TRANSIENT, "lost", True, "running"),
        (Restart.TEMPORARY, "normal", False, "completed"),
        (Restart.TEMPORARY, "exit(1)", True, "failed"),
        (Restart.TEMPORARY, "exit(3)", False, "completed"),
        (Restart.TEMPORARY, "lost", True, "lost"),
    ],
)
def test_what_becomes_of_a_child_that_ended(
    restart: Restart, reason: Term, reported: bool, state: str
) -> None:
    fleet = Fleet.of(supervisor(worker("a", restart=restart, success_exit_codes=frozenset({3}))))
    actions = fleet.exit("shop/a", reason)
    assert bool(reports(actions, "child_terminated")) is reported
    assert fleet.state("shop/a") == state


# --- OTP: shutdown/1, how a stopped child may end -----------------------------------------------------------


@pytest.mark.parametrize(
    ("shutdown", "restart", "ends", "error"),
    [
        (5.0, Restart.PERMANENT, "shutdown", None),
        (5.0, Restart.PERMANENT, "normal", "normal"),
        (5.0, Restart.TRANSIENT, "normal", None),
        (5.0, Restart.TRANSIENT, ["shutdown", "x"], None),
        (5.0, Restart.PERMANENT, ["shutdown", "x"], ["shutdown", "x"]),
        (5.0, Restart.TEMPORARY, "exit(1)", "exit(1)"),
        (5.0, Restart.TEMPORARY, STUBBORN, "timeout"),
        (Shutdown.BRUTAL_KILL, Restart.PERMANENT, None, None),
        (0.0, Restart.PERMANENT, STUBBORN, "timeout"),
    ],
)
def test_an_unexpected_end_of_a_stopped_child_is_reported(
    shutdown: float | Shutdown, restart: Restart, ends: Term, error: Term
) -> None:
    fleet = Fleet.of(supervisor(worker("a", shutdown=shutdown, restart=restart)))
    if ends is not None:
        fleet.on_signal["shop/a"] = ends
    actions = fleet.stop() + fleet.advance(5)
    assert [report.reason for report in reports(actions, "shutdown_error")] == (
        [] if error is None else [error]
    )
    assert isinstance(actions[-1], Exit)


def test_infinity_is_never_killed() -> None:
    fleet = Fleet.of(supervisor(worker("a", shutdown=Shutdown.INFINITY)))
    fleet.on_signal["shop/a"] = STUBBORN
    fleet.stop()
    assert fleet.deadline is None
    assert fleet.state("shop/a") == "stopping"


def test_an_exit_that_waits_in_the_mailbox_is_how_the_child_ended() -> None:
    """b dies while its supervisor stops c: there is no signal for the dead, and its own reason is reported."""
    fleet = Fleet.of(supervisor(worker("a"), worker("b"), worker("c"), strategy=Strategy.ONE_FOR_ALL))
    fleet.on_signal["shop/c"] = STUBBORN
    fleet.exit("shop/a")
    fleet.exit("shop/b", "exit(7)")
    actions = fleet.advance(5)
    assert signalled(actions) == []
    assert [report.reason for report in reports(actions, "shutdown_error")] == ["timeout", "exit(7)"]
    assert started(actions) == ["shop/a", "shop/b", "shop/c"]
    assert reports(actions, "child_terminated") == []


def test_a_call_waits_while_the_supervisor_is_busy_and_fails_when_it_ends() -> None:
    fleet = Fleet.of(supervisor(inner("pool", worker("a")), worker("b")))
    fleet.on_signal["shop/pool/a"] = STUBBORN
    fleet.ask(StopKey("shop/pool"))
    assert fleet.reply_to(WhichChildren("shop/pool")) is None
    assert fleet.reply_to(CountChildren("shop")) is None
    replies = [action.value for action in fleet.advance(5) if isinstance(action, Reply)]
    assert replies == [["exit", "shutdown"], ["ok"], [2, 1, 1, 1]]
    assert fleet.reply_to(WhichChildren("shop/pool")) == ["exit", "noproc"]


# --- OTP: significant children ------------------------------------------------------------------------------


def test_a_significant_child_that_waits_is_not_gone() -> None:
    """OTP asks for a pid; a child whose first start waits for a dependency has none, and is still to come."""
    fleet = Fleet.of(
        supervisor(
            worker("db", readiness=True),
            worker("early", restart=Restart.TRANSIENT, significant=True),
            worker("late", restart=Restart.TRANSIENT, significant=True, depends_on=("db",)),
            auto_shutdown=AutoShutdown.ALL_SIGNIFICANT,
        )
    )
    fleet.exit("shop/early", "normal")
    assert fleet.state("shop") == "running"
    fleet.ready("shop/db")
    assert isinstance(fleet.exit("shop/late", "normal")[-1], Exit)
    assert fleet.state("shop") == "completed"


# --- OTP: calls ---------------------------------------------------------------------------------------------


def test_calls_of_an_ordinary_supervisor() -> None:
    fleet = Fleet.of(supervisor(worker("a"), inner("pool", worker("x"))))
    assert fleet.reply_to(StartChild("shop", worker("a"))) == ["error", ["already_started", "shop/a#1"]]
    assert fleet.reply_to(TerminateChild("shop", process="shop/a")) == ["error", "not_found"]
    assert fleet.reply_to(DeleteChild("shop", "a")) == ["error", "running"]
    assert fleet.reply_to(TerminateChild("shop", "a")) == ["ok"]
    assert fleet.reply_to(StartChild("shop", worker("a"))) == ["error", "already_present"]
    assert fleet.reply_to(RestartChild("shop", "a")) == ["ok", "shop/a#2"]
    assert fleet.reply_to(RestartChild("shop", "a")) == ["error", "running"]
    assert fleet.reply_to(StartChild("shop", worker("b", restart=Restart.TEMPORARY))) == ["ok", "shop/b#1"]
    assert fleet.reply_to(WhichChildren("shop")) == [
        ["b", "shop/b#1", "worker"],
        ["pool", "shop/pool#1", "supervisor"],
        ["a", "shop/a#2", "worker"],
    ]
    assert fleet.reply_to(CountChildren("shop")) == [3, 3, 1, 2]
    assert fleet.reply_to(TerminateChild("shop", "b")) == ["ok"]
    assert fleet.reply_to(RestartChild("shop", "b")) == ["error", "not_found"]
    childspec = fleet.reply_to(GetChildspec("shop", "a"))
    assert childspec == [
        "ok",
        {"id": "a", "restart": "permanent", "shutdown": 5.0, "type": "worker", "significant": False},
    ]
    assert fleet.reply_to(WhichChildren("shop/a")) == ["exit", "noproc"]


def test_calls_of_a_simple_one_for_one_supervisor() -> None:
    fleet = Fleet.of(supervisor(worker("t"), strategy=Strategy.SIMPLE_ONE_FOR_ONE))
    assert fleet.reply_to(StartChild("shop", instance="i")) == ["ok", "shop/i#1"]
    assert fleet.reply_to(StartChild("shop", instance="i")) == ["error", ["already_started", "shop/i#1"]]
    assert fleet.reply_to(StartChild("shop", instance="")) == ["error", ["invalid_instance", ""]]
    for request in (TerminateChild("shop", "i"), RestartChild("shop", "i"), DeleteChild("shop", "i")):
        assert fleet.reply_to(request) == ["error", "simple_one_for_one"]
    assert fleet.reply_to(GetChildspec("shop", "t")) == fleet.reply_to(GetChildspec("shop", process="shop/i"))
    assert fleet.reply_to(TerminateChild("shop", process="shop/i")) == ["ok"]
    assert fleet.reply_to(TerminateChild("shop", process="shop/i")) == ["ok"]
    assert fleet.reply_to(CountChildren("shop")) == [1, 0, 0, 0]
    assert fleet.reply_to(StartChild("shop", instance="i", body={"x": 1})) == ["ok", "shop/i#2"]


def test_the_body_of_an_instance_is_the_template_s_with_its_own_on_top() -> None:
    kernel = Kernel(
        "shop", supervisor(worker("t", body={"a": 1, "b": 1}), strategy=Strategy.SIMPLE_ONE_FOR_ONE)
    )
    kernel.handle(Begin(), now=0)
    actions, _ = kernel.handle(Call("1", StartChild("shop", instance="i", body={"b": 2})), now=0)
    assert [action.body for action in actions if hasattr(action, "body")] == [{"a": 1, "b": 2}]


# --- news that is old ---------------------------------------------------------------------------------------


def test_news_of_another_life_changes_nothing() -> None:
    fleet = Fleet.of(supervisor(worker("a", readiness=True)))
    fleet.exit("shop/a")
    before = fleet.kernel.dump()
    for old in (
        Exited("shop/a", 1, "signal(9)"),
        Ready("shop/a", 1),
        Started("shop/a", 1),
        StartFailed("shop/a", 2, "late"),
        Exited("shop/nobody", 1, "signal(9)"),
        Tick(),
    ):
        assert fleet.tell(old) == []
        assert fleet.kernel.dump() == before


def test_a_process_that_ends_before_its_start_is_answered_has_failed_to_start() -> None:
    fleet = Fleet.of(supervisor(worker("a")), begin=False)
    fleet.late = True
    fleet.begin()
    actions = fleet.tell(Exited("shop/a", 1, "exit(2)"))
    assert [report.reason for report in reports(actions, "start_error")] == ["exit(2)"]
    assert isinstance(actions[-1], Exit)


# --- a killed supervisor (OTP only) -------------------------------------------------------------------------


def test_a_killed_supervisor_takes_its_workers_along_and_is_replaced_when_they_are_gone() -> None:
    fleet = Fleet.of(supervisor(inner("m", worker("x"), inner("n", worker("y"), worker("z")))))
    fleet.late = True
    actions = fleet.tell(Exited("shop/m", 1, "killed"))
    assert killed(actions) == ["shop/m/x"]
    assert signalled(actions) == ["shop/m/n/z"]
    assert fleet.state("shop/m") == "failed"
    seen = [action for _ in range(9) for action in fleet.deliver()]
    assert started(seen)[0] == "shop/m/x"
    assert fleet.processes.keys() == {"shop/m/x", "shop/m/n/y", "shop/m/n/z"}
    assert fleet.state("shop/m") == "running"


# --- operator's words that meet other things ----------------------------------------------------------------


def test_stop_in_the_middle_of_a_restart_ends_stopped() -> None:
    fleet = Fleet.of(supervisor(worker("a"), worker("b"), strategy=Strategy.ONE_FOR_ALL))
    fleet.on_signal["shop/b"] = STUBBORN
    fleet.exit("shop/a")
    fleet.ask(StopKey("shop/a"))
    fleet.advance(5)
    assert fleet.states() == {"a": "stopped", "b": "running"}


def test_start_takes_back_a_stop_that_waits() -> None:
    fleet = Fleet.of(supervisor(worker("a"), worker("b")))
    fleet.on_signal["shop/b"] = STUBBORN
    fleet.ask(RestartKey("shop/b"))
    fleet.ask(StopKey("shop/a"))
    fleet.ask(StartKey("shop/a"))
    fleet.advance(5)
    assert fleet.states() == {"a": "running", "b": "running"}


def test_a_stop_between_the_stop_and_the_start_of_a_restart_is_obeyed() -> None:
    fleet = Fleet.of(supervisor(worker("a")))
    fleet.on_signal["shop/a"] = STUBBORN
    fleet.ask(RestartKey("shop/a"))
    fleet.ask(StopKey("shop/a"))
    actions = fleet.advance(5)
    assert started(actions) == []
    assert [action.value for action in actions if isinstance(action, Reply)] == [["error", "stopped"], ["ok"]]
    assert fleet.state("shop/a") == "stopped"


def test_a_stopped_child_that_is_asked_for_by_a_call_stays_stopped() -> None:
    fleet = Fleet.of(supervisor(worker("a")))
    fleet.ask(StopKey("shop/a"))
    assert fleet.reply_to(RestartChild("shop", "a")) == ["error", "stopped"]


def test_keys_below_a_supervisor_that_is_down_can_be_stopped_and_held() -> None:
    fleet = Fleet.of(supervisor(inner("pool", worker("a"), worker("b"))))
    fleet.ask(StopKey("shop/pool"))
    assert fleet.reply_to(StopKey("shop/pool/a")) == ["ok"]
    assert fleet.reply_to(HoldKey("shop/pool/b")) == ["ok"]
    assert fleet.reply_to(StopKey("shop/pool/c")) == ["error", "not_found"]
    fleet.ask(StartKey("shop/pool"))
    assert fleet.states() == {"pool": "running", "pool/a": "stopped", "pool/b": "held"}


def test_a_job_can_be_run_again() -> None:
    fleet = Fleet.of(supervisor(worker("job", restart=Restart.TEMPORARY), worker("a")))
    fleet.exit("shop/job", "normal")
    assert fleet.state("shop/job") == "completed"
    assert fleet.reply_to(WhichChildren("shop")) == [["a", "shop/a#1", "worker"]]
    assert fleet.reply_to(StartKey("shop/job")) == ["ok", "shop/job#2"]
    fleet.reload()
    assert fleet.state("shop/job") == "running"
    assert fleet.reply_to(RestartKey("shop/job")) == ["ok", "shop/job#3"]


def test_an_instance_that_is_stopped_stays_known_until_it_is_terminated() -> None:
    fleet = Fleet.of(supervisor(worker("t"), strategy=Strategy.SIMPLE_ONE_FOR_ONE))
    fleet.ask(StartChild("shop", instance="i"))
    fleet.ask(StopKey("shop/i"))
    assert fleet.states() == {"i": "stopped"}
    assert fleet.reply_to(CountChildren("shop")) == [1, 0, 0, 0]
    assert fleet.reply_to(StartKey("shop/i")) == ["ok", "shop/i#2"]
    fleet.ask(TerminateChild("shop", process="shop/i"))
    assert fleet.states() == {}


def test_a_failed_restart_by_an_operator_is_tried_again_like_any_other() -> None:
    fleet = Fleet.of(supervisor(worker("a", backoff=Backoff(1))))
    fleet.on_start["shop/a"] = ["no"]
    assert fleet.reply_to(RestartKey("shop/a")) == ["error", "no"]
    assert fleet.state("shop/a") == "backoff"
    fleet.advance(1)
    assert fleet.state("shop/a") == "running"


# --- the root -----------------------------------------------------------------------------------------------


def test_a_stopped_root_stays_down_through_begin() -> None:
    fleet = Fleet.of(supervisor(worker("a"), on_failure=OnFailure()))
    fleet.ask(StopKey("shop"))
    assert fleet.begin() == []
    fleet.ask(StartKey("shop"))
    assert fleet.state("shop/a") == "running"


def test_a_root_that_ran_well_begins_its_waits_anew() -> None:
    fleet = Fleet.of(supervisor(worker("a"), intensity=0, on_failure=OnFailure(initial=1, factor=2, cap=8)))
    waits = []
    for _ in range(6):
        waits += [report.detail["delay"] for report in reports(fleet.exit("shop/a"), "retry")]
        fleet.advance(waits[-1])
    assert waits == [1, 2, 4, 8, 8, 8]
    fleet.advance(8)
    assert [report.detail["delay"] for report in reports(fleet.exit("shop/a"), "retry")] == [1]


def test_a_held_root_is_not_retried() -> None:
    fleet = Fleet.of(supervisor(worker("a"), intensity=0, on_failure=OnFailure()))
    fleet.ask(HoldKey("shop", 10.0))
    fleet.exit("shop/a")
    assert fleet.state("shop") == "held"
    fleet.advance(10)
    assert fleet.state("shop/a") == "running"


def test_a_stop_during_the_start_is_the_end() -> None:
    fleet = Fleet.of(supervisor(worker("a"), on_failure=OnFailure()), begin=False)
    fleet.late = True
    fleet.begin()
    fleet.stop()
    fleet.tell(StartFailed("shop/a", 1, "no"))
    assert fleet.deadline is None
    assert isinstance(fleet.log[-1], Exit)


# --- states and reports -------------------------------------------------------------------------------------


def test_states_of_a_child_with_readiness() -> None:
    fleet = Fleet.of(supervisor(worker("a", readiness=True)))
    assert changes(fleet.log, "shop/a") == ["starting"]
    assert changes(fleet.ready("shop/a"), "shop/a") == ["running"]
    assert fleet.ready("shop/a") == []


def test_a_supervisor_that_gives_up_names_its_parent_and_its_window() -> None:
    fleet = Fleet.of(supervisor(inner("pool", worker("a"), intensity=0)))
    [report] = reports(fleet.exit("shop/pool/a"), "shutdown")
    assert report.reason == "reached_max_restart_intensity"
    assert report.detail == {"restarts": 1, "intensity": 0, "period": 5, "parent": "shop"}


def test_a_supervisor_with_a_time_limit_is_killed_when_its_children_outlast_it() -> None:

    pool = replace(inner("pool", worker("a", shutdown=60.0)), shutdown=1.0)
    fleet = Fleet.of(supervisor(pool))
    fleet.on_signal["shop/pool/a"] = STUBBORN
    fleet.stop()
    actions = fleet.advance(1)
    assert [(action.key, action.cause) for action in actions if isinstance(action, Kill)] == [
        ("shop/pool/a", "supervisor")
    ]
    assert isinstance(actions[-1], Exit)
    assert not fleet.processes


def test_parallel_stop_in_a_group_restart() -> None:
    children = [worker(name) for name in "abc"]
    fleet = Fleet.of(supervisor(*children, strategy=Strategy.ONE_FOR_ALL, stop=StopOrder.PARALLEL))
    fleet.on_signal.update({"shop/b": STUBBORN, "shop/c": STUBBORN})
    assert signalled(fleet.exit("shop/a")) == ["shop/c", "shop/b"]
    assert started(fleet.advance(5)) == ["shop/a", "shop/b", "shop/c"]


# --- memory -------------------------------------------------------------------------------------------------


def test_incarnations_go_on_whatever_happens() -> None:
    fleet = Fleet.of(supervisor(worker("a")))
    fleet.ask(StartChild("shop", worker("b")))
    fleet.ask(TerminateChild("shop", "b"))
    fleet.ask(DeleteChild("shop", "b"))
    assert fleet.reply_to(StartChild("shop", worker("b"))) == ["ok", "shop/b#2"]
    later = Kernel("shop", fleet.kernel.spec, incarnations=fleet.kernel.incarnations())
    actions, _ = later.handle(Begin(), now=0)
    assert [action.incarnation for action in actions if isinstance(action, State)] == [2, 2]


def test_removed_keys_are_forgotten_past_a_bound_and_no_number_is_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "RETIRED_KEYS", 10)
    template = worker("t", restart=Restart.TEMPORARY)
    fleet = Fleet.of(supervisor(template, strategy=Strategy.SIMPLE_ONE_FOR_ONE))
    for number in [*range(30), 0, 1]:
        fleet.ask(StartChild("shop", instance=str(number)))
        fleet.exit(f"shop/{number}", "normal")
    assert len(fleet.kernel.dump()["retired"]) == 10
    assert fleet.last["shop/0"] > 1


def test_a_dump_of_another_version_is_refused() -> None:
    state = Kernel("shop", supervisor()).dump()
    with pytest.raises(ValueError, match="version 99"):
        Kernel.load({**state, "version": 99})


def test_a_dump_does_not_repeat_the_specification() -> None:
    body = {"command": ["python"], "environment": {"A": "x" * 1000}}
    fleet = Fleet.of(supervisor(*(worker(str(number), body=body) for number in range(50))))
    assert json.dumps(fleet.kernel.dump()).count("xxx" * 100) <= 50 * 4


def test_the_kernel_can_be_printed() -> None:
    fleet = Fleet.of(supervisor(inner("pool", worker("a"))))
    assert repr(fleet.kernel).splitlines() == [
        "<Kernel at 0.0",
        "  shop#1 running",
        "    pool#1 running",
        "      a#1 running>",
    ]


def test_the_kernel_needs_nothing_but_the_standard_library() -> None:
    ours = [name for name in sys.modules if name.startswith("supervision.kernel")]
    assert ours
    for name in ours:
        for value in vars(sys.modules[name]).values():
            module = getattr(value, "__module__", None) or ""
            assert module.partition(".")[0] in {"", "supervision", *sys.stdlib_module_names}


def test_exit_is_told_once() -> None:
    fleet = Fleet.of(supervisor(worker("a")))
    assert [type(action) for action in fleet.tell(StopRoot())].count(Exit) == 1
