"""Whom a custodian asks about: whom it heard of, who is silent, and everybody once words of the node were missed."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from overstory.celery.custodian import Custodian
from overstory.celery.holder import Holder
from overstory.celery.registry import Row
from overstory.channel import Push

NOW = 100.0
OWN, OTHER = Holder("n1", "shop/a", 1, 10), Holder("n2", "shop/b", 1, 11)


class Proof:
    """Knows who is dead, and who was asked about."""

    def __init__(self, *dead: Holder) -> None:
        self.dead, self.asked = set(dead), list[set[Holder]]()

    def ended(self, suspects: Mapping[Holder, Row | None]) -> set[Holder]:
        self.asked.append(set(suspects))
        return self.dead & suspects.keys()


class Work:
    """As much of a custodian's work in the broker as is asked for; it is its own registry, recovery and outcomes."""

    def __init__(self) -> None:
        self.rows = {OWN: row(10), OTHER: row(11)}
        self.taken, self.adopted = list[Holder](), list[Holder]()
        self.registry = self.recovery = self.outcomes = self

    def all(self) -> dict[Holder, Row]:
        return dict(self.rows)

    def now(self) -> float:
        return NOW

    def strangers(self, _rows: Mapping[Holder, Row]) -> list[Holder]:
        return []

    def held_by(self, _holder: Holder) -> list[str]:
        return ["tag"]

    def take_from(self, holder: Holder, _tags: list[str]) -> Iterator[Any]:
        self.taken.append(holder)
        return iter(())

    def buries(self, _holder: Holder, *, by: Holder) -> bool:
        return by == OWN

    def adopt(self, holder: Holder) -> None:
        self.adopted.append(holder)

    def forget(self, holder: Holder) -> None:
        del self.rows[holder]


def row(pid: int, at: float = NOW) -> Row:
    return Row("another host", pid, 1, "w", ["celery"], at=at)


@pytest.fixture
def custodian() -> Iterator[Custodian]:
    made = Custodian(None, None, OWN, None, has_broker=True)
    yield made
    os.close(made._watch._event)


def look(custodian: Custodian, work: Any, proof: Proof) -> None:
    custodian._proof = proof
    custodian._dead_holders(work)


def test_nobody_is_asked_about_while_all_are_heard_of(custodian: Custodian) -> None:
    work, proof = Work(), Proof(OTHER)
    look(custodian, work, proof)
    assert (proof.asked, work.taken) == ([], [])


def test_everybody_is_asked_about_once_when_words_of_the_node_may_have_been_missed(
    custodian: Custodian,
) -> None:
    work, proof = Work(), Proof()
    custodian._on_ended(Push("ended", {}, resync=True))
    look(custodian, work, proof)
    look(custodian, work, proof)
    assert proof.asked == [{OTHER}], "never about itself, and once"
    assert work.taken == []


def test_what_died_in_the_meantime_is_taken_from_and_buried(custodian: Custodian) -> None:
    work = Work()
    custodian._on_ended(Push("ended", {}, resync=True))
    look(custodian, work, Proof(OTHER))
    assert (work.taken, work.adopted) == ([OTHER], [OTHER])
    assert work.rows.keys() == {OWN}


def test_who_is_silent_is_asked_about_each_time_until_it_is_known(custodian: Custodian) -> None:
    work, proof = Work(), Proof()
    work.rows[OTHER] = row(11, at=NOW - 10)
    look(custodian, work, proof)
    look(custodian, work, proof)
    assert proof.asked == [{OTHER}, {OTHER}]


def test_the_nodes_word_needs_no_proof(custodian: Custodian) -> None:
    work, proof = Work(), Proof()
    custodian._on_ended(Push("ended", {"node": "n2", "key": "shop/b", "incarnation": 1}))
    look(custodian, work, proof)
    assert (proof.asked, work.taken) == ([], [OTHER])
