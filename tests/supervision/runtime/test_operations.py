"""Operations: what each answers, and what it does, on a real node; faults of ours on a stand-in."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from supervision.kernel.events import Begin
from supervision.kernel.spec import ChildSpec, SupervisorSpec
from supervision.runtime.client import ControlClient
from supervision.runtime.client import ControlError as RefusedError
from supervision.runtime.control import ControlError
from supervision.runtime.log import Log
from supervision.runtime.operations import Operations
from tests.supervision.runtime.asking import ask, sent
from tests.supervision.runtime.journaled_tree import JournaledTree
from tests.support.engine import Engine, alive, child, python, tree
from tests.support.waiting import wait_for

TREE = tree(
    "t",
    child("a"),
    child("b"),
    {"id": "sub", "supervisor": {"children": [child("c")]}},
    {"id": "pool", "supervisor": {"strategy": "simple_one_for_one", "children": [child("job")]}},
)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as made:
        made.apply(TREE, message="first")
        made.wait_state("t/sub/c", "running")
        yield made


# -- reading --------------------------------------------------------------------------------------------------------------


def test_status_says_who_answers_and_how_it_is(engine: Engine) -> None:
    status = engine.call("status")
    assert (status["node_id"], status["pid"]) == (engine.node_id(), engine.node_pid())
    assert status["guardian_pid"] == engine.guardian_pid()
    assert (status["trees"], status["strays"], status["stopping"]) == (1, 0, False)
    assert status["on_guardian_death"] == "promote"
    assert status["journal_seq"] >= len(engine.records()) - 1 > 0
    assert status["journal_room"] > 0
    assert {helper["name"] for helper in status["helpers"]} == {"rotator", "checkers", "sampler", "gateway"}


def test_tree_answers_all_trees_or_the_one_of_a_name_or_of_a_key(engine: Engine) -> None:
    engine.apply(tree("u", child("x")))
    for args, names in (({}, ["t", "u"]), ({"tree": "u"}, ["u"]), ({"key": "t/sub/c"}, ["t"])):
        assert [one["name"] for one in engine.call("tree", **args)["trees"]] == names
    engine.call("delete", tree="u")


def test_spec_answers_the_document_as_it_was_applied(engine: Engine) -> None:
    spec = engine.call("spec", tree="t")
    assert (spec["name"], spec["message"]) == ("t", "first")
    again = engine.call("plan", spec=spec["document"])
    assert (again["digest"], again["changes"]) == (spec["digest"], 0)
    with pytest.raises(RefusedError, match="no tree 'nobody'"):
        engine.call("spec", tree="nobody")


def test_no_answer_no_record_and_no_file_holds_a_secret(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("hunter2-file\n")
    ours = {
        "OVERSTORY_SECRET_TOKEN": "hunter2-env",
        "DATABASE_URL": "postgres://hunter2",
        "SECRET_KEY": "hunter2-key",
    }
    out = tmp_path / "out"
    environment = {"A": {"secret": "TOKEN"}, "B": {"secret_file": str(secret)}}
    code = python(
        f"import json, os, time; open({str(out)!r} + '.new', 'w').write(json.dumps(dict(os.environ)))\n"
        f"os.rename({str(out)!r} + '.new', {str(out)!r}); time.sleep(3600)"
    )
    with Engine(environment=ours) as engine:
        engine.apply(tree("t", child("a", code, process={"environment": environment}), child("b")))
        wait_for(out.exists, timeout=30)
        assert "hunter2-env" in out.read_text()
        assert "hunter2-file" in out.read_text()
        assert "hunter2-key" not in out.read_text()
        assert "postgres://" not in out.read_text()
        engine.call("restart", key="t/a")
        answers = [engine.call("spec", tree="t"), engine.call("tree"), engine.call("status")]
        assert answers[0]["document"]["supervisor"]["children"][0]["process"]["environment"] == environment
        assert "hunter2" not in str(answers)
        engine.kill_node()
        engine.wait_answer()
        files = [path for path in engine.data_dir.rglob("*") if path.is_file()]
        assert {"a.json", "t.json"} & {path.name for path in files}
        for path in files:
            assert b"hunter2" not in path.read_bytes(), path
            assert path.stat().st_mode & 0o077 == 0 or path.name in ("node.toml", "stderr"), path
        for path in [engine.data_dir, *engine.data_dir.rglob("*")]:
            assert not path.is_dir() or path.stat().st_mode & 0o077 == 0, path
        view = engine.child("t/b")
        mine = Path(f"/proc/{view['pid']}/environ").read_bytes()
        assert b"hunter2" not in mine


# -- changing -------------------------------------------------------------------------------------------------------------


def test_stop_and_start_and_restart_answer_when_done(engine: Engine) -> None:
    before = engine.wait_state("t/a", "running")
    engine.call("stop", key="t/a")
    assert not alive(before["pid"])
    view = engine.child("t/a")
    assert (view["state"], view["wanted"], view["last_exit"]["reason"]) == ("stopped", "down", "shutdown")
    engine.call("start", key="t/a")
    again = engine.child("t/a")
    assert (again["state"], again["incarnation"]) == ("running", before["incarnation"] + 1)
    engine.call("restart", key="t/a")
    assert engine.child("t/a")["incarnation"] == before["incarnation"] + 2
    assert engine.child("t/a")["restarts"] == before["restarts"]


def test_recycling_gives_a_fresh_life_that_is_not_counted_and_has_its_reason_on_record(
    engine: Engine,
) -> None:
    before = engine.wait_state("t/b", "running")
    engine.call("recycle", key="t/b", why="memory: 2 GiB", incarnation=before["incarnation"])
    after = engine.wait_state("t/b", "running", incarnation=before["incarnation"] + 1)
    assert after["restarts"] == before["restarts"]
    assert not alive(before["pid"])
    told = [
        action
        for record in engine.records()
        if record["k"] == "step"
        for action in record["actions"]
        if action[0] == "report" and action[1] == "recycled"
    ]
    assert told[-1][2:5] == ["t", "b", "memory: 2 GiB"]
    with pytest.raises(RefusedError, match="has ended already"):
        engine.call("recycle", key="t/b", incarnation=before["incarnation"])
    with pytest.raises(RefusedError, match="a supervisor is not recycled"):
        engine.call("recycle", key="t/sub")


def test_who_stands_in_while_another_is_recycled_goes_without_a_trace(engine: Engine) -> None:
    before = engine.wait_state("t/a", "running")
    assert engine.call("recycle", key="t/a", stand_in=True)["stand_in"] is True
    engine.wait_state("t/a", "running", incarnation=before["incarnation"] + 1)
    wait_for(lambda: "t/a@surge" not in engine.views(), timeout=30, what="nobody stands in any more")


def test_a_whole_subtree_is_stopped_and_started_by_its_key(engine: Engine) -> None:
    engine.call("stop", key="t/sub")
    assert engine.child("t/sub")["state"] == "stopped"
    assert engine.child("t/sub/c")["pid"] is None
    engine.call("start", key="t/sub")
    engine.wait_state("t/sub/c", "running")


def test_signal_reaches_the_process_and_nobody_else(engine: Engine) -> None:
    view = engine.wait_state("t/b", "running")
    answer = engine.call("signal", key="t/b", signal="SIGKILL")
    assert answer == {"key": "t/b", "pid": view["pid"], "signal": "SIGKILL"}
    assert engine.wait_incarnation("t/b", view["incarnation"])["last_exit"]["reason"] == "signal(9)"
    engine.call("stop", key="t/b")
    with pytest.raises(RefusedError, match="t/b has no process"):
        engine.call("signal", key="t/b", signal=15)
    engine.call("start", key="t/b")


def test_a_hold_is_shown_with_its_end_and_released(engine: Engine) -> None:
    engine.call("hold", key="t/a", seconds=1000)
    view = engine.child("t/a")
    assert view["held"]
    assert 900 < view["held_until"] - engine.call("status")["now"] <= 1000
    engine.call("release", key="t/a")
    assert not engine.child("t/a")["held"]


def test_children_are_added_and_removed_while_their_supervisor_works(engine: Engine) -> None:
    engine.call("start_child", supervisor="t/pool", instance="one")
    engine.call("start_child", supervisor="t/sub", child=child("extra"))
    pids = [engine.wait_state(key, "running")["pid"] for key in ("t/pool/one", "t/sub/extra")]
    with pytest.raises(RefusedError) as refused:
        engine.call("start_child", supervisor="t/sub", child=child("extra"))
    assert refused.value.code == "conflict"
    with pytest.raises(RefusedError, match="one child at a time"):
        engine.call("start_child", supervisor="t/sub", child=child("more", instances=2))
    engine.call("delete_child", key="t/pool/one")
    engine.call("delete_child", key="t/sub/extra")
    assert not any(alive(pid) for pid in pids)
    assert not {"t/pool/one", "t/sub/extra"} & set(engine.views())


def test_every_change_is_on_record_with_who_asked_before_it_is_done(engine: Engine) -> None:
    engine.call("stop", key="t/sub/c")
    engine.call("start", key="t/sub/c")
    records = engine.records()
    start = next(record for record in reversed(records) if record["k"] == "command")
    assert (start["op"], start["args"]) == ("start", {"key": "t/sub/c"})
    assert (start["uid"], start["pid"]) == (os.getuid(), os.getpid())
    step = next(record for record in records if record["seq"] > start["seq"] and record["k"] == "step")
    assert step["event"][0] == "call"


def test_applying_the_same_again_changes_nothing_and_says_so(engine: Engine) -> None:
    before = engine.views()
    revision = engine.call("spec", tree="t")["revision"]
    answer = engine.apply(TREE, message="again")
    assert (answer["changes"], answer["revision"]) == (0, revision)
    assert {key: view.get("pid") for key, view in engine.views().items()} == {
        key: view.get("pid") for key, view in before.items()
    }


def test_a_deleted_tree_is_gone_from_the_disk_too(engine: Engine) -> None:
    engine.apply(tree("gone", child("a")))
    assert (engine.paths.desired_dir / "gone.json").exists()
    assert engine.call("delete", tree="gone") == {"tree": "gone", "removed": True}
    assert not (engine.paths.desired_dir / "gone.json").exists()
    assert [r["what"] for r in engine.records("tree") if r["tree"] == "gone"] == [
        "applied",
        "removing",
        "removed",
    ]


def test_shutdown_stops_everything_and_refuses_changes_meanwhile() -> None:
    deaf = python(
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('x', flush=True); time.sleep(99)"
    )
    with Engine() as engine:
        engine.apply(tree("t", child("a", deaf, shutdown="60s")))
        out = engine.paths.logs_dir / "t" / "a" / "1.out"
        wait_for(lambda: out.exists() and out.read_text(), timeout=30)
        pid = engine.child("t/a")["pid"]
        with ControlClient(engine.paths.control_socket) as client:
            assert client.call("shutdown", timeout_s=30) == {"stopping": True}
            wait_for(lambda: client.call("status", timeout_s=30)["stopping"], timeout=30)
            with pytest.raises(RefusedError, match="the node is stopping"):
                client.call("start", key="t/a", timeout_s=30)
            client.call("shutdown", timeout_s=30)
        os.kill(pid, signal.SIGKILL)
        assert engine.guardian is not None
        engine.guardian.wait(timeout=30)


# -- faults of ours -------------------------------------------------------------------------------------------------------


class StandIn:
    """As much of a node as an operation asks for."""

    def __init__(self, directory: Path) -> None:
        spec = SupervisorSpec(intensity=3, period=5, children=(ChildSpec("a"), ChildSpec("b")))
        self.tree = JournaledTree(str(directory / "journal"), spec)
        self.log_file = directory / "log"
        node: Any = SimpleNamespace(
            loop=self.tree.loop, clock=self.tree.clock, journal=self.tree.journal, stopping=False,
            trees=SimpleNamespace(runners={"t": self.tree.runner}, removing=set(), revisions={}),
            fencing=SimpleNamespace(is_down=lambda name: False, fences={}),
            log=Log(str(self.log_file), "node"), identity=SimpleNamespace(node_id="0" * 32),
            driver=SimpleNamespace(runs={}),
        )  # fmt: skip
        self.operations = Operations(node)
        self.tree.runner.on_reply = self.operations.reply
        self.tree.runner.feed(Begin())


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[StandIn]:
    made = StandIn(tmp_path)
    yield made
    made.tree.close()


def test_a_fault_of_ours_in_an_answer_is_told_and_logged_and_ends_nothing(stand_in: StandIn) -> None:
    request = ask("tree")
    with pytest.raises(ControlError) as told:
        stand_in.operations.handle(request)
    assert (told.value.code, told.value.message) == ("internal", "KeyError: 't'")
    assert "Traceback" in stand_in.log_file.read_text()


def test_while_the_disk_is_full_a_change_is_refused_with_that_reason(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(stand_in.tree.journal), "room", 1000)
    monkeypatch.setattr(type(stand_in.tree.journal), "refill", lambda *_, **__: 1000)
    waiting = ask("stop", key="t/a")
    stand_in.operations.handle(waiting)
    assert sent(waiting) == []
    with pytest.raises(ControlError, match="journal full: t waits for room on the disk") as refused:
        stand_in.operations.handle(ask("stop", key="t/b"))
    assert refused.value.code == "unavailable"
    monkeypatch.undo()
    stand_in.tree.clock.jump(1)
    stand_in.tree.turn(2)
    assert sent(waiting) == [{"ok": True, "result": {"key": "t/a", "reply": ["ok"]}}]


def test_an_answer_to_a_call_of_a_dead_node_has_nobody_waiting(stand_in: StandIn) -> None:
    stand_in.operations.reply("0-1-1", ["ok"])
