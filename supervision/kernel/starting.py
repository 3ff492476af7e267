"""Starting: one child, the children of a supervisor in order, a supervisor itself.

OTP supervisor.erl: `init_children`, `init_dynamic`, `start_children`, `do_start_child`.
"""

from typing import cast

from supervision.kernel.actions import ChildState, Start
from supervision.kernel.machine import Machine
from supervision.kernel.reasons import Term
from supervision.kernel.restarting import put_off_retry
from supervision.kernel.spec import Restart, SupervisorSpec
from supervision.kernel.state import (
    Answer,
    Child,
    FailStart,
    Phase,
    Presence,
    Purpose,
    StartMany,
    StartOne,
    StopMany,
    Supervisor,
    in_order,
)
from supervision.kernel.stopping import kill, orphan_gone
from supervision.kernel.waiting import may_start

DECLINED: Answer = ["declined"]


def begin_start(m: Machine, child: Child) -> None:
    """One start attempt, answered later by `start_answered`."""
    memory = child.memory
    memory.incarnation += 1
    child.starting = True
    child.killed = False
    m.set_state(child, ChildState.STARTING)
    if child.spec.supervisor is None:
        child.live_body = child.body
        m.actions.append(Start(child.key, memory.incarnation, child.live_body))
    else:
        _open_supervisor(m, child, child.spec.supervisor)


def start_answered(m: Machine, child: Child, answer: Answer) -> None:
    """The start has ended, one way or another. Its supervisor is busy with just that and goes on."""
    child.starting = False
    if answer[0] == "ok":
        child.alive = True
        child.presence = Presence.PID
        child.started_at = m.now
        ready = child.inner is not None or not child.spec.readiness
        if ready:
            m.set_state(child, ChildState.RUNNING)
    if child.parent is None:
        m.root_answer = answer
        return
    if child.parent.phase == Phase.DEAD:
        _answered_to_the_dead(m, child.parent, child)
        return
    step = cast("StartMany | StartOne", child.parent.steps[-1])
    step.answer = answer
    m.wake(child.parent)


def _answered_to_the_dead(m: Machine, supervisor: Supervisor, child: Child) -> None:
    """The supervisor was killed while this start was under way. (A supervisor among its children knows already.)"""
    if not child.alive:
        orphan_gone(m, supervisor, child)
    elif child.inner is None:
        kill(m, child, "supervisor")


# --- a supervisor starts -----------------------------------------------------------------------------------------------


def _open_supervisor(m: Machine, child: Child, spec: SupervisorSpec) -> None:
    refusal = spec.refusal
    if refusal is not None:
        start_answered(m, child, DECLINED if refusal.ignore else ["failed", refusal.reason])
        return
    declared = f"{child.parent.declared}/{child.spec.id}" if child.parent is not None else child.key
    supervisor = Supervisor(child.key, child, spec, declared)
    child.inner = m.supervisors[child.key] = supervisor
    if not spec.is_simple:
        for part in spec.children:
            m.add_child(supervisor, part)
    supervisor.steps.append(StartMany(in_order(supervisor.children)))
    m.wake(supervisor)


def _opened(m: Machine, supervisor: Supervisor) -> None:
    supervisor.phase = Phase.RUNNING
    start_answered(m, supervisor.child, ["ok"])


def fail_start(m: Machine, supervisor: Supervisor, step: FailStart) -> bool:
    """What had been started is down again: the start has failed."""
    child = supervisor.child
    m.bury(supervisor, step.reason)
    start_answered(m, child, ["failed", step.reason])
    return False


# --- children in order -------------------------------------------------------------------------------------------------


def start_many(m: Machine, supervisor: Supervisor, step: StartMany) -> bool:
    if step.current is not None:
        if step.answer is None:
            return False
        if not _took(m, supervisor, step, supervisor.children[step.current], step.answer):
            return True
        step.current = step.answer = None
    while step.ids:
        child = supervisor.children.get(step.ids.pop())
        if child is not None and not child.alive and may_start(m, child):
            step.current = child.id
            begin_start(m, child)
            return True
    supervisor.steps.pop()
    if step.origin is None:
        _opened(m, supervisor)
    return True


def _took(m: Machine, supervisor: Supervisor, step: StartMany, child: Child, answer: Answer) -> bool:
    """Note how one start of many ended. False: it failed, and the supervisor does something else now."""
    if answer[0] == "ok":
        return True
    if answer[0] == "declined":
        declined(m, child)
        return True
    reason: Term = answer[1]
    supervisor.steps.pop()
    m.report("start_error", supervisor, child.id, reason)
    if step.origin is not None:
        put_off_retry(m, child, reason)
        return False
    m.set_state(child, ChildState.FAILED, reason)
    supervisor.steps.append(FailStart(["shutdown", ["failed_to_start_child", child.id, reason]]))
    supervisor.steps.append(StopMany([*supervisor.children], supervisor.stops_together))
    return False


def declined(m: Machine, child: Child) -> None:
    """OTP: the specification of a child that declines is kept, unless it is temporary."""
    m.set_state(child, ChildState.COMPLETED, "ignore")
    m.drop(child)


# --- one child ---------------------------------------------------------------------------------------------------------


def start_one(m: Machine, supervisor: Supervisor, step: StartOne) -> bool:
    child = supervisor.children[step.current]
    if not step.asked and child.memory.stopped:
        return _stopped_meanwhile(m, supervisor, step, child)
    if not step.asked:
        step.asked = True
        begin_start(m, child)
        return True
    if step.answer is None:
        return False
    supervisor.steps.pop()
    if step.answer[0] == "ok":
        if step.ref is not None:
            m.reply(step.ref, ["ok", f"{child.key}#{child.memory.incarnation}", *step.answer[1:]])
        return True
    reply = _not_started(m, supervisor, step, child, step.answer)
    if step.ref is not None:
        m.reply(step.ref, reply)
    return True


def _stopped_meanwhile(m: Machine, supervisor: Supervisor, step: StartOne, child: Child) -> bool:
    """An operator wants it down now: between the stop and the start of a restart, that is."""
    supervisor.steps.pop()
    may_start(m, child)
    if step.ref is not None:
        m.reply(step.ref, ["error", "stopped"])
    return True


def _not_started(m: Machine, supervisor: Supervisor, step: StartOne, child: Child, answer: Answer) -> Term:
    """The start of one child gave no process; returns the reply to whoever asked for it."""
    if answer[0] == "declined":
        declined(m, child)
        if supervisor.spec.is_simple:
            m.remove_child(child)
        return ["ok", None]
    reason: Term = answer[1]
    match step.purpose:
        case Purpose.START_CHILD:
            m.set_state(child, ChildState.FAILED, reason)
            m.remove_child(child)
        case Purpose.RESTART_CHILD:
            m.set_state(child, ChildState.FAILED, reason)
        case _ if child.spec.restart == Restart.TEMPORARY:
            m.report("start_error", supervisor, child.id, reason)
            m.set_state(child, ChildState.FAILED, reason)
            m.drop(child)
        case _:
            m.report("start_error", supervisor, child.id, reason)
            put_off_retry(m, child, reason)
    return ["error", reason]
