"""What a program says to its node and hears from it, whatever connection it goes over. No socket, no thread and no clock in
here; the channel's lock is held around every call.

What was not acknowledged or answered when a connection ends is said again on the next one.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import __version__, _wire
from ._counters import Counters
from ._outbox import Outbox
from ._outgoing import Outgoing
from ._pushes import Pushes

FULL_RETRY_S = 1.0
"""After the node's disk had no room."""
MAX_OUTGOING = 256 * 1024
"""Unsent bytes past which events stay in the outbox."""


@dataclass(slots=True)
class Question:
    """Something asked that has no answer yet."""

    line: bytes
    answer: dict[str, Any] | None = None


class Conversation:
    """One stream of events, and everything that is said beside it. Times are of the monotonic clock."""

    def __init__(self) -> None:
        self.stream = os.urandom(16).hex()
        self.outbox = Outbox()
        self.outgoing = Outgoing()
        self.pushes = Pushes()
        self.counters = Counters()
        self.gauges: dict[str, float] = {}
        self.standing: dict[str, bytes] = {}
        """By name, what is said anew on each connection."""
        self.questions: dict[int, Question] = {}
        self.paused_until = 0.0
        self._last_id = 0

    # -- out --------------------------------------------------------------------------------------------------------

    def add_event(self, text: bytes, *, telemetry: bool = False) -> None:
        """`text`: an encoded object, which gets its number in front."""
        number = self.outbox.next_number
        self.outbox.add(b'{"n":%d,' % number + text[1:], telemetry=telemetry)

    def ask(self, op: str, fields: Mapping[str, Any], payload: bytes = b"") -> tuple[int, Question]:
        """A question, by the number to forget it by."""
        self._last_id += 1
        size = {"bytes": len(payload)} if payload else {}
        question = Question(_wire.encode({"op": op, "id": self._last_id, **fields, **size}) + payload)
        self.questions[self._last_id] = question
        return self._last_id, question

    def hello(self) -> bytes:
        return _wire.encode({"op": "hello", "v": _wire.VERSION, "stream": self.stream, "sdk": __version__})

    def refill(self, now: float) -> None:
        """Put into `outgoing` what is to be sent next."""
        if self.gauges:
            self.outgoing.add(_wire.encode({"op": "gauges", "values": self.gauges}))
            self.gauges = {}
        if self.counters.due is not None and now >= self.counters.due:
            self.outgoing.add(self.counters.line())
        if now < self.paused_until:
            return
        while len(self.outgoing) < MAX_OUTGOING:
            line = self.outbox.next_unsent()
            if line is None:
                return
            self.outgoing.add(line)

    def due(self, *, connected: bool) -> float | None:
        """When events may follow again, or counters are to be sent; None for nothing."""
        counters = self.counters.due if connected and not self.outgoing else None
        return min((at for at in (self.paused_until or None, counters) if at is not None), default=None)

    def resume(self, now: float) -> None:
        """Events follow again, once the node's disk had its time."""
        if self.paused_until and now >= self.paused_until:
            self.paused_until = 0.0
            self.outbox.rewind()
            self.outgoing.add(_wire.encode({"op": "resume"}))

    # -- in ---------------------------------------------------------------------------------------------------------

    def greeted(self, hello: Mapping[str, Any]) -> None:
        """The node knows us: everything that it lacks, in order; what was asked; what we want to hear."""
        self.outbox.acknowledge(int(hello["last"]))
        self.outbox.rewind()
        self.paused_until = 0.0
        self._say_dropped()
        for line in (*self.pushes.lines(), *self.standing.values(), *self.counters.lines()):
            self.outgoing.add(line)
        for question in self.questions.values():
            self.outgoing.add(question.line)

    def take(self, message: dict[str, Any], now: float) -> bool:
        """Anything but a hello; whether it is what somebody may wait for. WireError: the node refuses to talk."""
        match message["op"]:
            case "acked":
                self.outbox.acknowledge(int(message["n"]))
                self._say_dropped()
                return not self.outbox
            case "answer":
                question = self.questions.get(int(message["id"]))
                if question is not None:
                    question.answer = message
                return question is not None
            case "push":
                self.pushes.take(message)
            case "event_refused":  # the node's disk is full: events wait here, everything else goes on
                self.paused_until = now + FULL_RETRY_S
            case "refused":
                raise _wire.WireError(str(message.get("message", "refused")))
        return False

    def lost(self) -> None:
        """The connection is gone."""
        self.outgoing.clear()
        self.paused_until = 0.0

    def _say_dropped(self) -> None:
        """Once there is room again, so that saying it drops nothing more."""
        dropped = self.outbox.take_dropped() if self.outbox.has_room else None
        if dropped is not None:
            body = {"events": dropped.events, "telemetry": dropped.telemetry}
            self.add_event(_wire.encode({"op": "event", "kind": "sdk.dropped", "body": body}))
