"""Output files that are there before the life that writes them: making two files costs a restart as much as all of its
other system calls together (measured on ext4: 0.15 ms, and 0.4 to 2 ms where many files were removed in the last minutes).

The rotator keeps pairs of empty files in `logs/.spare`. A process that starts opens such a pair, and a moment later, off
the restart path, the node gives both files the names of the incarnation (`settle`), and makes the child's directory where
there is none yet. Where no pair is left, or none was ever made, the process makes its own files; nothing depends on a spare
but the time.

Before its exec the process writes into a slot of `logs/.spare/taken` which incarnation it is, by which pair, and its pid.
So a node that was killed in between leaves enough to its successor: what the files are to be called, and that the start
which it had decided was carried out, also when that process is gone by then. A process that makes its own files writes the
same, with NO_PAIR for the pair. One node at a time takes pairs, one rotator makes them.
"""

import contextlib
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

DIRECTORY = ".spare"
PAIRS = 1024
"""For as many starts at once, as a tree of a thousand children that begins; what goes beyond makes its own files."""
FEW = PAIRS // 2
"""Below this the node looks for new ones whenever it may; above, once they have all been made."""
SLOT_BYTES = 512
NOTE_BYTES = SLOT_BYTES - 40
"""Before it stands the pid, in it perhaps the time at which that process began."""
MADE_AT_ONCE = 128
"""In one round of the rotator in which no child's directory changed."""
MADE_WHEN_BUSY = 8
"""In one of the others: making a file keeps those waiting that children make themselves."""
_LEDGER = "taken"
NO_PAIR = "-"
_OUT, _ERR = "out.", "err."


class Pair(NamedTuple):
    """Two empty files, and where the process that takes them says so. `note` is what it writes behind its pid. Without
    files (`out` and `err` are empty) it says only who it is."""

    out: str
    err: str
    ledger: int
    ledger_path: str
    at: int
    note: str


@dataclass(frozen=True, slots=True)
class Taking:
    """What a process said that took a pair. `start_time`: its own, of one that stood by before (standby.py)."""

    key: str
    incarnation: int
    pid: int
    name: str
    start_time: int | None = None

    def is_by(self, start_time: int, since: int) -> bool:
        """Whether it may be by a process of that start time, where the start was decided at `since`. Both in clock ticks."""
        return start_time == self.start_time if self.start_time is not None else start_time >= since


@dataclass(slots=True)
class _Owed:
    """A pair that has not got its name yet. Not frozen: one is made on the way to each start."""

    name: str
    out: str
    err: str


