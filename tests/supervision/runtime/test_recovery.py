"""Recovery: the journal cut anywhere gives the state its node was in, and snapshots say the same as records."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervision.kernel import Kernel
from supervision.kernel.events import (
    Apply,
    Begin,
    Call,
    HoldKey,
    ReleaseKey,
    Request,
    RestartKey,
    StartChild,
    StartKey,
    StopKey,
    StopRoot,
)
from supervision.kernel.spec import ChildSpec, OnFailure, Strategy, SupervisorSpec
from supervision.runtime.desired import DesiredTree
from supervision.runtime.journal_reader import read
from supervision.runtime.recovery import NEVER_BEGUN, Recovered, RecoveredTree, from_snapshot, recover
from supervision.runtime.snapshot import tree_of
from supervision.runtime.treedoc import parse_tree
from tests.supervision.kernel.strategies import ALL, REASONS, trees
from tests.supervision.runtime.journaled_tree import JournaledTree

SPEC = SupervisorSpec(
    intensity=3,
    period=5,
    strategy=Strategy.ONE_FOR_ALL,
    on_failure=OnFailure(),
    children=(
        ChildSpec("a", body={"v": 1}),
        ChildSpec("b", readiness=True, body={"v": 1}),
        ChildSpec("c", depends_on=("b",), body={"v": 1}),
    ),
)
DOCUMENT = {
    "version": 1,
    "tree": "t",
    "supervisor": {"children": [{"id": "a", "process": {"command": ["x"]}}]},
}


def applied(name: str = "t", revision: int = 1, document: dict[str, Any] | None = None) -> dict[str, Any]:
    """A record of an applied tree, as the node writes it."""
    return {
        "k": "tree", "seq": revision, "t": 10.0, "b": 1.0, "what": "applied", "tree": name, "revision": revision,
        "digest": "d", "message": "", "document": document or {**DOCUMENT, "tree": name},
    }  # fmt: skip


def known(spec: SupervisorSpec) -> Recovered:
    """What is known before the first step: the tree, not begun. Its document does not matter here."""
    recovered = Recovered()
    recovered.trees["t"] = RecoveredTree("t", Kernel("t", spec), 1, "d", "", 0.0, {})
    return recovered


class Watched(JournaledTree):
    """Keeps what its node would know after each record."""

    def __init__(self, directory: str, spec: SupervisorSpec) -> None:
        super().__init__(directory, spec)
        self.directory = directory
        self.states: dict[int, dict[str, Any]] = {}
        append = self.journal.append

        def watched(kind: str, body: Mapping[str, Any]) -> int:
            seq = append(kind, body)
            self.states[seq] = {"kernel": plain(self.kernel.dump())}
            return seq

        self.journal.append = watched  # type: ignore[method-assign]

    def facts(self) -> dict[str, Any]:
        runner = self.runner
        return {
            "kernel": plain(self.kernel.dump()), "since": {**runner.since}, "last_exit": plain(runner.last_exit),
            "ended": plain(runner.ended), "alive": {**self.driver.alive},
        }  # fmt: skip

    def snapshot(self) -> dict[str, Any]:
        """As the node takes it."""
        revision = DesiredTree("t", 1, "d", "", 0.0, {})
        alive = self.driver.alive.items()
        return {
            "version": 1, "boot_id": "boot", "stopped_cleanly": False, "incarnations": {}, "adopted_strays": {},
            "unconfirmed": {}, "trees": {"t": tree_of(self.runner, revision)},
            "processes": {key: {"incarnation": number, "pid": 1} for key, number in alive},
        }  # fmt: skip

    def records(self) -> list[Mapping[str, Any]]:
        return list(read(self.directory))


def plain(value: Any) -> Any:
    """As it reads back from JSON."""
    return json.loads(json.dumps(value))


def rounded(times: Mapping[str, float]) -> dict[str, float]:
    """Records hold microseconds."""
    return {key: round(at, 6) for key, at in times.items()}


def same(recovered: Recovered, facts: Mapping[str, Any]) -> None:
    tree = recovered.trees["t"]
    assert plain(tree.kernel.dump()) == facts["kernel"]
    assert rounded(tree.since) == rounded(facts["since"])
    assert plain(tree.last_exit) == facts["last_exit"]
    assert plain(tree.ended) == facts["ended"]
    assert {key: process.incarnation for key, process in recovered.processes.items()} == facts["alive"]
    assert recovered.problems == []


def happen(tree: Watched, draw: st.DataObject, revisions: list[SupervisorSpec]) -> None:
    """One thing that happens to a tree at work."""
    keys = [view.key for view in tree.kernel.children()]
    pools = [v.key for v in tree.kernel.children() if v.spec.supervisor and v.spec.supervisor.is_simple]
    key = draw.draw(st.sampled_from(keys), label="key")
    what = draw.draw(
        st.sampled_from(("exit", "exit", "ready", "refuse", "later", "later", "ask", "ask", "begin", "stop")),
        label="what",
    )
    alive = sorted(tree.driver.alive)
    if what == "exit" and alive:
        tree.driver.end(draw.draw(st.sampled_from(alive)), draw.draw(st.sampled_from(REASONS)))
    elif what == "ready" and alive:
        one = draw.draw(st.sampled_from(alive))
        tree.runner.ready(one, tree.driver.alive[one])
    elif what == "refuse":
        tree.driver.refuse = {key: "start_failed(no)"} if draw.draw(st.booleans()) else {}
        tree.driver.obedient = draw.draw(st.booleans())
    elif what == "later":
        tree.clock.jump(draw.draw(st.sampled_from((0.25, 1.0, 6.0, 70.0))))
        tree.turn(3)
    elif what == "begin":
        tree.runner.feed(Begin())
    elif what == "stop":
        tree.runner.feed(StopRoot())
    elif what == "ask":
        until = draw.draw(st.sampled_from((None, 1.0, 3.0)), label="until")
        requests: list[Request] = [StopKey(key), StartKey(key), RestartKey(key), ReleaseKey(key)]
        requests += [HoldKey(key, None if until is None else tree.clock.boot() + until)]
        requests += [StartChild(pool, instance="i") for pool in pools]
        requests += [Apply(revision) for revision in revisions]
        tree.runner.feed(Call("ref", draw.draw(st.sampled_from(requests))))
    tree.turn(2)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(spec=trees(ALL), revisions=st.lists(trees(ALL), max_size=2), data=st.data())
def test_the_journal_cut_after_any_record_gives_the_kernel_as_it_was_then(
    spec: SupervisorSpec, revisions: list[SupervisorSpec], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        tree = Watched(directory, spec)
        tree.runner.feed(Begin())
        snapshots: list[tuple[int, dict[str, Any]]] = []
        for _ in range(data.draw(st.integers(5, 20))):
            happen(tree, data, revisions)
            if tree.runner.idle and data.draw(st.booleans()):
                snapshots.append((tree.journal.next_seq - 1, plain(tree.snapshot())))
        tree.turn(5)
        records, facts = tree.records(), tree.facts()
        tree.close()
    # every prefix, by one pass over the records
    recovered = known(spec)
    for record in records:
        recovered.apply(record)
        assert plain(recovered.trees["t"].kernel.dump()) == tree.states[record["seq"]]["kernel"], record
    same(recovered, facts)
    # from a snapshot in the middle, the same end
    for seq, snapshot in snapshots:
        later = [record for record in records if record["seq"] > seq]
        same(recover(snapshot, later), facts)


def test_a_hold_that_expires_while_its_child_runs_is_over_for_the_next_node_too(tmp_path: Path) -> None:
    """Nothing is done when it expires; had that not been recorded, a successor would decide the next exit differently."""
    tree = Watched(str(tmp_path), SPEC)
    tree.runner.feed(Begin())
    tree.runner.feed(Call("r", HoldKey("t/a", tree.clock.boot() + 1)))
    tree.clock.jump(2)
    tree.turn(2)
    tree.driver.end("t/a", "exit(1)")
    tree.turn(2)
    recovered = known(SPEC)
    for record in tree.records():
        recovered.apply(record)
    same(recovered, tree.facts())
    assert "t/a" in tree.driver.alive
    tree.close()


def test_a_start_that_was_decided_and_not_confirmed_is_known_until_its_answer_is_on_record(
    tmp_path: Path,
) -> None:
    tree = Watched(str(tmp_path), SPEC)
    tree.runner.feed(Begin())
    records = tree.records()
    tree.close()
    recovered = known(SPEC)
    recovered.apply(records[0])
    assert recovered.unconfirmed == {"t/a": (1, records[0]["b"])}
    assert not recovered.processes
    recovered.apply(records[1])
    assert set(recovered.unconfirmed) == {"t/b"}
    assert recovered.processes["t/a"].pid == 1001
    assert recovered.processes["t/a"].inode == 10010


def test_what_was_asked_to_stop_and_what_was_killed_are_known(tmp_path: Path) -> None:
    tree = Watched(str(tmp_path), SPEC)
    tree.driver.obedient = False
    tree.runner.feed(Begin())
    tree.runner.ready("t/b", 1)
    tree.runner.feed(Call("r", StopKey("t/a")))
    recovered = known(SPEC)
    for record in tree.records():
        recovered.apply(record)
    assert (recovered.processes["t/a"].asked, recovered.processes["t/b"].asked) == (True, False)
    assert recovered.processes["t/b"].ready
    assert recovered.processes["t/a"].killed_for is None
    tree.clock.jump(6)
    tree.turn()
    kill = next(record for record in tree.records() if any(a[0] == "kill" for a in record["actions"]))
    recovered.apply(kill)
    assert recovered.processes["t/a"].killed_for == "timeout"
    tree.close()


STEP = {"k": "step", "seq": 9, "t": 1.0, "b": 1.0, "now": 1.0, "event": ["begin"], "actions": []}


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({**STEP, "tree": "nobody"}, "KeyError"),
        ({**STEP, "tree": "t", "event": ["no_such_event"]}, "9 (step)"),
        ({**STEP, "tree": "t", "event": []}, "9 (step)"),
        ({**STEP, "tree": "t", "event": ["exited", "t/a"]}, "9 (step)"),
        ({**STEP, "tree": "t"}, "decides differently"),
        ({"k": "step", "seq": 9}, "KeyError: 'tree'"),
        ({"k": "tree", "seq": 9, "what": "applied", "tree": "u", "document": {"tree": "u"}}, "9 (tree)"),
        ({"k": "process", "seq": 9, "identities": [[1]]}, "9 (process)"),
        ({"k": "stray", "seq": 9, "what": "adopted"}, "9 (stray)"),
    ],
    ids=range(9),
)
def test_a_record_that_cannot_be_repeated_is_named_and_the_others_count(
    record: dict[str, Any], words: str
) -> None:
    recovered = recover(None, [applied("t"), record, applied("u")])
    assert len(recovered.problems) == 1
    assert words in recovered.problems[0]
    assert "9" in recovered.problems[0]
    assert set(recovered.trees) == {"t", "u"}


def test_records_of_kinds_that_are_not_known_are_passed_over() -> None:
    later = {"k": "weather", "seq": 7, "t": 1.0, "b": 1.0, "what": "rain"}
    recovered = recover(None, [applied("t"), later, {"k": "command", "seq": 8}])
    assert recovered.problems == []


def test_an_applied_tree_is_known_before_its_first_step_and_begun_by_the_next_node() -> None:
    tree = recover(None, [applied("t")]).trees["t"]
    assert (tree.ended, tree.revision, tree.unapplied) == (NEVER_BEGUN, 1, False)
    assert tree.kernel.spec == parse_tree(DOCUMENT).spec


def test_a_revision_that_its_kernel_has_not_heard_of_is_marked_until_it_has() -> None:
    """Killed between the record of the revision and that of the step: the next node applies it."""
    changed = {**DOCUMENT, "supervisor": {"children": []}}
    recovered = recover(None, [applied("t"), applied("t", 2, changed)])
    tree = recovered.trees["t"]
    assert (tree.revision, tree.unapplied) == (2, True)
    assert tree.kernel.spec != parse_tree(changed).spec
    event = Call("r", Apply(parse_tree(changed).spec))
    actions, _ = kernel_of(DOCUMENT).handle(event, now=1.0)
    recovered.apply(
        {**STEP, "tree": "t", "event": event.to_json(), "actions": [action.to_json() for action in actions]}
    )
    assert not recovered.trees["t"].unapplied
    assert recovered.trees["t"].kernel.spec == parse_tree(changed).spec


def kernel_of(document: dict[str, Any]) -> Kernel:
    return Kernel("t", parse_tree(document).spec)


def test_a_removed_tree_leaves_its_numbers_so_that_none_is_used_twice() -> None:
    recovered = recover(None, [applied("t")])
    recovered.apply({**STEP, "tree": "t", "actions": begin_actions()})
    assert recovered.problems == []
    recovered.apply({"k": "tree", "seq": 3, "what": "removing", "tree": "t"})
    assert recovered.removing == {"t"}
    recovered.apply({"k": "tree", "seq": 4, "what": "removed", "tree": "t"})
    assert (recovered.trees, recovered.removing) == ({}, set())
    assert recovered.incarnations["t"]["t/a"] == 1
    recovered.apply(applied("t", 1))
    assert recovered.trees["t"].kernel.incarnations()["t/a"] == 1


def begin_actions() -> list[Any]:
    actions, _ = kernel_of(DOCUMENT).handle(Begin(), now=1.0)
    return [action.to_json() for action in actions]


def test_a_clean_stop_is_known_and_what_had_not_its_turn_at_the_next_start_is_begun_by_the_node_after() -> (
    None
):
    recovered = recover(None, [applied("t")])
    recovered.trees["t"].ended = "shutdown"
    assert recovered.stopped_cleanly
    recovered.apply({"k": "node", "seq": 1, "what": "started", "boot_id": "b", "guardian_pid": 7})
    assert not recovered.stopped_cleanly
    assert (recovered.boot_id, recovered.guardian_pid) == ("b", 7)
    assert recovered.trees["t"].ended == NEVER_BEGUN
    recovered.trees["t"].ended = "shutdown"
    recovered.apply({"k": "node", "seq": 2, "what": "started", "boot_id": "b", "guardian_pid": 7})
    assert recovered.trees["t"].ended == "shutdown", "a start after a crash begins nothing that was down"
    recovered.apply({"k": "node", "seq": 3, "what": "stopped"})
    assert recovered.stopped_cleanly


def test_dynamic_children_of_a_clean_stop_are_remembered_until_they_are_added_again() -> None:
    one, two = StartChild("t/pool", instance="one"), StartChild("t/pool", instance="two")
    stop = {"k": "node", "seq": 2, "what": "stopping", "dynamic": {"t": [one.to_json(), two.to_json()]}}
    recovered = recover(None, [applied("t"), plain(stop)])
    assert recovered.returning == {"t": [one, two]}
    asked = {**STEP, "tree": "t", "event": Call("returning", one).to_json()}
    recovered.apply({**plain(asked), "actions": [["reply", "returning", ["exit", "noproc"]]]})
    assert recovered.problems == []
    assert recovered.returning == {"t": [two]}


def test_strays_are_known_with_their_start_time_while_they_live() -> None:
    stray = {"k": "stray", "seq": 1, "t": 1.0, "b": 5.0, "pid": 77, "start_time": 123}
    recovered = recover(None, [{**stray, "what": "found"}])
    assert recovered.strays == {77: (123, 5.0)}
    recovered.apply({**stray, "what": "adopted", "key": "t/a"})
    assert (recovered.strays, recovered.adopted_strays) == ({}, {77: (123, "t/a")})
    recovered.apply({**stray, "what": "ended"})
    assert recovered.adopted_strays == {}


def test_a_snapshot_of_an_older_node_is_read() -> None:
    """It knows neither strays nor removals nor what stage a child is in."""
    body = {
        "version": 1, "boot_id": "b", "stopped_cleanly": False, "incarnations": {}, "adopted_strays": {}, "trees": {},
        "unconfirmed": {"t/b": [2, 5.0]}, "processes": {"t/a": {"incarnation": 1, "pid": 7}},
    }  # fmt: skip
    recovered = from_snapshot(body)
    assert recovered.processes["t/a"].role == "main"
    assert recovered.unconfirmed == {"t/b": (2, 5.0)}
    assert (recovered.removing, recovered.returning, recovered.strays) == (set(), {}, {})
