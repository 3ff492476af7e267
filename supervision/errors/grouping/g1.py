"""Algorithm `g1`: from an event to the hashes that make it one issue with others, and why.

What speaks, in this order, the first that there is:

1. the fingerprint that the program itself gave; `{{ default }}` in it stands for what follows;
2. the calls of the program's own code in each exception of the chain, oldest cause first, with the exceptions' types;
3. where none of them is its own code: all calls, and the last exception's message with what varies taken out;
4. where there are no calls: types and that message;
5. the template of a log message, with its logger; 6. a plain message, with what varies taken out.

An exception group is the set of the errors in it; one that holds the same error many times is that error.

An event has two hashes for joining, `app` as said and `system` by all calls, so that a change of what counts as own code
does not part what belonged together; and `callee`, by type and innermost own call only, which suggests merging and never
joins.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from supervision.errors.event import ErrorEvent, Frame, Raised
from supervision.errors.grouping.frames import MAIN, Call, calls, is_in_app
from supervision.errors.grouping.parameters import parameterized

ALGORITHM = "g1"
DEFAULT = "{{ default }}"
BY_RULE = "rule of the server"
HASH_BYTES = 16
MOST_RAISED = 50
"""Of a longer chain the oldest causes are left out."""


@dataclass(frozen=True, slots=True)
class Because:
    """Why an event has its `app` hash: which of the rules above spoke, in words, and the calls by exception and number."""

    rule: str
    parts: tuple[str, ...]
    frames: tuple[tuple[int, int], ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "algorithm": ALGORITHM,
            "rule": self.rule,
            "parts": list(self.parts),
            "frames": [list(each) for each in self.frames],
        }


@dataclass(frozen=True, slots=True)
class Grouping:
    """Hashes as hex. `callee` is None where no call is known."""

    app: str
    system: str
    callee: str | None
    because: Because


@dataclass(frozen=True, slots=True)
class _Spoken:
    """What one way of looking says: the material of a hash, and why."""

    material: Any
    because: Because


def group(event: ErrorEvent, fingerprint: Sequence[str] | None = None) -> Grouping:
    """`fingerprint` is what a rule of the server gave; it stands before nothing but the program's own."""
    app, system = _default(event, own_only=True), _default(event, own_only=False)
    callee = _callee(event)
    given = event.fingerprint or tuple(fingerprint or ())
    if given and not _is_default(given):
        who = BY_RULE
        if event.fingerprint:
            who = "what Overstory saw" if event.is_seen else "fingerprint of the program"
        return Grouping(
            _hash(["fingerprint", [_filled(part, app) for part in given]]),
            _hash(["fingerprint", [_filled(part, system) for part in given]]),
            callee,
            Because(
                who, tuple(given), app.because.frames if any(_asks_default(part) for part in given) else ()
            ),
        )
    return Grouping(_hash(app.material), _hash(system.material), callee, app.because)


def _is_default(given: Sequence[str]) -> bool:
    return len(given) == 1 and _asks_default(given[0])


def _asks_default(part: str) -> bool:
    return part.replace(" ", "") == "{{default}}"


def _filled(part: str, spoken: _Spoken) -> Any:
    return spoken.material if _asks_default(part) else part


def _default(event: ErrorEvent, *, own_only: bool) -> _Spoken:
    raised = event.raised[-MOST_RAISED:]
    if raised:
        members = _members(raised)
        if members:
            return _group_of(members, raised, own_only=own_only)
        return _chain(raised, raised, own_only=own_only)
    if event.template:
        return _Spoken(
            ["template", event.template, event.logger],
            Because("message template", tuple(filter(None, (event.template, event.logger)))),
        )
    message = parameterized(event.message)
    return _Spoken(["message", message], Because("message", (message,)))