class SpareFiles:
    """The node's side. Never raises: a spare that cannot be had is one that is not there.

    `make_directory` is called before names are given in that directory; its OSError is a name that cannot be given yet.
    """

    def __init__(
        self, logs_dir: str, make_directory: Callable[[str], object] = lambda directory: None
    ) -> None:
        self._make_directory = make_directory
        self._directory = os.path.join(logs_dir, DIRECTORY)
        self.ledger_path = os.path.join(self._directory, _LEDGER)
        self._ledger = -1
        # Anywhere: what a node before us left there is not written over at once.
        self._slot = int.from_bytes(os.urandom(2), "big")
        self._known: list[str] = []
        self._listed_at = self._changed_at = 0
        """When the directory had last changed, as it was when we listed it, and as it was when we looked last."""
        self._owed: dict[str, _Owed] = {}
        """By the name that the standard output is to have."""

    @property
    def ledger(self) -> int:
        """Descriptor of the file where those that take pairs say so; -1 before there are any."""
        return self._ledger

    @property
    def owed(self) -> int:
        """How many pairs have not got their names yet."""
        return len(self._owed)

    def take(self, key: str, incarnation: int, out: str, err: str) -> Pair | None:
        """A pair that is to become `out` and `err`, for the first process of an incarnation; one without files when there
        are none, None when not even that can be had. Behind one with files `settle` is due."""
        if self._ledger < 0:
            return None
        name = self._known.pop() if self._known else NO_PAIR
        note = f"{name} {incarnation} {key}\n"
        if len(note) > NOTE_BYTES // 4 and len(note.encode("utf-8", "surrogateescape")) > NOTE_BYTES:
            return None
        self._slot = (self._slot + 1) % PAIRS
        at = self._slot * SLOT_BYTES
        if name is NO_PAIR:
            return Pair("", "", self._ledger, self.ledger_path, at, note)
        self._owed[out] = _Owed(name, out, err)
        return Pair(self._path(_OUT, name), self._path(_ERR, name), self._ledger, self.ledger_path, at, note)

    def not_taken(self, out: str) -> None:
        """Whoever started made its own files after all."""
        self._owed.pop(out, None)

    def spoil(self, out: str) -> None:
        """Whoever started may have taken the pair, and is gone: it is nobody's, and no spare any more."""
        owed = self._owed.pop(out, None)
        if owed is None:
            return
        for which in (_ERR, _OUT):
            with contextlib.suppress(OSError):
                os.unlink(self._path(which, owed.name))

    def settle(self, *, at_most: int | None = None) -> bool:
        """Give what was taken its names, `at_most` so many pairs now, and look for new pairs when few are left. Off the
        restart path. False when there is more to do."""
        for owed in list(itertools.islice(self._owed.values(), at_most)):
            del self._owed[owed.out]
            if not self._name(owed):
                self._owed[owed.out] = owed  # behind the others
        self.refresh()
        return not self._owed

    def settle_one(self, out: str) -> None:
        """Give one pair its names now: somebody is about to look for them."""
        owed = self._owed.get(out)
        if owed is not None and self._name(owed):
            del self._owed[out]

    def refresh(self) -> None:
        """Look for new pairs; due each second. Not while names are owed: those pairs are there, and taken. Of a directory
        that is still being filled, or emptied by starts, a listing is worth its milliseconds only when few are left."""
        try:
            if self._ledger < 0:
                os.makedirs(self._directory, mode=0o700, exist_ok=True)
                self._ledger = os.open(self.ledger_path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
                os.ftruncate(self._ledger, PAIRS * SLOT_BYTES)
            if len(self._known) >= PAIRS or self._owed:
                return
            before, self._changed_at = self._changed_at, os.stat(self._directory).st_mtime_ns
            is_news = self._changed_at == before and self._changed_at != self._listed_at
            if len(self._known) < FEW or is_news:
                self._known = pairs_in(self._directory)[:PAIRS]
                self._listed_at = self._changed_at
        except OSError:
            self._known = []

    def takings(self) -> dict[tuple[str, int], Taking]:
        """What processes said that took a pair, by key and incarnation; for a node that takes over."""
        try:
            with open(self.ledger_path, "rb") as file:
                data = file.read()
        except OSError:
            return {}
        slots = (data[at : at + SLOT_BYTES] for at in range(0, len(data), SLOT_BYTES))
        found = [taking for taking in map(_taking, slots) if taking is not None]
        return {(taking.key, taking.incarnation): taking for taking in found}

    def nameless(self) -> frozenset[str]:
        """Names of pairs of which a file is still here: spares, and those that a dead node had no time to name."""
        try:
            files = os.listdir(self._directory)
        except OSError:
            return frozenset()
        return frozenset(name.removeprefix(_OUT).removeprefix(_ERR) for name in files)

    def owe(self, taking: Taking, out: str, err: str) -> None:
        """Do at the next `settle` what a dead node may have left undone."""
        self._owed[out] = _Owed(taking.name, out, err)

    def forget_takings(self) -> None:
        """The journal is new, and its numbers begin again: what was said of old ones would be taken for theirs."""
        with contextlib.suppress(OSError):
            os.truncate(self.ledger_path, 0)

    def close(self) -> None:
        if self._ledger >= 0:
            os.close(self._ledger)
            self._ledger = -1
        self._known = []

    def _name(self, owed: _Owed) -> bool:
        """False while the disk is full: both are tried again."""
        try:
            self._make_directory(os.path.dirname(owed.out))
            for spare, name in (
                (self._path(_OUT, owed.name), owed.out),
                (self._path(_ERR, owed.name), owed.err),
            ):
                _give_name(spare, name)
        except OSError:
            return False
        return True

    def _path(self, which: str, name: str) -> str:
        return f"{self._directory}/{which}{name}"


def _give_name(spare: str, name: str) -> None:
    """Rename what was taken; in the place of a file that an incarnation of that number wrote before a journal was lost.
    Where it cannot have the name (the child's directory was removed meanwhile) it goes: nothing that was taken may be
    taken for a spare. OSError where it may be had later."""
    try:
        os.rename(spare, name)
    except FileNotFoundError:  # it was not there to be taken, or has its name, or there is no place for it
        with contextlib.suppress(FileNotFoundError):
            os.unlink(spare)


def _taking(slot: bytes) -> Taking | None:
    """Of `PID NAME INCARNATION KEY`, or `PID NAME@START INCARNATION KEY`, and a newline; None for a slot that nobody
    used."""
    fields = slot.partition(b"\n")[0].decode("utf-8", "surrogateescape").split(" ", 3)
    if len(fields) != 4 or not (fields[0].isdecimal() and fields[2].isdecimal()):
        return None
    name, _, since = fields[1].partition("@")
    return Taking(fields[3], int(fields[2]), int(fields[0]), name, int(since) if since.isdecimal() else None)


def pairs_in(directory: str) -> list[str]:
    """Names of the pairs that are whole."""
    names = frozenset(os.listdir(directory))
    found = (name.removeprefix(_OUT) for name in names if name.startswith(_OUT))
    return [name for name in found if _ERR + name in names]


def make_pairs(logs_dir: str, *, at_most: int = MADE_AT_ONCE) -> bool:
    """The rotator's side: bring the pairs up to PAIRS, no more than `at_most` of them now. OSError on a full disk. True when
    they were all there.

    A name is never used twice, so that what a dead node's processes said of one stays true.
    """
    directory = os.path.join(logs_dir, DIRECTORY)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    missing = PAIRS - len(pairs_in(directory))
    for _ in range(min(at_most, missing)):
        name = os.urandom(8).hex()
        for which in (_ERR, _OUT):
            path = os.path.join(directory, which + name)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    return missing <= 0
