"""Fifty processes want one name, through a real gateway and a real courier: one has it, the others know who."""

import fcntl
import os
import signal
import sys
from pathlib import Path

import pytest

from agents.registry.models import Registration
from supervision.runtime.clock import SystemClock
from tests.controlplane.courier.joined import WAIT_S, Joined, joined
from tests.support.database import TestStores
from tests.support.engine import child, tree
from tests.support.talker import SDK
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

PROGRAM = Path(__file__).parents[2] / "support/racer_program.py"
RACERS = 50
LEASE_S = 30.0
"""What a host is given before its trees may run elsewhere is less; a name of a dead process is free long before."""


def lines(notes: Path, word: str) -> list[list[str]]:
    text = notes.read_text() if notes.exists() else ""
    return [line.split()[1:] for line in text.splitlines() if line.split()[0] == word]


def race(host: Joined, number: int) -> None:
    gate, notes = host.data_dir / f"gate{number}", host.data_dir / f"notes{number}"
    name = f"one{number}"
    argv = [sys.executable, "-I", "-S", str(PROGRAM), str(SDK), name, str(gate), str(notes)]
    with gate.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        host.apply(tree(f"race{number}", child("racer", argv, instances=RACERS), intensity=1000))
        wait_for(
            lambda: len(lines(notes, "ready")) == RACERS, timeout=WAIT_S * 3, what="all stand at the gate"
        )
    wait_for(lambda: len(lines(notes, "told")) == RACERS - 1, timeout=WAIT_S, what="49 were told")
    [[winner, epoch]] = {tuple(line) for line in lines(notes, "won")}
    assert {holder for _, holder in lines(notes, "told")} == {winner}, "each was told who holds it"
    assert len({loser for loser, _ in lines(notes, "told")} | {winner}) == RACERS
    [row] = Registration.objects.filter(key=name)
    assert (row.child, row.incarnation, str(row.epoch)) == (winner, 1, epoch)

    Path(f"{gate}.again").touch()
    began = SystemClock().boot()
    os.kill(host.child(winner)["pid"], signal.SIGKILL)
    wait_for(
        lambda: {w for w, _ in lines(notes, "won")} - {winner},
        timeout=LEASE_S,
        what="another one has the name",
    )
    assert SystemClock().boot() - began < LEASE_S
    [row] = Registration.objects.filter(key=name)
    assert row.child != winner
    assert row.epoch > int(epoch)
    assert len({w for w, _ in lines(notes, "won")}) == 2, "one after the other, never two"
    host.call("delete", tree=f"race{number}")


def test_of_50_processes_one_has_the_name_49_know_who_and_its_death_frees_it(
    stores: TestStores, transactional_db: None
) -> None:
    with joined(stores) as host:
        race(host, 1)


@pytest.mark.soak
def test_of_50_processes_one_has_the_name_in_each_of_20_races(
    stores: TestStores, transactional_db: None
) -> None:
    with joined(stores) as host:
        for number in range(20):
            race(host, number)
