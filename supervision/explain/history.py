"""What the journal tells of one tree, searchable by key: ends, the requests before them, decisions, evidence."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from supervision.explain.records import Decision, JournalRecord, Step

DOWN = frozenset({"stopped", "completed", "failed", "lost", "held", "backoff", "waiting"})
"""States in which nothing of a child or supervisor runs."""

SIGNAL_S = 5.0
"""An end so soon after a signal that somebody asked the node to send is told as its effect."""


@dataclass(frozen=True, slots=True)
class Command:
    """What somebody asked of the node."""

    seq: int
    at: float
    uid: int
    pid: int
    op: str
    args: Mapping[str, Any]
    by: str = ""
    """Who asked the control plane, when it passed the request on."""

    def asker(self, who: Callable[[int], str]) -> str:
        """Who asked, in words; `who` names a user by uid."""
        return self.by or who(self.uid)

    def caller(self, who: Callable[[int], str]) -> str:
        """The same with the process, where it was one on the host."""
        return self.by or f"{who(self.uid)} (pid {self.pid})"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found beside an abnormal end: last lines of stderr, and what the machine knew."""

    stderr: tuple[str, ...]
    cause: str


@dataclass(frozen=True, slots=True)
class NodeEvent:
    """Something the node did or met itself."""

    seq: int
    at: float
    what: str
    body: Mapping[str, Any]


@dataclass(slots=True)
class History:
    """Records of one tree (and of the node), oldest first, as far back as they were read."""

    tree: str
    steps: list[Step] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    evidence: dict[tuple[str, int], Evidence] = field(default_factory=dict)
    node: list[NodeEvent] = field(default_factory=list)
    revisions: list[JournalRecord] = field(default_factory=list)

    @classmethod
    def of(cls, records: Iterable[JournalRecord], tree: str) -> "History":
        """Sort what concerns `tree` out of `records`."""
        history = cls(tree)
        for record in records:
            take = _TAKE.get(str(record.get("k")))
            if take is not None:
                take(history, record)
        return history

    # -- ends -------------------------------------------------------------------------------------------------------

    def last_end(self, key: str, *, before: int | None = None) -> Step | None:
        """The step in which the latest life of `key` ended or did not begin; of a supervisor, in which it went down."""
        went_down: Step | None = None
        for step in self._back(before):
            if step.tag in ("exited", "start_failed") and step.key == key:
                return step  # its supervisor may have read of it some steps later only
            if went_down is None and any(
                change.key == key and change.new in DOWN and change.old not in DOWN and change.old is not None
                for change in step.changes()
            ):
                went_down = step
        return went_down

    def ends(self, under: str, *, since: float, until: int) -> list[Step]:
        """Ends of children below `under` from boot time `since` on, up to record `until`, oldest first."""
        found = []
        for step in self._back(until + 1):
            if step.boot < since:
                break
            if step.tag in ("exited", "start_failed") and step.key.startswith(under + "/"):
                found.append(step)
        return found[::-1]

    def asked_to_stop(self, key: str, *, before: int) -> Step | None:
        """The step that signalled or killed the life of `key` that ended in record `before`; None when nobody asked."""
        for step in self._back(before):
            if key in step.acts("signal") or key in step.acts("kill"):
                return step
            if step.key == key and step.tag in ("started", "exited"):
                return None
            if key in step.acts("start"):
                return None
        return None

    def life_began(self, key: str, *, before: int) -> int:
        """Number of the record that started the life of `key` which ran until record `before`; 0 when it is not here."""
        for step in self._back(before):
            if key in step.acts("start") or any(
                one.key == key and one.new == "starting" for one in step.changes()
            ):
                return step.seq
        return 0

    def start_of(self, key: str, *, after: int) -> Step | None:
        """The step after record `after` that started `key` again."""
        return next((step for step in self.steps if step.seq > after and key in step.acts("start")), None)

    # -- decisions --------------------------------------------------------------------------------------------------

    def decision_for(self, key: str, *, upto: int) -> "tuple[Step, Decision | None] | None":
        """The latest decision at or before record `upto` that concerns `key`, of which asking it to stop was a part.

        A stop in order asks one child after the other, each in the step of its predecessor's end, so the decision usually
        stands some steps earlier, but never before the life that it ended. Decision None: a request says it itself (the
        step's event).
        """
        began = self.life_began(key, before=upto)
        for step in self._back(upto + 1):
            if step.seq <= began:
                return None
            for decision in reversed(list(step.decisions(*_ENDING))):
                if _concerns(decision, key):
                    return step, decision
            if step.tag == "stop_root" or _asks_for(step, key):
                return step, None
        return None

    def decisions_about(
        self, key: str, *, since: int, until: int | None = None
    ) -> Iterator[tuple[Step, Decision]]:
        """Decisions about `key` itself in records `since` to `until`, oldest first."""
        for step in self.steps:
            if step.seq < since or (until is not None and step.seq > until):
                continue
            for decision in step.decisions():
                if decision.key == key:
                    yield step, decision

    def about_supervisor(
        self, key: str, kind: str, *, before: int | None = None
    ) -> tuple[Step, Decision] | None:
        """The latest decision of this kind that the supervisor `key` took."""
        for step in self._back(before):
            for decision in step.decisions(kind):
                if decision.supervisor == key:
                    return step, decision
        return None

    def command(self, ops: Iterable[str], key: str, *, before: int | None = None) -> Command | None:
        """Who last asked one of `ops` for `key` or for something above it."""
        wanted = frozenset(ops)
        for command in reversed(self.commands):
            if before is not None and command.seq >= before:
                continue
            if command.op in wanted and _covers(command.args, key):
                return command
        return None

    def signalled(self, key: str, *, before: int) -> Command | None:
        """Who sent a signal to `key` shortly before record `before`, by asking the node."""
        end = next((step for step in reversed(self.steps) if step.seq <= before), None)
        command = self.command(["signal", "reload"], key, before=before)
        return command if command is not None and end is not None and end.at - command.at < SIGNAL_S else None

    def state_of(self, key: str) -> tuple[str, Step] | None:
        """The last state that `key` was seen to take; of one that never left its first state, what put it off."""
        for step in reversed(self.steps):
            for change in reversed(list(step.changes())):
                if change.key == key:
                    return change.new, step
            for decision in step.decisions("waiting", "held"):
                if decision.key == key:
                    return decision.kind, step
        return None

    def changed_keys(self) -> set[str]:
        """Every key whose state changed, or that was put off, within these records."""
        changed = {change.key for step in self.steps for change in step.changes()}
        return changed | {one.key for step in self.steps for one in step.decisions("waiting", "held")}

    def _back(self, before: int | None) -> Iterator[Step]:
        return (step for step in reversed(self.steps) if before is None or step.seq < before)

    # -- reading ----------------------------------------------------------------------------------------------------

    def _take_step(self, record: JournalRecord) -> None:
        if record.get("tree") == self.tree:
            step = Step.of(record)
            if step is not None:
                self.steps.append(step)

    def _take_command(self, record: JournalRecord) -> None:
        if record.get("what") is not None:
            return  # how one went
        args = record.get("args")
        self.commands.append(
            Command(
                int(record["seq"]),
                float(record["t"]),
                int(record.get("uid", -1)),
                int(record.get("pid", 0)),
                str(record.get("op", "")),
                args if isinstance(args, Mapping) else {},
                str(record.get("by") or ""),
            )
        )

    def _take_exit(self, record: JournalRecord) -> None:
        stderr = record.get("stderr")
        self.evidence[str(record.get("key")), int(record.get("incarnation", 0))] = Evidence(
            tuple(str(line) for line in stderr) if isinstance(stderr, list) else (),
            str(record.get("cause") or ""),
        )

    def _take_node(self, record: JournalRecord) -> None:
        self.node.append(
            NodeEvent(int(record["seq"]), float(record["t"]), str(record.get("what", "")), record)
        )

    def _take_tree(self, record: JournalRecord) -> None:
        if record.get("tree") == self.tree:
            self.revisions.append(record)


