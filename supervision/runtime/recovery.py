"""What the journal says: kernels as they were, processes that should be alive, starts that were never confirmed.

Pure apart from reading records: `recover(snapshot, records)` repeats every step since the newest snapshot through the
kernels and keeps the facts that stand beside them. Comparing the result with the machine is adoption's work.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from supervision.kernel import Kernel
from supervision.kernel.actions import Action, Exit, Kill, Reply, Signal, Start, State
from supervision.kernel.events import (
    Apply,
    Call,
    Exited,
    Ready,
    StartChild,
    Started,
    StartFailed,
    event_from_json,
)
from supervision.runtime.carrying import Carry
from supervision.runtime.evidence import NORMAL_ENDS
from supervision.runtime.fencing import Fence
from supervision.runtime.ledger import Entry, take_call, take_record, take_reply
from supervision.runtime.own_children import OwnChild
from supervision.runtime.treedoc import parse_tree

FORKING = "forking"
"""Stage of an incarnation that is announced and has no process yet: its template forks it later."""
NEVER_BEGUN = "not started"
"""`ended` of a tree whose root was never started."""


@dataclass(slots=True)
class RecoveredProcess:
    """One incarnation that was started and whose end is not on record."""

    key: str
    incarnation: int
    pid: int
    inode: int | None = None
    start_time: int | None = None
    asked: bool = False
    killed_for: str | None = None
    ready: bool = False
    role: str = "main"
    job: int = 0
    """Which of the commands before or after the main process, where it is one of them."""
    reason: str | None = None
    """How the main process ended, once its post_stop commands run."""


@dataclass(slots=True)
class RecoveredTree:
    """One tree: its kernel and the facts of its revision."""

    name: str
    kernel: Kernel
    revision: int
    digest: str
    message: str
    applied_at: float
    document: dict[str, Any]
    since: dict[str, float] = field(default_factory=dict)
    last_exit: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: Any = NEVER_BEGUN
    origin: str = "local"
    epoch: int = 0
    fence: bool = False
    unapplied: bool = False
    """The document is on record as applied, and its kernel has not heard of it."""


@dataclass(slots=True)
class Recovered:
    """Everything a new node has to know."""

    trees: dict[str, RecoveredTree] = field(default_factory=dict)
    processes: dict[str, RecoveredProcess] = field(default_factory=dict)
    unconfirmed: dict[str, tuple[int, float]] = field(default_factory=dict)
    """key -> (incarnation, boot time of the intent) of starts without a process; the kernel may have heard of it."""
    incarnations: dict[str, dict[str, int]] = field(default_factory=dict)
    """Of trees that were removed: the last number of each key, so that none is used again."""
    adopted_strays: dict[int, tuple[int, str]] = field(default_factory=dict)
    """pid -> (start time, key) of strays that an operator gave to a child."""
    strays: dict[int, tuple[int, float]] = field(default_factory=dict)
    """pid -> (start time, boot clock) of strays that were announced."""
    own_children: dict[int, OwnChild] = field(default_factory=dict)
    """By pid, what agents said they started and what lives on without them."""
    helpers: set[int] = field(default_factory=set)
    """Pids of the dead node's helpers."""
    removing: set[str] = field(default_factory=set)
    """Trees that are on their way out."""
    returning: dict[str, list[StartChild]] = field(default_factory=dict)
    """Dynamic children by tree that went with a clean stop, and are added again when their supervisor is at work."""
    interrupted: set[str] = field(default_factory=set)
    """Trees that a stop of everything took down, or was about to, when it did not come to its end."""
    fences: dict[str, Fence] = field(default_factory=dict)
    """Trees that run under a lease."""
    commands: dict[str, Entry] = field(default_factory=dict)
    """What was asked under an id, and how it went."""
    local_seq: int = 0
    """The last record of a tree that was applied or deleted here and not by the store."""
    unproven: dict[tuple[str, int], str] = field(default_factory=dict)
    """(key, incarnation) -> reason of abnormal ends since the snapshot whose evidence the dead node had no time to write."""
    boot_id: str | None = None
    guardian_pid: int | None = None
    stopped_cleanly: bool = True
    problems: list[str] = field(default_factory=list)

    def apply(self, record: Mapping[str, Any]) -> None:
        """Take one record into account; a record that cannot be repeated is named in `problems`."""
        kind = record["k"]
        try:
            if kind == "step":
                self._step(record)
            elif kind == "process" and "own" in record:
                self._own_child(record["own"], record["what"])
            elif kind == "process" and "config" not in record:
                self._identities(record)
            elif kind == "tree":
                self._tree(record)
            elif kind == "stray":
                self._stray(record)
            elif kind == "exit":
                self.unproven.pop((record["key"], record["incarnation"]), None)
            elif kind == "node":
                self._node(record)
            elif kind == "command":
                take_record(self.commands, record)
        except (KeyError, ValueError, TypeError, IndexError) as error:
            self.problems.append(f"record {record.get('seq')} ({kind}): {type(error).__name__}: {error}")

    def _node(self, record: Mapping[str, Any]) -> None:
        if record.get("what") == "started":
            self.helpers.clear()
            self.boot_id = record.get("boot_id", self.boot_id)
            self.guardian_pid = record.get("guardian_pid")
            if self.stopped_cleanly:
                self._await_begin(self.trees)
            elif not record.get("stopping"):
                self._await_begin(self.interrupted)
                self.interrupted.clear()
            self.stopped_cleanly = False
        elif record.get("what") == "helper":
            self.helpers.add(record["pid"])
        elif record.get("what") == "stopping":
            self.interrupted |= {name for name, tree in self.trees.items() if tree.ended is None}
            for name, children in record.get("dynamic", {}).items():
                self.returning[name] = [_start_child(child) for child in children]
        elif record.get("what") == "stopped":
            self.stopped_cleanly = True
            self.interrupted.clear()

    def _await_begin(self, names: Iterable[str]) -> None:
        """A clean start begins every tree, the system tree first; what had not its turn yet is begun by the next node."""
        for name in names:
            if name in self.trees and self.trees[name].ended is not None:
                self.trees[name].ended = NEVER_BEGUN

    def _tree(self, record: Mapping[str, Any]) -> None:
        name = record["tree"]
        if record["what"] in ("applied", "removing") and record.get("origin", "local") == "local":
            self.local_seq = record["seq"]
        if record["what"] in ("fenced", "unfenced"):
            self.fences[name] = Fence(record["epoch"], down=record["what"] == "fenced")
            return
        if record["what"] == "removing":
            self.removing.add(name)
            return
        if record["what"] == "removed":
            self.fences.pop(name, None)
            self.removing.discard(name)
            self.returning.pop(name, None)
            tree = self.trees.pop(name, None)
            if tree is not None:
                self.incarnations[name] = tree.kernel.incarnations()
            return
        known = self.trees.get(name)
        if record["what"] == "numbered":
            if known is not None:
                self._number(known, record)
            return
        if known is None:
            kernel = Kernel(
                name, parse_tree(record["document"]).spec, incarnations=self.incarnations.get(name)
            )
            known = self.trees[name] = RecoveredTree(name, kernel, 0, "", "", 0.0, {})
            self._take_over(name, kernel, record)
        else:
            known.unapplied = True
        known.digest, known.applied_at = record["digest"], record["t"]
        known.document = record["document"]
        self._number(known, record)

    def _take_over(self, name: str, kernel: Kernel, record: Mapping[str, Any]) -> None:
        carried = record.get("carry")
        if carried is not None:
            carry = Carry.from_record(carried)
            carry.put_into(kernel, record["b"])
            if carry.dynamic:
                self.returning[name] = list(carry.dynamic)

    def _number(self, tree: RecoveredTree, record: Mapping[str, Any]) -> None:
        """What the store says of a revision beside its document."""
        tree.revision, tree.message = record["revision"], record["message"]
        tree.origin, tree.epoch = record.get("origin", "local"), record.get("epoch", 0)
        tree.fence = record.get("fence", False)
        if tree.fence:
            known = self.fences.get(tree.name)
            self.fences[tree.name] = Fence(tree.epoch, known is not None and known.down)
        else:
            self.fences.pop(tree.name, None)

    def _stray(self, record: Mapping[str, Any]) -> None:
        pid = record["pid"]
        self.adopted_strays.pop(pid, None)
        self.strays.pop(pid, None)
        if record["what"] == "adopted":
            self.adopted_strays[pid] = (record["start_time"], record["key"])
        elif record["what"] == "found":
            self.strays[pid] = (record["start_time"], record["b"])

    def _own_child(self, told: Mapping[str, Any], what: str) -> None:
        own = OwnChild.from_json(told)
        if what == "ended":
            self.own_children.pop(own.pid, None)
        else:
            self.own_children[own.pid] = own

    def _identities(self, record: Mapping[str, Any]) -> None:
        if "pid" in record:  # a later stage of the same incarnation
            self.unconfirmed.pop(record["key"], None)
            self.processes[record["key"]] = RecoveredProcess(
                record["key"],
                record["incarnation"],
                record["pid"],
                record["inode"],
                role=record["role"],
                job=record.get("job", 0),
                reason=record.get("reason"),
            )
            return
        for key, incarnation, start_time in record["identities"]:
            process = self.processes.get(key)
            if process is not None and process.incarnation == incarnation:
                process.start_time = start_time

    def _step(self, record: Mapping[str, Any]) -> None:
        tree = self.trees[record["tree"]]
        event = event_from_json(record["event"])
        actions, _deadline = tree.kernel.handle(event, now=record["now"])
        self._event(event, record, tree)
        if isinstance(event, Call):
            self._called(event, tree)
        for action in actions:
            self._action(action, record, tree)
        if [action.to_json() for action in actions] != record["actions"]:
            self.problems.append(
                f"record {record['seq']}: repeated, the kernel of {tree.name} decides differently"
            )

    def _called(self, call: Call, tree: RecoveredTree) -> None:
        request = call.request
        take_call(self.commands, call.ref)
        if isinstance(request, Apply):
            tree.unapplied = False
        elif isinstance(request, StartChild) and request in self.returning.get(tree.name, ()):
            self.returning[tree.name].remove(request)

    def _event(self, event: Any, record: Mapping[str, Any], tree: RecoveredTree) -> None:
        if isinstance(event, Started):
            identity = record.get("process") or {}
            if identity.get("role") == FORKING:
                return  # unconfirmed still
            self.unconfirmed.pop(event.key, None)
            if identity.get("pid"):
                self.processes[event.key] = RecoveredProcess(
                    event.key,
                    event.incarnation,
                    identity["pid"],
                    identity.get("inode"),
                    identity.get("start_time"),
                    role=identity.get("role", "main"),
                )
        elif isinstance(event, Exited | StartFailed):
            self.unconfirmed.pop(event.key, None)
            self.processes.pop(event.key, None)
            if (
                isinstance(event, Exited)
                and isinstance(event.reason, str)
                and event.reason not in NORMAL_ENDS
            ):
                self.unproven[event.key, event.incarnation] = event.reason
            tree.last_exit[event.key] = {
                "reason": event.reason,
                "at": record["t"],
                "incarnation": event.incarnation,
            }
        elif isinstance(event, Ready):
            process = self.processes.get(event.key)
            if process is not None:
                process.ready = True

    def _action(self, action: Action, record: Mapping[str, Any], tree: RecoveredTree) -> None:
        if isinstance(action, Start):
            self.unconfirmed[action.key] = (action.incarnation, record["b"])
        elif isinstance(action, Signal | Kill):
            process = self.processes.get(action.key)
            if process is not None and process.incarnation == action.incarnation:
                process.asked = True
                if isinstance(action, Kill):
                    process.killed_for = action.cause
        elif isinstance(action, Reply):
            take_reply(self.commands, action.ref, action.value)
        elif isinstance(action, Exit):
            tree.ended = action.reason
        elif isinstance(action, State):
            tree.since[action.key] = record["t"]
            if action.key == tree.name and action.new in ("starting", "running"):
                tree.ended = None


