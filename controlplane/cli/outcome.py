"""Did what was asked for come true? Judged from what is, not from what was answered: the node may have been replaced."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from controlplane.cli.treeview import note_of
from controlplane.cli.words import count, listing, printable
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
    """Where the processes that a request concerns stand."""

    total: int
    done: int
    pending: tuple[Child, ...]
    stuck: tuple[Child, ...]
    """Those that will not get there by themselves: failed, held, lost."""

    @property
    def reached(self) -> bool:
        return not self.pending and not self.stuck


def processes_of(member: Member) -> list[Child]:
    """The processes that `member` stands for."""
    return [member] if isinstance(member, Child) else list(member.processes())


def judge(children: Iterable[Child], goal: Goal, *, older: Mapping[str, int] | None = None) -> Judgement:
    """How far `children` are. Under UP a child that an operator stopped is no concern: stopped stays stopped.

    older: incarnations from before a restart; a child that still has its old one is pending however well it runs.
    """
    total = done = 0
    pending: list[Child] = []
    stuck: list[Child] = []
    for child in children:
        if goal is Goal.UP and child.wanted == "down" and child.state != "stopping":
            continue
        total += 1
        if child.state in PENDING[goal] or (older or {}).get(child.key) == child.incarnation:
            pending.append(child)
        elif goal is Goal.UP and child.state not in UP:
            stuck.append(child)
        else:
            done += 1
    return Judgement(total, done, tuple(pending), tuple(stuck))


def progress_words(verdict: Judgement, goal: Goal, *, now: float) -> str:
    """`12 of 20 running; starting: api@3, api@4; backoff: mail (next try in 4s; exit(3))`."""
    parts = [f"{verdict.done} of {verdict.total} {'running' if goal is Goal.UP else 'stopped'}"]
    by_state: dict[str, list[Child]] = {}
    for child in (*verdict.pending, *verdict.stuck):
        by_state.setdefault(child.state, []).append(child)
    for state, children in by_state.items():
        if len(children) > 3:
            parts.append(f"{len(children)} {state}")
            continue
        names = [
            child.id + (f" ({note})" if (note := note_of(child, now=now)) and goal is Goal.UP else "")
            for child in children
        ]
        parts.append(f"{state}: {listing(names)}")
    return printable("; ".join(parts))


def in_the_way(verdict: Judgement, *, now: float) -> list[str]:
    """One line for each process that is not where it should be, and why."""
    lines = []
    for child in (*verdict.stuck, *verdict.pending):
        note = note_of(child, now=now)
        lines.append(f"{child.key}: {child.state}" + (f" ({note})" if note else ""))
    return lines


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


def under(keys: Iterable[str], key: str) -> bool:
    """True when `key` is one of `keys` or stands below one."""
    return any(key == above or key.startswith(above + "/") for above in keys)


def children_words(member: Member) -> str:
    """` with 4 children` for a supervisor that has some, else nothing."""
    if not isinstance(member, Supervisor):
        return ""
    number = sum(1 for _ in member.processes())
    return f" with {count(number, 'child', 'children')}" if number else ""
