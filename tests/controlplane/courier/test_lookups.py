"""kill -9 of a holder while it is looked up: no lookup on its node finds one whose pidfd was readable when it began."""

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.controlplane.courier.joined import WAIT_S, Joined, joined
from tests.support.database import TestStores
from tests.support.engine import child, tree
from tests.support.talker import SDK
from tests.support.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

PROGRAMS = Path(__file__).parents[2] / "support"
SHORT, LONG, PARTS = 15, 10_000, 20


def program(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-I", "-S", str(PROGRAMS / name), str(SDK), *arguments]


def is_found(notes: Path, pid: int) -> bool:
    return notes.exists() and f"found {pid}\n" in notes.read_text()


def kill_while_looking(host: Joined, kills: int) -> None:
    notes = host.data_dir / "notes"
    host.apply(
        tree(
            "t",
            child("holder", program("holder_program.py", "it")),
            child("looker", program("looker_program.py", "it", str(notes))),
            intensity=100_000,
            period=1,
        )
    )
    for _ in range(kills):
        pid = wait_for(lambda: host.child("t/holder")["pid"], timeout=WAIT_S)
        wait_for(lambda pid=pid: is_found(notes, pid), timeout=WAIT_S, what=host.log()[-2000:])  # type: ignore[misc]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda pid=pid: host.child("t/holder")["pid"] not in (None, pid), timeout=WAIT_S)  # type: ignore[misc]
    said = notes.read_text().splitlines()
    assert not [line for line in said if line.startswith("wrong")]
    assert len([line for line in said if line.startswith("found")]) >= kills
    assert len([line for line in said if line.startswith("looked")]) >= 1, "it looked while they were killed"


def test_no_lookup_finds_one_whose_end_its_node_could_see(stores: TestStores, transactional_db: None) -> None:
    with joined(stores) as host:
        kill_while_looking(host, SHORT)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(PARTS))
def test_no_lookup_finds_one_whose_end_its_node_could_see_in_10000_kills(
    stores: TestStores, transactional_db: None, part: int
) -> None:
    with joined(stores) as host:
        kill_while_looking(host, LONG // PARTS)
