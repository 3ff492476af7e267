"""What an operator's request takes down beside the child it names: asked before it is made, of a tree as it was observed.

The kernel's own rules, as statements about sets: a stop or restart reaches what is below (operating.py), an end that nobody
asked for reaches what the strategy restarts with it (OTP supervisor.erl `restart/3`). A property test compares them with
what the kernel does.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from supervision.kernel.actions import ChildState
from supervision.kernel.spec import Strategy

ALIVE = frozenset({ChildState.STARTING, ChildState.RUNNING, ChildState.STOPPING})
"""States in which a process (or a supervisor at work) exists."""


class Deed(StrEnum):
    """What is about to happen to the key."""

    STOP = "stop"
    RESTART = "restart"
    EXIT = "exit"
    """It ends without having been asked to: a signal, or a crash."""


@dataclass(frozen=True, slots=True)
class Member:
    """A child or supervisor as it was observed. strategy: of a supervisor; position: in start order among its siblings."""

    key: str
    parent: str
    position: int
    state: str
    strategy: str = ""

    @property
    def is_supervisor(self) -> bool:
        return bool(self.strategy)


@dataclass(frozen=True, slots=True)
class Affected:
    """Something alive that goes down. why: "itself", "below", or the supervisor's strategy."""

    key: str
    why: str


def blast_radius(members: Iterable[Member], key: str, deed: Deed | str) -> list[Affected]:
    """What is alive and goes down when `deed` happens to `key`, processes and supervisors, in the order in which they are
    stopped. Empty for a key that is not known."""
    known = {member.key: member for member in members}
    target = known.get(key)
    if target is None:
        return []
    below: dict[str, list[Member]] = {}
    for member in known.values():
        below.setdefault(member.parent, []).append(member)
    roots = {key: "itself"}
    if Deed(deed) == Deed.EXIT:
        roots |= {sibling.key: why for sibling, why in _struck(target, known, below)}
    reached: dict[str, str] = {}
    for root in sorted(roots, key=lambda one: known[one].position, reverse=True):
        for member in _inside_out(known[root], below):
            reached[member.key] = roots[root] if member.key == root else "below"
    return [Affected(found, why) for found, why in reached.items() if known[found].state in ALIVE]


def _struck(
    target: Member, known: Mapping[str, Member], below: Mapping[str, list[Member]]
) -> list[tuple[Member, str]]:
    """Siblings that the supervisor restarts with it."""
    supervisor = known.get(target.parent)
    if supervisor is None:
        return []
    siblings = [member for member in below.get(supervisor.key, ()) if member.key != target.key]
    match supervisor.strategy:
        case Strategy.ONE_FOR_ALL:
            struck = siblings
        case Strategy.REST_FOR_ONE:
            struck = [member for member in siblings if member.position > target.position]
        case _:
            struck = []
    return [(member, supervisor.strategy) for member in struck]


def _inside_out(top: Member, below: Mapping[str, list[Member]]) -> list[Member]:
    """`top` and everything below it: the last started first, what is inside before what holds it."""
    order: list[Member] = []
    stack: list[tuple[Member, bool]] = [(top, False)]
    while stack:
        member, opened = stack.pop()
        if opened:
            order.append(member)
            continue
        stack.append((member, True))
        stack += [(child, False) for child in sorted(below.get(member.key, ()), key=lambda one: one.position)]
    return order
