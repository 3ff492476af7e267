"""The state of one tree, and the few moves everything else is made of."""

from collections import deque
from collections.abc import Mapping
from typing import Any, cast

from supervision.kernel.actions import Action, ChildState, Reply, Report, State
from supervision.kernel.dependencies import requirements
from supervision.kernel.reasons import Term
from supervision.kernel.spec import Body, ChildSpec, ChildType, Restart, SupervisorSpec
from supervision.kernel.state import (
    Answer,
    Asked,
    Carried,
    Carry,
    Child,
    Memory,
    Message,
    Phase,
    PlanStep,
    Presence,
    Recycling,
    StartOne,
    StopOne,
    Supervisor,
)
from supervision.kernel.timers import Timers

RETIRED_KEYS = 100_000
"""How many keys that no longer exist keep their incarnation number of their own; see Machine.memory_of."""


class Machine:
    """One tree.

    root         the root supervisor as a child, though nothing is above it
    children     every child there is, by key
    supervisors  those at work, and killed ones whose orphans are not gone yet
    memories     what outlives a child record, by key
    requires     dependencies that the specification declares: key of a child (or template) to keys
    waiting      key of a dependency to the children that wait for it
    became_ready children whose readiness somebody may wait for; empty between two events
    root_answer  how the start of the root has just ended; None between two events
    root_ended   why the root has just ended, in a list; None between two events
    root_refs    calls about the root that are answered when it has started or ended
    root_again   the root is to start again once it has ended (an operator restarts it)
    root_stopping  the root was asked to stop: it is not started again by itself
    applying     steps of a revision still to be done, the next one last; None: none is being applied
    carrying     one of them is under way
    recycling    key of a supervisor to the child of it that is given a fresh life
    runnable     supervisors that have something to do; empty between two events
    """

    def __init__(self, name: str, spec: SupervisorSpec, incarnations: Mapping[str, int]) -> None:
        self.name = name
        self.now = 0.0
        self.actions: list[Action] = []
        self.children: dict[str, Child] = {}
        self.supervisors: dict[str, Supervisor] = {}
        self.memories: dict[str, Memory] = {key: Memory(number) for key, number in incarnations.items()}
        self.retired: dict[str, int] = {}
        self.retired_floor = 0
        self.requires = requirements(name, spec)
        self.waiting: dict[str, dict[str, None]] = {}
        self.timers = Timers()
        self.became_ready: list[Child] = []
        self.recycling: dict[str, Recycling] = {}
        self.runnable: deque[Supervisor] = deque()
        self.root_refs: list[str] = []
        self.root_again = False
        self.applying: list[PlanStep] | None = None
        self.carrying = False
        self.root_stopping = False
        self.root_answer: Answer | None = None
        self.root_ended: list[Term] | None = None
        as_child = ChildSpec(name, type=ChildType.SUPERVISOR, supervisor=spec)
        self.root = Child(name, name, as_child, None, self.memory_of(name), state=ChildState.STOPPED)
        self.children[name] = self.root

    # --- memory ------------------------------------------------------------------------------------------------------

    def memory_of(self, key: str) -> Memory:
        """The memory of a key, a new one if it is not known.

        A key that was removed keeps its number, so that no incarnation is used twice. There may be any number of such
        keys (instances with labels of their own), so the oldest are forgotten past RETIRED_KEYS; from then on new keys
        begin above the highest number forgotten.
        """
        memory = self.memories.get(key)
        if memory is None:
            memory = self.memories[key] = Memory(self.retired.pop(key, self.retired_floor))
        return memory

    def retire(self, key: str) -> None:
        memory = self.memories.pop(key, None)
        if memory is not None and memory.incarnation:
            self.retired[key] = memory.incarnation
        if len(self.retired) > RETIRED_KEYS:
            oldest = next(iter(self.retired))
            self.retired_floor = max(self.retired_floor, self.retired.pop(oldest))

    # --- children ----------------------------------------------------------------------------------------------------

    def add_child(
        self,
        supervisor: Supervisor,
        spec: ChildSpec,
        *,
        instance: str = "",
        override: Body | None = None,
        requires: tuple[str, ...] | None = None,
        dynamic: bool = False,
    ) -> Child:
        """A new child record, last in the start order. Nothing is started."""
        child_id = instance or spec.id
        key = f"{supervisor.key}/{child_id}"
        memory = self.memory_of(key)
        child = Child(
            key, child_id, spec, supervisor, memory, since=self.now, override=override or {}, dynamic=dynamic
        )
        if requires is not None:
            child.requires = requires
        elif spec.depends_on:
            child.requires = self.required(supervisor, spec)
        supervisor.gone.pop(child_id, None)
        supervisor.children[child_id] = child
        self.children[key] = child
        return child

    def required(self, supervisor: Supervisor, spec: ChildSpec) -> tuple[str, ...]:
        """Keys a declared child depends on. Inside an instance of a template, siblings are those of the same instance."""
        inside = f"{supervisor.declared}/"
        keys = self.requires.get(inside + spec.id, ())
        if supervisor.declared == supervisor.key:
            return keys
        return tuple(
            f"{supervisor.key}/{key[len(inside) :]}" if key.startswith(inside) else key for key in keys
        )

    def declaration(self, key: str) -> ChildSpec | None:
        """The specification of a child that is not there, because a supervisor above it does not run."""
        above, below = key, list[str]()
        while above and above not in self.children:
            above, _, child_id = above.rpartition("/")
            below.append(child_id)
        if not above or self.children[above].inner is not None:
            return None
        spec = self.children[above].spec
        while below:
            inner, child_id = spec.supervisor, below.pop()
            siblings = inner.children if inner is not None and not inner.is_simple else ()
            found = next((child for child in siblings if child.id == child_id), None)
            if found is None:
                return None
            spec = found
        return spec

    @property
    def root_spec(self) -> SupervisorSpec:
        """The specification of the whole tree."""
        return cast("SupervisorSpec", self.root.spec.supervisor)

    def remove_child(self, child: Child) -> None:
        """The supervisor forgets the child: OTP `del_child` of a temporary child, or of an instance.

        A declared temporary child stays visible as gone.
        """
        supervisor = child.supervisor
        if supervisor.children.get(child.id) is not child:
            return
        child.presence = Presence.UNDEFINED
        self.stop_waiting(child)
        del supervisor.children[child.id]
        if child.dynamic or child.leaving or supervisor.phase != Phase.RUNNING:
            self.forget(child)
        else:
            supervisor.gone[child.id] = child

    def bring_back(self, supervisor: Supervisor, child_id: str) -> None:
        """A declared temporary child that has ended is a child again, the last in the start order."""
        child = supervisor.gone.pop(child_id, None)
        if child is not None:
            supervisor.children[child_id] = child

    def delete_child(self, child: Child) -> None:
        """OTP `remove_child`: the specification goes too."""
        self.stop_waiting(child)
        del child.supervisor.children[child.id]
        self.forget(child)

    def forget(self, child: Child) -> None:
        """The key is no longer part of the tree (an instance), or its supervisor is down (its memory stays)."""
        self.children.pop(child.key, None)
        self.clear_timers(child)
        if child.dynamic or child.leaving:
            self.retire(child.key)

    def drop(self, child: Child) -> None:
        """OTP `del_child`: a temporary child or an instance is removed, any other has no process any more."""
        if child.spec.restart == Restart.TEMPORARY or child.supervisor.spec.is_simple:
            self.remove_child(child)
        else:
            child.presence = Presence.UNDEFINED

    def bury(self, supervisor: Supervisor, reason: Term) -> None:
        """A supervisor is at its end: nothing is left of it but the memory of its children."""
        self.abandon(supervisor, reason)
        for child in [*supervisor.children.values(), *supervisor.gone.values()]:
            self.stop_waiting(child)
            self.forget(child)
        supervisor.child.inner = None
        del self.supervisors[supervisor.key]

    def abandon(self, supervisor: Supervisor, reason: Term) -> None:
        """Nothing it was to do is done. OTP: a call that still waits when a supervisor ends fails with its reason."""
        for message in supervisor.mailbox:
            if isinstance(message, Asked):
                self.reply(message.ref, ["exit", reason])
            elif isinstance(message, Carry):
                self.carrying = False
        for step in supervisor.steps:
            if isinstance(step, StartOne | StopOne) and step.ref is not None:
                self.reply(step.ref, ["exit", reason])
            elif isinstance(step, Carried):
                self.carrying = False
        supervisor.mailbox.clear()
        supervisor.steps.clear()

    # --- telling -----------------------------------------------------------------------------------------------------

    def set_state(self, child: Child, new: ChildState, reason: Term = None) -> None:
        old = child.state
        if old == new:
            return
        child.state = new
        child.since = self.now
        self.actions.append(State(child.key, old, new, child.memory.incarnation, reason))
        if self.waiting:
            if old == ChildState.WAITING:
                self.stop_waiting(child)
            if new in (ChildState.RUNNING, ChildState.COMPLETED):
                self.became_ready.append(child)

    def report(
        self,
        kind: str,
        supervisor: Supervisor,
        child: str | int | None,
        reason: Term,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        self.actions.append(Report(kind, supervisor.key, child, reason, detail or {}))

    def reply(self, ref: str, value: Term) -> None:
        self.actions.append(Reply(ref, value))

    def report_root(self, kind: str, reason: Term, detail: Mapping[str, Any] | None = None) -> None:
        self.actions.append(Report(kind, self.name, None, reason, detail or {}))

    # --- the run queue -------------------------------------------------------------------------------------------------

    def post(self, supervisor: Supervisor, message: Message) -> None:
        supervisor.mailbox.append(message)
        self.wake(supervisor)

    def wake(self, supervisor: Supervisor) -> None:
        if not supervisor.queued:
            supervisor.queued = True
            self.runnable.append(supervisor)

    # --- waiting and timers --------------------------------------------------------------------------------------------

    def stop_waiting(self, child: Child) -> None:
        for key in child.requires:
            waiters = self.waiting.get(key)
            if waiters is not None:
                waiters.pop(child.key, None)
                if not waiters:
                    del self.waiting[key]

    def clear_timers(self, child: Child) -> None:
        self.timers.clear("stop", child.key)
        self.timers.clear("backoff", child.key)
