"""Commands that carry an id: each is carried out once, however often it is asked for, and its outcome is remembered.

A `command` record stands before the deed, an `ended` one with the outcome after it; both name the id. So the next node knows
what the last one was asked, and answers as it would have. What the last node did not come to end is taken from the journal:
a request that no kernel heard was not done and may be asked again; one that a kernel is busy with is answered when it ends;
of anything else nobody can say whether it was done, and it is never done a second time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from supervision.runtime.control import Request
from supervision.runtime.control_wire import ControlError
from supervision.runtime.replies import outcome_of

KEEP = 1000
"""Outcomes that are remembered; the oldest go first."""
REF = "command:"
UNKNOWN = {
    "code": "unknown",
    "message": "the node died while it carried this out; it may have been done, and is not done again",
}
CALLS = frozenset({"start", "stop", "restart", "hold", "release", "start_child", "delete_child"})
"""Operations whose deed is one request to a kernel, which the journal has or has not."""


@dataclass(slots=True)
class Entry:
    """One command. `called`: its kernel heard of it. `outcome`: `{"ok": true, "result"}` or `{"ok": false, "error"}`."""

    op: str
    args: dict[str, Any]
    called: bool = False
    outcome: dict[str, Any] | None = None

    def to_json(self) -> list[Any]:
        return [self.op, self.args, self.called, self.outcome]

    @classmethod
    def from_json(cls, body: Any) -> "Entry":
        op, args, called, outcome = body
        return cls(op, args, called, outcome)


def take_record(entries: dict[str, Entry], record: Mapping[str, Any]) -> None:
    """One `command` record; those without an id change nothing."""
    command_id = record.get("id")
    if command_id is None:
        return
    if record.get("what") == "ended":
        entry = entries.get(command_id)
        if entry is not None:
            entry.outcome = {name: record[name] for name in ("ok", "result", "error") if name in record}
    else:
        entries[command_id] = Entry(record["op"], dict(record["args"]))
        while len(entries) > KEEP:
            del entries[next(iter(entries))]


def take_call(entries: Mapping[str, Entry], ref: str) -> None:
    """A kernel heard a request with this ref."""
    entry = entries.get(ref.removeprefix(REF)) if ref.startswith(REF) else None
    if entry is not None:
        entry.called = True


def take_reply(entries: Mapping[str, Entry], ref: str, value: Any) -> None:
    """A kernel answered it."""
    entry = entries.get(ref.removeprefix(REF)) if ref.startswith(REF) else None
    if entry is not None and entry.outcome is None:
        entry.outcome = outcome_of(value, shown(entry.args))


def shown(args: Mapping[str, Any]) -> dict[str, Any]:
    """Of the arguments, what an answer repeats."""
    return {name: args[name] for name in ("key", "seconds", "supervisor") if name in args}


class Ledger:
    """What is remembered, and who waits for what is under way."""

    def __init__(self, record: Callable[[str, dict[str, Any]], object]) -> None:
        self.entries: dict[str, Entry] = {}
        self._record = record
        self._waiting: dict[str, list[Request]] = {}

    def is_known(self, command_id: str, request: Request) -> bool:
        """Whether it was asked before: then `request` gets the same answer, now or when it is there."""
        entry = self.entries.get(command_id)
        if entry is None:
            return False
        if entry.outcome is None:
            self._waiting.setdefault(command_id, []).append(request)
        else:
            _answer(request, entry.outcome)
        return True

    def begin(self, command_id: str, request: Request, args: dict[str, Any]) -> None:
        """It is on record and about to be carried out; its answer is its outcome."""
        self.entries[command_id] = Entry(request.op, args)
        while len(self.entries) > KEEP:
            del self.entries[next(iter(self.entries))]
        request.on_answer = lambda outcome: self.end(command_id, outcome)

    def end(self, command_id: str, outcome: dict[str, Any]) -> None:
        """How it went, for the journal and for everybody who waits."""
        entry = self.entries.get(command_id)
        if entry is None or entry.outcome is not None:
            return
        entry.outcome = outcome
        self._record("command", {"what": "ended", "id": command_id, **outcome})
        for request in self._waiting.pop(command_id, []):
            _answer(request, outcome)

    def restore(self, entries: Mapping[str, Entry]) -> list[str]:
        """Of a node before this one; the ids whose kernel has still to answer."""
        under_way = []
        self.entries = dict(entries)
        for command_id, entry in entries.items():
            if entry.outcome is not None:
                continue
            if entry.op in CALLS and entry.called:
                under_way.append(command_id)
            elif entry.op in CALLS:
                del self.entries[command_id]
            else:
                self.end(command_id, {"ok": False, "error": UNKNOWN})
        return under_way

    def to_json(self) -> dict[str, Any]:
        return {command_id: entry.to_json() for command_id, entry in self.entries.items()}


def _answer(request: Request, outcome: Mapping[str, Any]) -> None:
    if outcome["ok"]:
        request.answer(outcome.get("result"))
    else:
        error = dict(outcome["error"])
        code, message, pointer = error.pop("code"), error.pop("message"), error.pop("pointer", None)
        request.refuse(ControlError(code, message, pointer, **error))
