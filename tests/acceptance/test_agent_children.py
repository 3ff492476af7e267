"""Processes that agents start themselves: what becomes of each when kill -9 takes the agent, the node, or everything.

One instance for the whole file, with an agent out of a template and one that is exec'd.
"""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime.relatives import STRAY_GRACE_S
from tests.support.engine import Engine, alive, child, tree
from tests.support.waiting import elapsed, wait_for

PROGRAM = """
import json, os, sys
from pathlib import Path
from overstory.agent import Agent
from overstory.children import ChildExists

FAMILY = ["/bin/sh", "-c", "sleep 3600 & echo $! > $0.new && mv $0.new $0; exec sleep 3600"]

def crawl():
    Path(sys.argv[1]).write_text(json.dumps([sys.argv[2:], os.environ["OWN"], "NOTIFY_SOCKET" in os.environ]))
    return 7

class Keeper(Agent):
    def init(self, arguments):
        self.notes = Path(arguments["notes"])
        if self.incarnation == 1:
            for policy in ("stop", "adopt", "continue"):
                below = self.notes / f"{self.incarnation}.{policy}.below"
                self.spawn_child(policy, [*FAMILY, str(below)], when_agent_dies=policy)
        told = {name: [one.pid, one.is_adopted] for name, one in self.children().items()}
        new = self.notes / f"{self.incarnation}.new"
        new.write_text(json.dumps(told))
        new.rename(self.notes / f"{self.incarnation}.json")

    def run(self):
        self.wait_stopping(3600)

class Caller(Agent):
    def init(self, arguments):
        said = arguments["said"]
        first = self.spawn_child("crawl", crawl, arguments=[said, "a b", "c"], environment={"OWN": "1"})
        held = self.spawn_child("held", ["/bin/sleep", "3600"])
        try:
            self.spawn_child("held", ["/bin/sleep", "3600"])
        except ChildExists:
            twice = "refused"
        ended = first.wait(60)
        stopped = held.stop(60)
        Path(said + ".end").write_text(json.dumps([ended, first.returncode, twice, stopped, held.returncode,
            sorted(self.children())]))

    def run(self):
        self.wait_stopping(3600)
"""
NAMES = ("forked", "execd")


@dataclass(frozen=True, slots=True)
class Family:
    """What the first life of an agent started: (pid, pid of what that started) by policy."""

    stop: tuple[int, int]
    adopt: tuple[int, int]
    continue_: tuple[int, int]


