"""kill -9 at random moments while checkpointing: a restart always resumes from a whole, newest committed state."""

import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.support.engine import Engine, child, tree
from tests.support.talker import SDK
from tests.support.waiting import wait_for

PROGRAM = Path(__file__).parents[1] / "support/saver_program.py"
SHORT, LONG = 25, 1000


def newest(notes: Path, pid: int) -> int | None:
    """The last count that was acknowledged to process `pid`; None before the first."""
    found = None
    begun = False
    for line in notes.read_text().splitlines():
        word, *numbers = line.split()
        if word == "restored":
            begun = int(numbers[0]) == pid
        elif begun and word == "saved":
            found = int(numbers[0])
    return found


def check(lines: list[str]) -> int:
    """Every life went on from the newest committed state; how many lives."""
    acknowledged, lives = 0, 0
    for line in lines:
        word, *numbers = line.split()
        assert word != "torn", line
        if word == "restored":
            count = int(numbers[1])
            # the one under way when it was killed may be on disk although nobody was told
            assert acknowledged <= count <= acknowledged + 1, f"{count} after {acknowledged}"
            acknowledged, lives = count, lives + 1
        else:
            assert int(numbers[0]) == acknowledged + 1
            acknowledged += 1
    return lives


def has_saved(notes: Path, pid: int) -> bool:
    return notes.exists() and newest(notes, pid) is not None


def kill_one(engine: Engine, notes: Path, number: int, chance: random.Random) -> None:
    """Kill the program at some moment of its saving; each fourth time the gateway too, each twentieth the node."""
    pid = wait_for(lambda: engine.child("t/saver")["pid"], timeout=30)
    wait_for(lambda: has_saved(notes, pid), timeout=30, what=f"a save by {pid}")
    time.sleep(chance.random() * 0.01)  # the moment of the kill
    if number % 4 == 3:
        helpers = {helper["name"]: helper["pid"] for helper in engine.call("status")["helpers"]}
        os.kill(helpers["gateway"], signal.SIGKILL)
    if number % 20 == 19:
        engine.kill_node()
        engine.wait_answer()
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: engine.child("t/saver")["pid"] not in (None, pid), timeout=30)


def kill_while_saving(kills: int, seed: int) -> None:
    chance = random.Random(seed)
    with Engine() as engine:
        notes = engine.data_dir / "notes"
        argv = [sys.executable, "-I", "-S", str(PROGRAM), str(SDK), str(notes)]
        engine.apply(tree("t", child("saver", argv), intensity=100_000, period=1))
        for number in range(kills):
            kill_one(engine, notes, number, chance)
        last = engine.child("t/saver")["pid"]
        wait_for(lambda: has_saved(notes, last), timeout=30)
        assert check(notes.read_text().splitlines()[:-1]) > kills * 0.9


def test_a_restart_resumes_from_a_whole_newest_committed_state() -> None:
    kill_while_saving(SHORT, seed=4)


@pytest.mark.soak
def test_a_restart_resumes_from_a_whole_newest_committed_state_after_1000_kills() -> None:
    kill_while_saving(LONG, seed=44)
