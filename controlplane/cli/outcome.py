"""Did what was asked for come true? Judged from what is, not from what was answered: the node may have been replaced."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from controlplane.cli.text import printable
from controlplane.cli.treeview import note_of
from supervision.explain.words import count, listing
from supervision.runtime.observed import Child, Member, Observed, Supervisor


class Goal(StrEnum):
    """What a request wants of the processes it concerns."""

    UP = "up"
    DOWN = "down"
    ANY = "any"


PENDING = {
    Goal.UP: frozenset({"waiting", "starting", "stopping", "backoff"}),
    Goal.DOWN: frozenset({"waiting", "starting", "running", "stopping", "backoff", "held"}),
    Goal.ANY: frozenset[str](),
}
UP = frozenset({"running", "completed"})


@dataclass(frozen=True, slots=True)
class Judgement:
    """Where the members that a request concerns stand. `total` and `done` count processes only."""

    total: int
    done: int
    pending: tuple[Member, ...]
    stuck: tuple[Member, ...]
    """Those that will not get there by themselves: failed, held, lost, or below a supervisor that is down."""
    missing: tuple[str, ...] = ()
    """Keys that a revision adds and that are not there yet."""

    @property
    def on_its_way(self) -> bool:
        """Something may still change by itself."""
        return bool(self.pending or self.missing)

    @property
    def reached(self) -> bool:
        return not self.on_its_way and not self.stuck


def concerned(member: Member, goal: Goal) -> Iterator[Member]:
    """`member` and what is below it, as far as `goal` is about it: what an operator stopped stays stopped."""
    stack = [member]
    while stack:
        one = stack.pop()
        if goal is Goal.UP and one.wanted == "down" and one.state != "stopping":
            continue
        yield one
        if isinstance(one, Supervisor):
            stack.extend(reversed(one.children))


def judge(members: Iterable[Member], goal: Goal, *, older: Mapping[str, int] | None = None) -> Judgement:
    """How far they are. older: incarnations from before a restart; what still has its old one is pending even if it runs."""
    total = done = 0
    pending: list[Member] = []
    stuck: list[Member] = []
    for member in members:
        process = isinstance(member, Child)
        total += process
        if member.state in PENDING[goal] or (older or {}).get(member.key) == member.incarnation:
            pending.append(member)
        elif goal is Goal.UP and member.state not in UP:
            stuck.append(member)
        else:
            done += process
    return Judgement(total, done, tuple(pending), tuple(stuck))


def progress_words(verdict: Judgement, goal: Goal, *, now: float) -> str:
    """`12 of 20 running; starting: api@3 and api@4; backoff: mail (next try in 4s; exit(3))`."""
    parts = [f"{verdict.done} of {verdict.total} {'running' if goal is Goal.UP else 'stopped'}"]
    by_state: dict[str, list[Member]] = {}
    for member in (*verdict.pending, *verdict.stuck):
        by_state.setdefault(member.state, []).append(member)
    for state, members in by_state.items():
        if len(members) > 3:
            parts.append(f"{len(members)} {state}")
            continue
        names = [
            one.id + (f" ({note})" if goal is Goal.UP and (note := note_of(one, now=now)) else "")
            for one in members
        ]
        parts.append(f"{state}: {listing(names)}")
    if verdict.missing:
        parts.append(f"{len(verdict.missing)} to come")
    return printable("; ".join(parts))


def in_the_way(verdict: Judgement, observed: Observed, *, now: float) -> list[str]:
    """One line for each member that is not where it should be, and why."""
    lines = []
    for member in (*verdict.stuck, *verdict.pending):
        note = note_of(member, now=now)
        above = _down_above(member.key, observed)
        if above is not None:
            note = f"its supervisor {above.key} is {above.state}"
        lines.append(f"{member.key}: {member.state}" + (f" ({note})" if note else ""))
    return lines


def _down_above(key: str, observed: Observed) -> Member | None:
    """The nearest supervisor above `key` that does not run."""
    parts = key.split("/")
    for n in range(len(parts) - 1, 0, -1):
        above = observed.find("/".join(parts[:n]))
        if above is not None and above.state != "running":
            return above
    return None


@dataclass(frozen=True, slots=True)
class Seen:
    """What was or is known of one supervisor or child, for before and after."""

    state: str
    incarnation: int
    pid: int | None
    held: bool

    @classmethod
    def of(cls, member: Member) -> "Seen":
        pid = member.pid if isinstance(member, Child) else None
        return cls(member.state, member.incarnation, pid, member.held)

    def to_json(self) -> dict[str, object]:
        return {"state": self.state, "incarnation": self.incarnation, "pid": self.pid, "held": self.held}


def seen_of(observed: Observed) -> dict[str, Seen]:
    """Every key's `Seen`."""
    return {member.key: Seen.of(member) for member in observed.walk()}


def everything_of(member: Member) -> list[Member]:
    """`member` and all that is below it."""
    return [member] if isinstance(member, Child) else list(member.walk())


def under(keys: Iterable[str], key: str) -> bool:
    """True when `key` is one of `keys` or stands below one."""
    return any(key == above or key.startswith(above + "/") for above in keys)


def children_words(member: Member) -> str:
    """` with 4 children` for a supervisor that has some, else nothing."""
    if not isinstance(member, Supervisor):
        return ""
    number = sum(1 for _ in member.processes())
    return f" with {count(number, 'child', 'children')}" if number else ""