class House:
    """The instance, and where its agents write down what they have."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self.engine, self.directory = engine, directory
        self._trees = 0
        self.tree = ""

    def notes(self, key: str) -> Path:
        return self.directory / self.tree / key.rpartition("/")[2]

    @property
    def keys(self) -> list[str]:
        return [f"{self.tree}/{name}" for name in NAMES]

    def document(self, *names: str) -> dict[str, Any]:
        agents = [
            {
                "id": name,
                "agent": {
                    "entry_point": "keeping:Keeper",
                    "cwd": str(self.directory),
                    "start": "template" if name == "forked" else "exec",
                    "arguments": {"notes": str(self.notes(name))},
                },
            }
            for name in names
        ]
        inner = {"id": "in", "supervisor": {"children": [child("other")]}}
        return tree(self.tree, *agents, inner, intensity=1000, period=1)

    def begin(self) -> dict[str, Family]:
        """Both agents in their first life, with all that they started."""
        self._trees += 1
        self.tree = f"t{self._trees}"  # the lives of a tree that is gone are still counted
        for key in self.keys:
            self.notes(key).mkdir(parents=True)
        self.engine.apply(self.document(*NAMES))
        forked, execd = [self.engine.wait_state(key, "running") for key in self.keys]
        assert forked["started_by"] in ("template", "spare")
        assert execd["started_by"] == "exec"
        return {key: self.family(key) for key in self.keys}

    def family(self, key: str) -> Family:
        def pair(policy: str) -> tuple[int, int]:
            below = wait_for(lambda: (self.notes(key) / f"1.{policy}.below").read_text(), timeout=30)
            return self.had(key, 1)[policy][0], int(below)

        wait_for(lambda: len(list(self.notes(key).glob("1.*.below"))) == 3, timeout=30)
        return Family(pair("stop"), pair("adopt"), pair("continue"))

    def had(self, key: str, incarnation: int) -> dict[str, list[Any]]:
        """What a life had when it began: name -> [pid, whether another life started it]."""
        path = self.notes(key) / f"{incarnation}.json"
        wait_for(path.exists, timeout=60)
        found: dict[str, list[Any]] = json.loads(path.read_text())
        return found

    def shown(self, key: str) -> dict[str, int]:
        return {own["name"]: own["pid"] for own in self.engine.child(key)["own_children"]}

    def records(self, pid: int) -> list[str]:
        own = [r for r in self.engine.records("process") if "own" in r and r["own"]["pid"] == pid]
        return [record["what"] for record in own]

    def end(self) -> None:
        self.engine.call("delete", tree=self.tree)
        wait_for(lambda: self.tree not in self.engine.views(), timeout=60)

    def next_life_has_what_it_should(self, families: dict[str, Family]) -> None:
        """The agents were killed: each policy holds, for the processes and for what these started."""
        for key, family in families.items():
            self.engine.wait_incarnation(key, 1)
            assert [pid for pid in family.stop if alive(pid)] == [], "gone before the next life began"
            assert [pid for pid in (*family.adopt, *family.continue_) if not alive(pid)] == []
            assert self.had(key, 2) == {"adopt": [family.adopt[0], True]}
            wait_for(
                lambda key=key, family=family: (
                    self.shown(key)  # type: ignore[misc]
                    == {"adopt": family.adopt[0], "continue": family.continue_[0]}
                ),
                timeout=30,
                what=f"{key} is shown with what it has: {self.shown(key)}",
            )
        assert self.engine.call("strays")["strays"] == []


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    directory = Path(tmp_path_factory.mktemp("keeping"))
    (directory / "keeping.py").write_text(PROGRAM)
    with Engine() as engine:
        yield House(engine, directory)
    shutil.rmtree(directory, ignore_errors=True)


def kill_agents(house: House) -> None:
    for key in house.keys:
        os.kill(house.engine.child(key)["pid"], signal.SIGKILL)


def all_of(families: dict[str, Family]) -> list[int]:
    return [
        pid
        for family in families.values()
        for pair in (family.stop, family.adopt, family.continue_)
        for pid in pair
    ]


def test_the_policies_hold_when_the_agent_is_killed_and_what_happened_is_on_record(house: House) -> None:
    families = house.begin()
    for key, family in families.items():
        wanted = {"stop": family.stop[0], "adopt": family.adopt[0], "continue": family.continue_[0]}
        wait_for(lambda key=key, wanted=wanted: house.shown(key) == wanted, timeout=30)  # type: ignore[misc]
    kill_agents(house)
    house.next_life_has_what_it_should(families)
    for family in families.values():
        assert house.records(family.stop[0]) == ["started", "ended"]
        wait_for(lambda pid=family.adopt[0]: house.records(pid) == ["started", "kept", "adopted"], timeout=30)  # type: ignore[misc]
        assert house.records(family.continue_[0]) == ["started", "kept"]
    kill_agents(house)  # also the third life has it back
    for key, family in families.items():
        house.engine.wait_incarnation(key, 2)
        assert house.had(key, 3) == {"adopt": [family.adopt[0], True]}
    wait_for(elapsed(STRAY_GRACE_S + 2), timeout=60)
    assert [f for f in families.values() if not all(map(alive, (*f.adopt, *f.continue_)))] == []
    house.end()
    wait_for(lambda: not any(map(alive, all_of(families))), timeout=30)


def test_a_stopped_agent_keeps_what_continues_and_its_supervisor_takes_that_along(house: House) -> None:
    families = house.begin()
    forked, execd = house.keys
    for key in house.keys:
        house.engine.call("stop", key=key)
    for family in families.values():
        wait_for(lambda family=family: not any(map(alive, (*family.stop, *family.adopt))), timeout=30)  # type: ignore[misc]
    wait_for(elapsed(STRAY_GRACE_S + 2), timeout=60)
    assert [f for f in families.values() if not all(map(alive, f.continue_))] == []
    assert house.shown(forked) == {"continue": families[forked].continue_[0]}
    house.engine.call("start", key=forked)
    house.engine.wait_incarnation(forked, 1)
    assert house.had(forked, 2) == {}, "no life gets it back"
    house.engine.apply(house.document("forked"))  # an agent that is removed takes it along
    wait_for(lambda: not any(map(alive, families[execd].continue_)), timeout=30)
    assert all(map(alive, families[house.keys[0]].continue_))
    house.engine.call("stop", key=house.tree)
    wait_for(lambda: not any(map(alive, all_of(families))), timeout=30)
    house.end()


def test_the_policies_hold_when_the_node_is_killed_before_the_agent(house: House) -> None:
    families = house.begin()
    old = house.engine.kill_node()
    wait_for(lambda: house.engine.wait_answer()["pid"] != old, timeout=30)
    assert [pid for pid in all_of(families) if not alive(pid)] == []
    assert set(house.shown(house.keys[0])) == {"stop", "adopt", "continue"}, "the journal knows them"
    kill_agents(house)
    house.next_life_has_what_it_should(families)
    old = house.engine.kill_node()  # and again while what is left hangs on the node itself
    wait_for(lambda: house.engine.wait_answer()["pid"] != old, timeout=30)
    wait_for(elapsed(STRAY_GRACE_S + 2), timeout=60)
    assert [f for f in families.values() if not all(map(alive, (*f.adopt, *f.continue_)))] == []
    assert house.shown(house.keys[0]) == {
        "adopt": families[house.keys[0]].adopt[0],
        "continue": families[house.keys[0]].continue_[0],
    }
    house.end()
    wait_for(lambda: not any(map(alive, all_of(families))), timeout=30)


def test_the_policies_hold_when_agent_and_node_are_killed_together(house: House) -> None:
    families = house.begin()
    pids = [house.engine.child(key)["pid"] for key in house.keys]
    node = house.engine.node_pid()
    os.kill(node, signal.SIGSTOP)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    os.kill(node, signal.SIGKILL)
    wait_for(lambda: house.engine.wait_answer()["pid"] != node, timeout=30)
    house.next_life_has_what_it_should(families)
    house.end()
    wait_for(lambda: not any(map(alive, all_of(families))), timeout=30)


def test_the_policies_hold_when_everything_is_killed_at_once(house: House) -> None:
    families = house.begin()
    pids = [house.engine.child(key)["pid"] for key in house.keys]
    node, guardian = house.engine.node_pid(), house.engine.guardian_pid()
    assert guardian is not None
    for pid in (guardian, node, *pids):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(map(alive, (guardian, node, *pids))), timeout=10)
    house.engine.start()
    house.next_life_has_what_it_should(families)
    house.end()
    wait_for(lambda: not any(map(alive, all_of(families))), timeout=30)


def test_a_child_that_nobody_was_told_of_is_known_by_its_mark(house: House) -> None:
    """The agent is killed in the moment after the start, as far as the node can see: it hears nothing of its gateway."""
    gateway = next(h["pid"] for h in house.engine.call("status")["helpers"] if h["name"] == "gateway")
    os.kill(gateway, signal.SIGSTOP)
    families = house.begin()
    assert house.shown(house.keys[0]) == {}
    kill_agents(house)
    for key, family in families.items():
        wait_for(
            lambda key=key, family=family: (
                house.shown(key)  # type: ignore[misc]
                == {"adopt": family.adopt[0], "continue": family.continue_[0]}
            ),
            timeout=30,
        )
        wait_for(lambda family=family: not any(map(alive, family.stop)), timeout=30)  # type: ignore[misc]
    os.kill(gateway, signal.SIGKILL)  # another one answers the question that waits
    house.next_life_has_what_it_should(families)
    house.end()
    wait_for(lambda: not any(map(alive, all_of(families))), timeout=30)


def test_a_function_runs_in_an_interpreter_of_its_own_and_how_it_ended_is_known(house: House) -> None:
    said = house.directory / "said"
    section = {"entry_point": "keeping:Caller", "cwd": str(house.directory), "arguments": {"said": str(said)}}
    house.engine.apply(tree("call", {"id": "a", "agent": section}))
    house.engine.wait_state("call/a", "running", timeout=60)
    assert json.loads(said.read_text()) == [["a b", "c"], "1", False]
    ended, status, twice, stopped, killed, left = json.loads((house.directory / "said.end").read_text())
    assert (ended, status, twice, stopped, killed, left) == (True, 7, "refused", True, -signal.SIGTERM, [])
    house.engine.call("delete", tree="call")