_TAKE: dict[str, Callable[[History, JournalRecord], None]] = {
    "step": History._take_step,
    "command": History._take_command,
    "exit": History._take_exit,
    "node": History._take_node,
    "tree": History._take_tree,
}


_ENDING = ("restart", "recycle", "shutdown", "auto_shutdown", "escalated")
"""Decisions that make children stop."""


def is_under(above: str, key: str) -> bool:
    """True when `key` is `above` or stands below it."""
    return key == above or key.startswith(above + "/")


def _concerns(decision: Decision, key: str) -> bool:
    if decision.kind == "restart":
        return any(is_under(affected, key) for affected in decision.affected)
    if decision.kind == "recycle":
        return key in (decision.key, decision.detail.get("stand_in"))
    return key.startswith(decision.supervisor + "/") or key == decision.supervisor


def _asks_for(step: Step, key: str) -> bool:
    request = step.request
    if not request:
        return False
    if request[0] == "apply":
        return True
    if request[0] in ("stop", "restart"):
        return is_under(step.key, key)
    if request[0] in ("terminate_child", "delete_child"):
        return is_under(f"{step.key}/{request[2]}", key) if len(request) > 2 else False
    return False


def _covers(args: Mapping[str, Any], key: str) -> bool:
    return any(isinstance(args.get(name), str) and is_under(args[name], key) for name in ("key", "tree"))
