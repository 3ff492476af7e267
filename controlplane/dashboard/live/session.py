"""One connection, without its socket: messages in, text out, and when to be asked again.

Each subscription has a cursor: the number that the browser will hold once everything sent has arrived. Nothing else is
kept for it. With more than `MAX_UNACKED` frames under way nothing is sent; the frame after that covers all of it.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from controlplane.access.policy import Principal
from controlplane.dashboard.live import messages
from controlplane.dashboard.live.frames import Subscription, SubscriptionError, follows, subscription
from controlplane.dashboard.live.messages import Message, MessageError, read_message
from controlplane.dashboard.live.table import Table
from controlplane.dashboard.live.topics import CHILD_PREFIX, refusal, topic_of, visible_for

MAX_UNACKED = 2
ACK_WITHIN_S = 15.0
HEARD_WITHIN_S = 30.0
URGENT_EVERY_S, CROWDED_EVERY_S = 0.05, 0.15
QUICK_IN_A_ROW = 3
"""Frames of changes of state that are sent as they come; what follows them without a pause is gathered longer. In a fleet
where something changes all the time nobody reads twenty frames a second, and each costs every viewer one."""
BEAT_S = 1.0
SLOW_BEAT_S = 5.0
MAX_CHILD_TOPICS = 4
MAX_ERRORS = 20
"""Messages that could not be understood before the connection is closed."""

LOGIN_AGAIN = 4401
SILENT = 4408


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection with this code."""

    code: int


Output = str | Close


class Source(Protocol):
    """What a session asks of the hub."""

    epoch: str

    def table(self, topic: str, visible: frozenset[str] | None) -> Table: ...
    def frame_text(self, table: Table, wanted: Subscription, a: int) -> str: ...
    def snap_text(self, table: Table, wanted: Subscription) -> str: ...
    def sparks_text(self, ids: Sequence[str], visible: frozenset[str] | None) -> str: ...
    def ages_text(self) -> str: ...
    def hello_text(self, user: str) -> str: ...
    def text(self, body: dict[str, Any]) -> str: ...


@dataclass(slots=True)
class Stream:
    """One subscription. seq None: a snapshot is due. unacked: number and time of sending, oldest first; is_held: there is
    something to send, and too much under way; quick: frames that followed each other without a pause."""

    table: Table
    wanted: Subscription
    seq: int | None
    sent_at: float = float("-inf")
    unacked: deque[tuple[int, float]] = field(default_factory=deque)
    is_held: bool = False
    quick: int = 0

    def sent(self, now: float, *, pause_s: float) -> None:
        """A frame goes out; one after a pause begins a new row."""
        self.quick = self.quick + 1 if now - self.sent_at < pause_s else 0
        self.seq = self.table.seq
        self.sent_at = now
        self.unacked.append((self.table.seq, now))


