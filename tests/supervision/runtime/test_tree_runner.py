"""A tree's runner: intent on record before the deed, nothing without a record, slices; journal real, driver in memory."""

import errno
import os
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from supervision.kernel.events import Apply, Begin, Call, HoldKey, StopKey, StopRoot
from supervision.kernel.spec import ChildSpec, StopOrder, Strategy, SupervisorSpec
from supervision.runtime import tree_runner
from supervision.runtime.journal import Journal, JournalFull
from supervision.runtime.journal_reader import read
from supervision.runtime.recovery import NEVER_BEGUN
from supervision.runtime.tree_runner import RETRY_S, SLICE_S
from tests.supervision.runtime.journaled_tree import JournaledTree


def flat(*ids: str, intensity: int = 3, **fields: Any) -> SupervisorSpec:
    return SupervisorSpec(
        intensity=intensity, period=5, children=tuple(ChildSpec(name) for name in ids), **fields
    )


class Disk:
    """Room of the journal, as the test wants it."""

    def __init__(self, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        room, refill = Journal.room, Journal.refill
        monkeypatch.setattr(Journal, "room", property(lambda j: 0 if self.full else room.fget(j)))  # type: ignore[attr-defined]
        monkeypatch.setattr(Journal, "refill", lambda j, need=0: 0 if self.full else refill(j, need))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def tree(directory: Path) -> Iterator[JournaledTree]:
    made = JournaledTree(str(directory), flat("a", "b", "c"))
    yield made
    made.close()


def refuse(*_: object) -> int:
    raise JournalFull("the disk is full")


def steps(directory: Path) -> list[Mapping[str, Any]]:
    return [record for record in read(str(directory)) if record["k"] == "step"]


def test_every_event_is_one_record_with_what_was_decided(tree: JournaledTree, directory: Path) -> None:
    tree.runner.feed(Begin())
    first, second = steps(directory)[:2]
    assert (first["tree"], first["event"]) == ("t", ["begin"])
    assert ["start", "t/a", 1, {}] in first["actions"]
    assert second["event"] == ["started", "t/a", 1, []]
    assert second["process"] == {"pid": 1001, "inode": 10010, "role": "main"}
    assert (second["now"], second["b"]) == (1000.0, 1000.0)


def test_the_intent_is_on_record_before_the_deed(tree: JournaledTree, directory: Path) -> None:
    seen: list[bool] = []
    start = tree.driver.start

    def watched(key: str, incarnation: int, body: Mapping[str, Any]) -> None:
        seen.append(["start", key, incarnation, {}] in steps(directory)[-1]["actions"])
        start(key, incarnation, body)

    tree.driver.start = watched  # type: ignore[method-assign]
    tree.runner.feed(Begin())
    assert seen == [True, True, True]


def test_what_came_of_an_action_is_heard_before_what_happened_elsewhere(
    tree: JournaledTree, directory: Path
) -> None:
    tree.runner.feed(Begin())
    start = tree.driver.start

    def with_a_death_beside(key: str, incarnation: int, body: Mapping[str, Any]) -> None:
        if key == "t/a":
            tree.driver.end("t/c", "exit(1)")
        start(key, incarnation, body)

    tree.driver.start = with_a_death_beside  # type: ignore[method-assign]
    tree.driver.end("t/a", "exit(1)")
    events = [step["event"][:2] for step in steps(directory)][-4:]
    assert events == [["exited", "t/a"], ["started", "t/a"], ["exited", "t/c"], ["started", "t/c"]]


def test_what_is_due_after_a_record_runs_once_it_is_written_and_acted_upon(
    tree: JournaledTree, directory: Path
) -> None:
    tree.runner.feed(Begin())
    done: list[int] = []
    tree.driver.alive.pop("t/a")
    tree.runner.exited("t/a", 1, "exit(1)", lambda: done.append(len(steps(directory))))
    assert done == [len(steps(directory)) - 1], "after its own step, before that of the replacement"


def test_replies_reach_whoever_asked(tree: JournaledTree) -> None:
    tree.runner.feed(Begin())
    tree.runner.feed(Call("ref", StopKey("t/b")))
    assert tree.replies == {"ref": ["ok"]}


def test_a_deadline_is_kept_and_what_comes_of_it_is_on_record(tree: JournaledTree, directory: Path) -> None:
    tree.runner.feed(Begin())
    tree.driver.obedient = False
    tree.runner.feed(Call("ref", StopKey("t/b")))
    tree.clock.jump(4.9)
    tree.turn()
    assert tree.driver.done[-1:] == [("signal", "t/b", 1)]
    tree.clock.jump(0.2)
    tree.turn()
    assert tree.driver.done[-1:] == [("kill", "t/b", 1, "timeout")]
    assert [step["event"][0] for step in steps(directory)][-2:] == ["tick", "exited"]


def test_a_tick_is_on_record_also_when_nothing_is_to_be_done(tree: JournaledTree, directory: Path) -> None:
    """A hold that expires while its child runs changes what the next exit means."""
    tree.runner.feed(Begin())
    tree.runner.feed(Call("ref", HoldKey("t/a", tree.clock.boot() + 1)))
    tree.clock.jump(2)
    tree.turn()
    last = steps(directory)[-1]
    assert (last["event"][0], last["actions"]) == ("tick", [])


def test_pages_know_since_when_and_how_the_last_life_ended(tree: JournaledTree) -> None:
    assert (tree.runner.ended, tree.runner.is_down) == (NEVER_BEGUN, True)
    tree.runner.feed(Begin())
    assert (tree.runner.ended, tree.runner.is_down) == (None, False)
    tree.clock.jump(7)
    tree.driver.end("t/a", "exit(1)")
    at = tree.clock.wall()
    assert tree.runner.since["t/a"] == at
    assert tree.runner.last_exit["t/a"] == {"reason": "exit(1)", "at": at, "incarnation": 1}
    tree.runner.feed(StopRoot())
    tree.turn(3)
    assert (tree.runner.ended, tree.ends) == ("shutdown", ["shutdown"])


# -- a full disk --------------------------------------------------------------------------------------------------------


def test_while_nothing_can_be_recorded_nothing_is_done_and_then_everything_in_order(
    tree: JournaledTree, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tree.journal, monkeypatch)
    tree.runner.feed(Begin())
    done, records = len(tree.driver.done), len(steps(directory))
    disk.full = True
    tree.driver.end("t/b", "exit(1)")
    tree.driver.end("t/a", "signal(9)")
    tree.runner.feed(Call("ref", StopKey("t/c")))
    assert (len(tree.driver.done), len(steps(directory)), tree.replies) == (done, records, {})
    assert (tree.runner.blocked, tree.runner.idle) == (3, False)
    assert tree.changes > 0
    for _ in range(3):
        tree.clock.jump(RETRY_S)
        tree.turn(2)
    assert tree.runner.blocked == 3
    disk.full = False
    tree.clock.jump(RETRY_S)
    tree.turn(4)
    assert (tree.runner.blocked, tree.runner.idle) == (0, True)
    events = [step["event"][:2] for step in steps(directory)][records:]
    assert [event for event in events if event[0] != "started"] == [
        ["exited", "t/b"],
        ["exited", "t/a"],
        ["call", "ref"],
        ["exited", "t/c"],
    ]
    assert tree.replies == {"ref": ["ok"]}
    assert tree.driver.alive == {"t/a": 2, "t/b": 2}


def test_a_deadline_that_passes_while_the_disk_is_full_is_kept_when_there_is_room(
    tree: JournaledTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tree.journal, monkeypatch)
    tree.runner.feed(Begin())
    tree.driver.obedient = False
    tree.runner.feed(Call("ref", StopKey("t/a")))
    disk.full = True
    tree.clock.jump(6)
    tree.turn(3)
    assert ("kill", "t/a", 1, "timeout") not in tree.driver.done
    disk.full = False
    for _ in range(3):
        tree.clock.jump(RETRY_S)
        tree.turn(2)
    assert ("kill", "t/a", 1, "timeout") in tree.driver.done


def test_a_slice_that_was_due_does_not_go_on_while_the_disk_is_full(
    tree: JournaledTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tree.journal, monkeypatch)
    monkeypatch.setattr(tree_runner, "SLICE_S", -1.0)  # one step in each turn
    tree.runner.feed(Begin())
    disk.full = True
    tree.turn(5)
    assert tree.runner.blocked == 1
    assert len(tree.loop._timers) == 1, "one retry, not one for each turn"
    disk.full = False
    tree.clock.jump(RETRY_S)
    tree.turn(10)
    assert set(tree.driver.alive) == {"t/a", "t/b", "t/c"}


def test_a_step_that_stops_every_child_needs_room_for_all_of_them(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Had it none, the journal would refuse after the kernel has moved."""
    many = flat(*(f"c{number}" for number in range(4000)), stop=StopOrder.PARALLEL)
    tree = JournaledTree(str(directory), many)
    tree.runner.feed(Begin())
    while not tree.runner.idle:
        tree.turn()
    asked: list[int] = []

    def refill(_journal: Journal, need: int = 0) -> int:
        asked.append(need)
        return 300_000

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "room", 300_000)
        patch.setattr(Journal, "refill", refill)
        tree.runner.feed(Call("ref", StopKey("t")))
        assert tree.runner.blocked == 1
    tree.clock.jump(RETRY_S)
    tree.turn()
    step = next(record for record in steps(directory) if record["event"][0] == "call")
    assert 300_000 < len(str(step)) <= asked[0]
    tree.close()


def test_a_journal_that_breaks_ends_the_process_that_cannot_go_on(
    tree: JournaledTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    tree.runner.feed(Begin())
    monkeypatch.setattr(tree.journal, "_write", broken)
    with pytest.raises(JournalFull):
        tree.driver.end("t/a", "exit(1)")


# -- slices -------------------------------------------------------------------------------------------------------------


def test_a_start_of_five_thousand_children_lets_the_loop_turn(directory: Path) -> None:
    tree = JournaledTree(str(directory), flat(*(f"c{number}" for number in range(5000))))
    boot = tree.clock.boot
    tree.clock.boot = lambda: boot_after(0.0001)  # type: ignore[method-assign]

    def boot_after(seconds: float) -> float:
        """Looking at the clock takes time here: 0.1 ms."""
        tree.clock.jump(seconds)
        return boot()

    beats: list[float] = []

    def beat() -> None:
        beats.append(boot())
        tree.loop.call_later(0.5, beat)

    beat()
    tree.runner.feed(Begin())
    begun = boot()
    while not tree.runner.idle:
        tree.turn()
        if boot() - begun > 600:
            raise AssertionError("never done")
    assert len(tree.driver.alive) == 5000
    gaps = [later - earlier for earlier, later in pairwise(beats)]
    assert gaps
    assert max(gaps) < 0.5 + 3 * SLICE_S
    tree.close()


def test_what_happens_between_two_slices_waits_for_its_turn(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = JournaledTree(str(directory), flat("a", "b", "c"))
    monkeypatch.setattr(tree_runner, "SLICE_S", -1.0)
    tree.runner.feed(Begin())
    tree.runner.feed(Call("first", StopKey("t/a")))
    tree.runner.feed(Call("second", StopKey("t/b")))
    tree.turn(30)
    calls = [step["event"][1] for step in steps(directory) if step["event"][0] == "call"]
    assert calls == ["first", "second"]
    assert set(tree.driver.alive) == {"t/c"}
    tree.close()


def test_a_stop_goes_through_at_the_first_request_while_nothing_can_be_recorded(
    tree: JournaledTree, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tree.journal, monkeypatch)
    tree.runner.feed(Begin())
    disk.full = True
    monkeypatch.setattr(Journal, "append", refuse)
    tree.driver.end("t/b", "exit(1)")
    started = [done for done in tree.driver.done if done[0] == "start"]
    assert tree.runner.blocked == 1
    tree.runner.feed(StopRoot())
    tree.turn(10)
    assert (tree.runner.is_down, tree.driver.alive) == (True, {})
    assert [done for done in tree.driver.done if done[0] == "start"] == started, (
        "nothing is started unrecorded"
    )


def test_a_stop_is_recorded_where_what_it_writes_still_fits(
    tree: JournaledTree, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(tree.journal, monkeypatch)
    tree.runner.feed(Begin())
    disk.full = True
    # Less room than a step may take, enough for what this one takes.
    monkeypatch.setattr(Journal, "_put", lambda j, line: os.write(j._fd, line))
    tree.runner.feed(StopRoot())
    tree.turn(10)
    assert tree.runner.is_down
    assert not tree.runner.unrecorded
    assert steps(directory)[-1]["actions"][-1] == ["exit", "shutdown"]


def test_the_next_life_of_a_tree_whose_stop_was_not_recorded_waits_for_a_snapshot(
    tree: JournaledTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree.runner.feed(Begin())
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", refuse)
        tree.runner.feed(StopRoot())
        tree.turn(10)
    assert (tree.runner.is_down, tree.runner.unrecorded) == (True, True)
    tree.runner.feed(Begin())
    assert (tree.runner.blocked, tree.driver.alive) == (1, {})
    tree.runner.unrecorded = False  # a snapshot was written
    tree.clock.jump(RETRY_S)
    tree.turn(4)
    assert set(tree.driver.alive) == {"t/a", "t/b", "t/c"}


def test_a_start_under_way_when_the_stop_comes_fails_by_name(
    tree: JournaledTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_runner, "SLICE_S", -1.0)  # one step in each turn
    tree.runner.feed(Begin())
    monkeypatch.setattr(Journal, "append", refuse)
    tree.runner.feed(StopRoot())
    tree.turn(20)
    assert (tree.runner.is_down, tree.driver.alive) == (True, {})


def test_a_closed_runner_keeps_no_timer(tree: JournaledTree, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(tree.journal, monkeypatch)
    tree.runner.feed(Begin())
    tree.driver.obedient = False
    tree.runner.feed(Call("ref", StopKey("t/a")))
    disk.full = True
    tree.driver.end("t/b", "exit(1)")
    tree.runner.close()
    assert all(timer.cancelled for _, _, timer in tree.loop._timers)


def test_a_revision_goes_through_the_same_way(tree: JournaledTree, directory: Path) -> None:
    tree.runner.feed(Begin())
    new = flat("a", "d", strategy=Strategy.REST_FOR_ONE)
    tree.runner.feed(Call("ref", Apply(new)))
    tree.turn(3)
    assert set(tree.driver.alive) == {"t/a", "t/d"}
    assert tree.kernel.spec == new