def recover(snapshot: Mapping[str, Any] | None, records: Iterable[Mapping[str, Any]]) -> Recovered:
    """The state after the last record."""
    recovered = from_snapshot(snapshot) if snapshot is not None else Recovered()
    for record in records:
        recovered.apply(record)
    return recovered


def from_snapshot(body: Mapping[str, Any]) -> Recovered:
    """The state a snapshot record holds."""
    recovered = Recovered(
        boot_id=body["boot_id"],
        guardian_pid=body.get("guardian_pid"),
        stopped_cleanly=body["stopped_cleanly"],
    )
    recovered.incarnations = {name: dict(numbers) for name, numbers in body["incarnations"].items()}
    for name, tree in body["trees"].items():
        recovered.trees[name] = RecoveredTree(
            name,
            Kernel.load(tree["kernel"]),
            tree["revision"],
            tree["digest"],
            tree["message"],
            tree["applied_at"],
            tree["document"],
            dict(tree["since"]),
            dict(tree["last_exit"]),
            tree["ended"],
            tree.get("origin", "local"),
            tree.get("epoch", 0),
            tree.get("fence", False),
        )
    for key, fields in body["processes"].items():
        recovered.processes[key] = RecoveredProcess(key=key, **fields)
    recovered.removing = set(body.get("removing", ()))
    recovered.returning = {
        name: [_start_child(child) for child in children]
        for name, children in body.get("returning", {}).items()
    }
    recovered.adopted_strays = {
        int(pid): (value[0], value[1]) for pid, value in body["adopted_strays"].items()
    }
    recovered.own_children = {
        int(pid): OwnChild.from_json(value) for pid, value in body.get("own_children", {}).items()
    }
    recovered.fences = {name: Fence(*value) for name, value in body.get("fences", {}).items()}
    recovered.commands = {name: Entry.from_json(value) for name, value in body.get("commands", {}).items()}
    recovered.local_seq = body.get("local_seq", 0)
    recovered.interrupted = set(body.get("interrupted", ()))
    recovered.helpers = set(body.get("helpers", ()))
    recovered.strays = {int(pid): (value[0], value[1]) for pid, value in body.get("strays", {}).items()}
    recovered.unconfirmed = {key: (value[0], value[1]) for key, value in body["unconfirmed"].items()}
    return recovered


def _start_child(document: Any) -> StartChild:
    request = event_from_json(document)
    if not isinstance(request, StartChild):
        raise TypeError(f"no request for a dynamic child: {document!r}")
    return request