class Session:
    """Times are seconds since boot. Every method answers what to send now, in order."""

    def __init__(self, source: Source, principal: Principal, *, now: float) -> None:
        self.source = source
        self.principal = principal
        self.streams: dict[str, Stream] = {}
        self.hz = 4.0
        self.heard_at = now
        self.beat_at = now
        self.errors = 0
        self.resyncs = 0
        self.closed = False
        self.wants_turn = False
        """Whether what was heard makes something due before the time that `due` said."""

    def open(self) -> list[Output]:
        return [self.source.hello_text(self.principal.name)]

    # -- what the browser says ---------------------------------------------------------------------------------------

    def receive(self, text: str, *, now: float) -> list[Output]:
        self.heard_at = now
        try:
            message = read_message(text)
        except MessageError as error:
            self.errors += 1
            if self.errors > MAX_ERRORS:
                return self._close(SILENT)
            return [self.source.text({"op": "refused", "t": None, "why": str(error)})]
        return self._answer(message, now)

    def _answer(self, message: Message, now: float) -> list[Output]:
        match message:
            case messages.Sub(topics=topics, hz=hz):
                self.wants_turn = True
                self.hz = hz or self.hz
                return [output for wanted in topics for output in self._subscribe(wanted)]
            case messages.Unsub(topics=names):
                for name in names:
                    self.streams.pop(name, None)
            case messages.Ack(topic=topic, b=b):
                stream = self.streams.get(topic)
                while stream and stream.unacked and stream.unacked[0][0] <= b:
                    stream.unacked.popleft()
                    self.wants_turn |= stream.is_held
            case messages.Rate(hz=hz):
                self.wants_turn = True
                self.hz = hz
                self.beat_at = min(self.beat_at, now + self._beat_s)
            case messages.Sparks(ids=ids):
                return [self.source.sparks_text(ids, visible_for("procs", self.principal))]
            case messages.Beat():
                pass
        return []

    def _subscribe(self, wanted: messages.Wanted) -> list[Output]:
        why = refusal(wanted.topic, self.principal)
        children = sum(name.startswith(CHILD_PREFIX) for name in self.streams if name != wanted.topic)
        if not why and wanted.topic.startswith(CHILD_PREFIX) and children >= MAX_CHILD_TOPICS:
            why = f"at most {MAX_CHILD_TOPICS} children at once"
        if why:
            self.streams.pop(wanted.topic, None)
            return [self.source.text({"op": "refused", "t": wanted.topic, "why": why})]
        visible = visible_for(wanted.topic, self.principal)
        try:
            asked = self._checked(wanted.topic, wanted.cols, wanted.filter, visible)
            table = self.source.table(wanted.topic, visible)
        except SubscriptionError as error:
            body = {"op": "refused", "t": wanted.topic, "part": error.part, "why": str(error)}
            return [self.source.text(body if error.at is None else body | {"at": error.at})]
        before = self.streams.get(wanted.topic)
        same = before is None or before.wanted == asked
        goes_on = same and follows(table, epoch=wanted.epoch, since=wanted.since)
        self.streams[wanted.topic] = Stream(table, asked, wanted.since if goes_on else None)
        if wanted.since is not None and not goes_on:
            self.resyncs += 1
            return [self.source.text({"op": "gone", "t": wanted.topic})] if same else []
        return []

    def _checked(
        self, topic: str, cols: tuple[str, ...] | None, filter_text: str, visible: frozenset[str] | None
    ) -> Subscription:
        known = topic_of(topic)
        return subscription(topic, known.columns if known else (), cols, filter_text, visible)

    # -- what time and the tables say --------------------------------------------------------------------------------

    def due(self, *, now: float) -> tuple[list[Output], float]:
        """What to send at `now`, and when to ask again if nothing happens until then."""
        self.wants_turn = False
        if self.closed:
            return [], float("inf")
        if now - self.heard_at >= HEARD_WITHIN_S:
            return self._close(SILENT), float("inf")
        outputs: list[Output] = []
        again = self.heard_at + HEARD_WITHIN_S
        for stream in self.streams.values():
            if stream.unacked and now - stream.unacked[0][1] >= ACK_WITHIN_S:
                return [*outputs, *self._close(SILENT)], float("inf")
            text, when = self._due(stream, now)
            outputs += [text] if text is not None else []
            again = min(again, when)
        if now >= self.beat_at:
            outputs.append(self.source.ages_text())
            self.beat_at = now + self._beat_s
        return outputs, min(again, self.beat_at)

    def _due(self, stream: Stream, now: float) -> tuple[str | None, float]:
        late = stream.unacked[0][1] + ACK_WITHIN_S if stream.unacked else float("inf")
        table = stream.table
        table.used_at = now
        if stream.seq is None:
            text = self.source.snap_text(table, stream.wanted)
            stream.seq = table.seq
            stream.sent_at = now
            stream.unacked.clear()
            return text, late
        stream.is_held = table.seq != stream.seq and len(stream.unacked) > MAX_UNACKED
        if table.seq == stream.seq or stream.is_held:
            return None, late
        if stream.seq < table.floor:
            self.resyncs += 1
            stream.seq = None
            return self.source.text({"op": "gone", "t": table.topic}), now
        urgent = table.urgent_seq > stream.seq and self.hz >= 1
        soon_s = URGENT_EVERY_S if stream.quick < QUICK_IN_A_ROW else CROWDED_EVERY_S
        when = next_slot(stream.sent_at, soon_s if urgent else 1 / self.hz)
        if now < when:
            return None, min(when, late)
        text = self.source.frame_text(table, stream.wanted, stream.seq)
        stream.sent(now, pause_s=1 / self.hz)
        return text, min(late, now + ACK_WITHIN_S)

    @property
    def _beat_s(self) -> float:
        return BEAT_S if self.hz >= 1 else SLOW_BEAT_S

    # -- who it is ---------------------------------------------------------------------------------------------------

    def authorise(self, principal: Principal | None) -> list[Output]:
        """Who the connection is now, as found by a check; None: nobody any more."""
        if principal is None:
            return self._close(LOGIN_AGAIN)
        self.principal = principal
        outputs: list[Output] = []
        for topic, stream in list(self.streams.items()):
            why = refusal(topic, principal)
            if why:
                del self.streams[topic]
                outputs.append(self.source.text({"op": "unsubbed", "t": topic, "why": why}))
                continue
            visible = visible_for(topic, principal)
            if visible != stream.wanted.visible:
                wanted = self._checked(topic, stream.wanted.cols, stream.wanted.filter, visible)
                self.streams[topic] = Stream(self.source.table(topic, visible), wanted, None)
        return outputs

    def _close(self, code: int) -> list[Output]:
        self.closed = True
        self.streams.clear()
        return [Close(code)]


def next_slot(sent_at: float, every_s: float) -> float:
    """When a frame may follow the one of `sent_at`: in the next slot of `every_s`. Slots are the same for all connections:
    so they send at the same moments and stand at the same numbers."""
    return (sent_at // every_s + 1) * every_s if sent_at > float("-inf") else sent_at
