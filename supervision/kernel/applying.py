"""Applying a revision: the tree takes the new specification at once, then the steps of the plan are done one by one.

Each step is a message to the supervisor it concerns, so it waits while that one is busy, and it looks again at what is
there when its turn comes: a supervisor that failed and started again in between has the new specification already.
"""

from dataclasses import replace

from supervision.kernel.actions import ChildState
from supervision.kernel.checks import SpecError
from supervision.kernel.dependencies import requirements
from supervision.kernel.machine import Machine
from supervision.kernel.plan import is_replaced, make_plan, starts_again, why_restarted
from supervision.kernel.reasons import SHUTDOWN
from supervision.kernel.root import begin
from supervision.kernel.spec import ChildSpec, SupervisorSpec
from supervision.kernel.state import (
    Carried,
    Carry,
    Child,
    ParentExit,
    Phase,
    PlanStep,
    Presence,
    Purpose,
    StartOne,
    StopMany,
    Supervisor,
    in_order,
)
from supervision.kernel.waiting import await_dependencies, may_start

_AT_WORK = (Phase.STARTING, Phase.RUNNING)


def apply(m: Machine, ref: str, new: SupervisorSpec) -> None:
    """Begin to apply. The reply lists the steps that change something, as `[do, key, why]`.

    A revision that comes while another is being applied takes its place.
    """
    try:
        required = requirements(m.name, new)
    except SpecError as error:
        m.reply(ref, ["error", error.reason])
        return
    steps = make_plan(m, new)
    m.reply(ref, ["ok", [[step.do, step.key, step.why] for step in steps if step.do != "keep"]])
    m.requires = required
    waiters = {key for waiting in m.waiting.values() for key in waiting}
    root, start = m.root, starts_again(m) and new != m.root_spec
    again = root.inner is not None and is_replaced(root, new)
    root.spec = replace(root.spec, supervisor=new)
    m.applying = []
    if again and root.inner is not None:
        m.root_again = True
        m.post(root.inner, ParentExit(SHUTDOWN))
    elif root.inner is not None and root.inner.phase in _AT_WORK:
        _adopt(m, root.inner, new)
        _wait_anew(m, sorted(waiters))
        m.applying = [step for step in reversed(steps) if step.do in ("stop", "start")]
    elif start:
        begin(m)


# --- taking the specification ------------------------------------------------------------------------------------------


def _adopt(m: Machine, supervisor: Supervisor, new: SupervisorSpec) -> None:
    """Specifications and order change in place; what is to go is marked, what is new waits for its turn."""
    supervisor.spec = new
    if new.is_simple:
        for child in supervisor.children.values():
            _adopt_child(m, child, new.template)
        return
    kept, supervisor.children = supervisor.children, {}
    for spec in new.children:
        if spec.id in kept:
            child = supervisor.children[spec.id] = kept.pop(spec.id)
            child.dynamic = False
            _adopt_child(m, child, spec)
        elif spec.id in supervisor.gone:
            _adopt_child(m, supervisor.gone[spec.id], spec)
        else:
            _put_aside(m, m.add_child(supervisor, spec))
    for child in kept.values():
        child.leaving = not child.dynamic
    supervisor.children.update(kept)
    declared = {spec.id for spec in new.children}
    for child in [child for child in supervisor.gone.values() if child.id not in declared]:
        child.leaving = True
        del supervisor.gone[child.id]
        m.forget(child)


def _put_aside(m: Machine, child: Child) -> None:
    """A child that an operator stopped or holds will not have its turn: its state says so now."""
    if child.memory.stopped or child.memory.held:
        may_start(m, child)


def _adopt_child(m: Machine, child: Child, spec: ChildSpec) -> None:
    child.leaving = False
    child.spec = spec
    m.stop_waiting(child)
    child.requires = m.required(child.supervisor, child.spec)
    inner, new = child.inner, child.spec.supervisor
    if inner is not None and new is not None and inner.phase in _AT_WORK and not is_replaced(child, new):
        _adopt(m, inner, new)


def _wait_anew(m: Machine, waiters: list[str]) -> None:
    """Who waited for dependencies waits for those of the new specification now, and starts if it has none left."""
    for key in waiters:
        child = m.children.get(key)
        if child is not None and child.state == ChildState.WAITING and not child.leaving:
            await_dependencies(m, child)


# --- doing the steps -----------------------------------------------------------------------------------------------------


def carry_on(m: Machine) -> None:
    """Hand the next step to the supervisor it concerns. One step is under way at a time."""
    steps = m.applying
    if not steps:
        m.applying = None
        m.report_root("applied", None)
        return
    step = steps.pop()
    supervisor = m.supervisors.get(_above(step))
    if supervisor is None or supervisor.phase not in _AT_WORK:
        return
    ids = [_id(step)]
    if step.do == "stop" and supervisor.stops_together:
        while steps and steps[-1].do == "stop" and _above(steps[-1]) == supervisor.key:
            ids.append(_id(steps.pop()))
    m.carrying = True
    m.post(supervisor, Carry(step.do, ids))


def _above(step: PlanStep) -> str:
    return step.key.rpartition("/")[0]


def _id(step: PlanStep) -> str:
    return step.key.rpartition("/")[2]


def carry(m: Machine, supervisor: Supervisor, message: Carry) -> None:
    """The supervisor's part, when it reads the message."""
    children = supervisor.children
    if message.do == "stop":
        ids = [name for name in message.ids if name in children and _still_to_stop(children[name])]
        supervisor.steps.append(Carried(ids))
        supervisor.steps.append(StopMany(in_order(ids), supervisor.stops_together))
        return
    supervisor.steps.append(Carried([]))
    for name in message.ids:
        m.bring_back(supervisor, name)
        child = children.get(name)
        if child is not None and child.presence == Presence.UNDEFINED and may_start(m, child):
            supervisor.steps.append(StartOne(name, Purpose.WANTED))


def _still_to_stop(child: Child) -> bool:
    return child.leaving or why_restarted(child, child.spec) != ""


def carried(m: Machine, supervisor: Supervisor, step: Carried) -> bool:
    """The step is done. What was removed is forgotten; what stopped to start again waits for its turn."""
    supervisor.steps.pop()
    for name in step.ids:
        child = supervisor.children.get(name)
        if child is not None and child.leaving:
            m.delete_child(child)
        elif child is not None:
            m.set_state(child, ChildState.WAITING)
            _put_aside(m, child)
    m.carrying = False
    return True