def _chain(chain: Sequence[Raised], every: Sequence[Raised], *, own_only: bool) -> _Spoken:
    """The exceptions of `chain`; `every` tells the place of each in the event."""
    seen: list[tuple[Raised, tuple[Call, ...]]] = [
        (raised, calls(frame for frame in raised.frames if not own_only or is_in_app(frame)))
        for raised in chain
    ]
    rule = "calls of the program's own code" if own_only else "all calls"
    value = ""
    if own_only and not any(found for _, found in seen):
        seen = [(raised, calls(raised.frames)) for raised in chain]
        rule, value = (
            "all calls and the message, as none is the program's own",
            parameterized(chain[-1].value),
        )
    if not any(found for _, found in seen):
        rule, value = "type and message, as no call is known", parameterized(chain[-1].value)
    material = ["raised", [[_type(raised), [call.key for call in found]] for raised, found in seen], value]
    parts = [_type(raised) + "".join(f"\n  {call}" for call in found) for raised, found in seen]
    frames = [(_place(every, raised), call.number) for raised, found in seen for call in found]
    return _Spoken(material, Because(rule, (*parts, *([value] if value else [])), tuple(frames)))


def _place(every: Sequence[Raised], raised: Raised) -> int:
    return next(index for index, each in enumerate(every) if each is raised)


def _group_of(members: Sequence[Sequence[Raised]], every: Sequence[Raised], *, own_only: bool) -> _Spoken:
    spoken = {
        _hash(each.material): each for each in (_chain(chain, every, own_only=own_only) for chain in members)
    }
    if len(spoken) == 1:
        (only,) = spoken.values()
        because = only.because
        return _Spoken(
            only.material,
            Because(f"{because.rule}, of the one error in the group", because.parts, because.frames),
        )
    parts = tuple(part for key in sorted(spoken) for part in spoken[key].because.parts)
    frames = tuple(sorted({frame for each in spoken.values() for frame in each.because.frames}))
    return _Spoken(["group", sorted(spoken)], Because("the errors in the group", parts, frames))


def _members(raised: Sequence[Raised]) -> list[list[Raised]]:
    """The errors in exception groups, each with its causes, oldest first; empty where there is no group."""
    if not any(each.is_group for each in raised):
        return []
    by_id = {each.id: each for each in raised if each.id is not None}
    leaves = [
        each
        for each in raised
        if not each.is_group
        and each.parent is not None
        and each.parent in by_id
        and by_id[each.parent].is_group
        and each.source.startswith("exceptions[")
    ]
    return [[*_causes(leaf, raised), leaf] for leaf in leaves]


def _causes(leaf: Raised, raised: Sequence[Raised]) -> list[Raised]:
    found: list[Raised] = []
    now = leaf
    while len(found) < MOST_RAISED:
        cause = next(
            (
                each
                for each in raised
                if each.parent == now.id and each is not now and not each.is_group and now.id is not None
            ),
            None,
        )
        if cause is None or cause in found:
            break
        found.insert(0, cause)
        now = cause
    return found


def innermost(event: ErrorEvent) -> tuple[Raised, Call] | None:
    """The last exception of which a call is known, and the innermost of the program's own calls in it."""
    for raised in reversed(event.raised):
        found = calls(_own_or_all(raised.frames))
        if found:
            return raised, found[-1]
    return None


def _callee(event: ErrorEvent) -> str | None:
    found = innermost(event)
    return None if found is None else _hash(["callee", _type(found[0]), found[1].key])


def _own_or_all(frames: Sequence[Frame]) -> list[Frame]:
    return [frame for frame in frames if is_in_app(frame)] or list(frames)


def _type(raised: Raised) -> str:
    """With its module, where a traceback has it too."""
    named = raised.module if raised.module not in ("builtins", MAIN) else ""
    return f"{named}.{raised.type}" if named else raised.type


def _hash(material: Any) -> str:
    """Any: what JSON can say."""
    text = json.dumps(material, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(f"{ALGORITHM}\0{text}".encode("utf-8", "surrogatepass")).hexdigest()[
        : 2 * HASH_BYTES
    ]
