"""Two reports of one occurrence: what an SDK told, and what Overstory saw of the same. The SDK's counts, it says more.

They are one where they are of one life (or of one task), within ten seconds by the moments at which they came and not at
which they are digested, of one type, and raised in the same call: function, file and line, as far as both know them. A
traceback has no modules, so these say nothing. Each report of an SDK stands for one of ours.

Whichever is digested first: where it is the SDK's, ours is left out; where it is ours, it is taken back (replacing.py).
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from supervision.errors.event import ErrorEvent, Frame, Raised
from supervision.errors.grouping.frames import is_own_path
from supervision.errors.protocol.reading import read_event
from supervision.errors.store.bodies import unpacked
from supervision.errors.store.models import ErrorEvent as EventRow
from supervision.errors.store.models import ErrorIntake
from supervision.errors.store.seen import TASK_TAG
from supervision.errors.store.sighting_models import ErrorSighting

WITHIN = dt.timedelta(seconds=10)
"""The two are no further apart."""
MOST_LOOKED_AT = 50
WITHOUT_CODE = frozenset({"SyntaxError", "IndentationError", "TabError"})
"""The last call of their tracebacks is none: it is the place in the text that was read."""
Report = tuple[ErrorIntake, ErrorEvent]


@dataclass(frozen=True, slots=True)
class Call:
    """Where something was raised; empty and None where that is not known."""

    function: str = ""
    file: str = ""
    line: int | None = None
    source: str = ""

    def is_like(self, other: "Call") -> bool:
        """The same call, as far as both know."""
        if not self.function or not other.function:
            return True
        if self.function != other.function or (self.file and other.file and self.file != other.file):
            return False
        if self.line is not None and other.line is not None:
            return self.line == other.line
        return not self.source or not other.source or self.source == other.source


@dataclass(frozen=True, slots=True)
class Occurrence:
    """What of a report is compared. `life` is None for what is of no life and of no task."""

    project: int
    life: str | None
    type: str
    call: Call
    at: dt.datetime

    def is_like(self, other: "Occurrence") -> bool:
        return (
            self.life is not None
            and (self.project, self.life, self.type) == (other.project, other.life, other.type)
            and abs(self.at - other.at) <= WITHIN
            and self.call.is_like(other.call)
        )


def occurrence_of(row: ErrorIntake, event: ErrorEvent) -> Occurrence | None:
    """None for what is no exception: nobody else would tell of it."""
    if not event.raised or (is_ours(row) and not event.raised[-1].mechanism):
        return None
    return _occurrence(
        row.project_id, _life(row, event), event.raised[-1], row.received_at, is_text=is_ours(row)
    )


def is_ours(row: ErrorIntake) -> bool:
    return row.kind == ErrorIntake.Kind.SEEN


def _life(row: ErrorIntake, event: ErrorEvent) -> str | None:
    return life_of(row.child, row.incarnation, event.tags.get(TASK_TAG))


def life_of(child: str, incarnation: int | None, task: str | None) -> str | None:
    """A digest: keys may be long."""
    if not task and not child:
        return None
    named = f"task {task}" if task else f"{child}#{incarnation}"
    return hashlib.blake2s(named.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def told_twice(reports: Sequence[Report]) -> tuple[set[int], set[int]]:
    """Places in `reports` of what Overstory saw and an SDK told, among them or stored before; and of those among them that
    told it."""
    ours = _occurrences(reports, [place for place, each in enumerate(reports) if is_ours(each[0])])
    if not ours:
        return set(), set()
    lives = {one.life for one in ours.values()}
    told = _occurrences(
        reports,
        [place for place, each in enumerate(reports) if not is_ours(each[0]) and _life(*each) in lives],
    )
    pairs = paired(ours, told)
    stored = {place for place, one in ours.items() if place not in pairs and _is_stored(reports[place], one)}
    return stored | pairs.keys(), set(pairs.values())


def _occurrences(reports: Sequence[Report], places: Iterable[int]) -> dict[int, Occurrence]:
    found = {place: occurrence_of(*reports[place]) for place in places}
    return {place: one for place, one in found.items() if one is not None}


def paired(some: Mapping[int, Occurrence], others: Mapping[int, Occurrence]) -> dict[int, int]:
    """Which of some is the same as which of the others, each once: those nearest to each other first."""
    alike = [
        (abs(one.at - other.at), place, at)
        for place, one in some.items()
        for at, other in others.items()
        if one.is_like(other)
    ]
    pairs: dict[int, int] = {}
    for _, place, at in sorted(alike):
        if place not in pairs and at not in pairs.values():
            pairs[place] = at
    return pairs


def seen_before(told: Sequence[Report]) -> list[tuple[int, ErrorSighting]]:
    """Places in `told`, reports of SDKs, of which Overstory saw and counted the same before; each with what it saw. One
    query, whose rows are locked."""
    lives = {place: life for place, each in enumerate(told) if (life := _life(*each)) is not None}
    if not lives:
        return []
    rows = ErrorSighting.objects.select_for_update(of=("self",)).filter(
        project__in={row.project_id for row, _ in told}, life__in=set(lives.values())
    )
    sightings = {row.pk: row for row in rows.order_by("id")}
    known = {pk: _of_sighting(row) for pk, row in sightings.items()}
    alive = {one.life for one in known.values()}
    pairs = paired(_occurrences(told, [place for place, life in lives.items() if life in alive]), known)
    return [(place, sightings[pk]) for place, pk in pairs.items()]


def sighting_of(row: ErrorIntake, event: ErrorEvent) -> ErrorSighting | None:
    """What has to be known of what we saw if somebody tells of it later; without its issue. None where nobody would."""
    one = occurrence_of(row, event) if is_ours(row) else None
    if one is None or one.life is None:
        return None
    call = [one.call.function, one.call.file, one.call.line, one.call.source]
    return ErrorSighting(
        project_id=row.project_id,
        event_id=event.event_id,
        life=one.life,
        type=one.type,
        call=call,
        environment=event.environment,
        at=row.received_at,
    )


def _of_sighting(row: ErrorSighting) -> Occurrence:
    function, file, line, source = row.call
    return Occurrence(row.project_id, row.life, row.type, Call(function, file, line, source), row.at)


def _is_stored(ours: Report, one: Occurrence) -> bool:
    row, event = ours
    near = EventRow.objects.filter(
        project_id=row.project_id,
        received_at__range=(row.received_at - WITHIN, row.received_at + WITHIN),
    )
    task = event.tags.get(TASK_TAG)
    of_life = {"child": row.child, "incarnation": row.incarnation}
    near = near.filter(**({"transaction": event.transaction} if task else of_life))
    found = near.order_by("-id")[:MOST_LOOKED_AT]
    return any((other := _of_stored(each)) is not None and one.is_like(other) for each in found)


def _of_stored(row: EventRow) -> Occurrence | None:
    """Of what an SDK told; None for what we saw ourselves."""
    event = read_event(unpacked(row.data))
    if event.is_seen or not event.raised:
        return None
    life = life_of(row.child, row.incarnation, event.tags.get(TASK_TAG))
    return _occurrence(row.project_id, life, event.raised[-1], row.received_at, is_text=False)


def _occurrence(
    project: int, life: str | None, raised: Raised, at: dt.datetime, *, is_text: bool
) -> Occurrence:
    return Occurrence(project, life, raised.type.rpartition(".")[2][:200], _call(raised, is_text=is_text), at)


def _call(raised: Raised, *, is_text: bool) -> Call:
    """The innermost of the program's own calls, by where its file is: what else an SDK says of that a traceback does not."""
    frames: Sequence[Frame] = raised.frames
    if is_text and raised.type in WITHOUT_CODE:
        frames = frames[:-1]
    own = [frame for frame in frames if is_own_path(frame.path)] or list(frames)
    if not own:
        return Call()
    last = own[-1]
    return Call(
        function=last.function.rpartition(".")[2],
        file=PurePosixPath(last.path.replace("\\", "/")).name,
        line=last.line,
        source=" ".join(last.context_line.split()),
    )
