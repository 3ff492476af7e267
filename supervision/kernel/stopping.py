"""Stopping: one child, all children in reverse start order or at once, a supervisor itself.

OTP supervisor.erl: `terminate_children`, `terminate_dynamic_children`, `shutdown/1`.
"""

from typing import cast

from supervision.kernel.actions import ChildState, Kill, Signal
from supervision.kernel.machine import Machine
from supervision.kernel.reasons import KILLED, SHUTDOWN, Term, is_normal
from supervision.kernel.spec import Restart, Shutdown
from supervision.kernel.state import (
    Carried,
    Child,
    ChildExit,
    Finish,
    ParentExit,
    Phase,
    Presence,
    StopMany,
    StopOne,
    Supervisor,
)

_ENDED = {
    "requested": ChildState.STOPPED,
    "gave_up": ChildState.FAILED,
    "auto_shutdown": ChildState.COMPLETED,
    "orphaned": ChildState.STOPPED,
    "killed": ChildState.FAILED,
}

_DOWN = (ChildState.FAILED, ChildState.COMPLETED, ChildState.BACKOFF)
"""Down already, and saying more than `stopped` would. In backoff without a restart pending: the restart that stops the
others is this child's own."""


# --- one child -----------------------------------------------------------------------------------------------------------


def _ask_to_stop(m: Machine, child: Child, step: StopMany | StopOne) -> None:
    """Begin to stop a child. If there is something to wait for, its id is pending in the step."""
    if child.alive:
        child.stopping = True
        step.pending.add(child.id)
        if child.spec.shutdown == Shutdown.BRUTAL_KILL:
            kill(m, child, "brutal_kill")
            return
        m.set_state(child, ChildState.STOPPING, step.cause if isinstance(step, StopOne) else "requested")
        if not isinstance(child.spec.shutdown, Shutdown):
            m.timers.set("stop", child.key, m.now + child.spec.shutdown)
        if child.inner is not None:
            m.post(child.inner, ParentExit(SHUTDOWN))
        else:
            m.actions.append(Signal(child.key, child.memory.incarnation))
        return
    if child.presence == Presence.PID:
        _stopped(m, child, child.exit, step)
    else:
        m.clear_timers(child)
        if child.presence == Presence.RESTARTING or child.state not in _DOWN:
            m.set_state(child, ChildState.STOPPED)
    child.presence = Presence.UNDEFINED


def kill(m: Machine, child: Child, cause: str) -> None:
    child.killed = True
    if child.inner is not None:
        m.set_state(child, ChildState.STOPPING, cause)
        kill_supervisor(m, child.inner)
    else:
        m.set_state(child, ChildState.STOPPING, cause)
        m.actions.append(Kill(child.key, child.memory.incarnation, cause))


def _stopped(m: Machine, child: Child, reason: Term, step: StopMany | StopOne) -> None:
    """A child that was to stop is down."""
    child.stopping = False
    child.presence = Presence.UNDEFINED
    m.timers.clear("stop", child.key)
    m.set_state(child, ChildState.STOPPED, reason)
    if not _as_asked(child, reason):
        if isinstance(step, StopMany) and step.summed is not None:
            _sum_up(step.summed, reason)
        else:
            m.report("shutdown_error", child.supervisor, child.id, reason)


def _as_asked(child: Child, reason: Term) -> bool:
    """Whether a stopped child ended the way it was told to (OTP `shutdown/1`).

    A killed process of ours ends as `shutdown` when its specification asks for the kill, and as `timeout` otherwise.
    """
    if child.spec.shutdown == Shutdown.BRUTAL_KILL:
        if reason == KILLED or (reason == SHUTDOWN and child.killed):
            return True
    elif reason == SHUTDOWN:
        return True
    return child.spec.restart != Restart.PERMANENT and is_normal(reason, child.spec.success_exit_codes)


def _sum_up(summed: list[list[Term]], reason: Term) -> None:
    for entry in summed:
        if entry[0] == reason:
            entry[1] += 1  # type: ignore[operator]  # a count
            return
    summed.append([reason, 1])


# --- steps ---------------------------------------------------------------------------------------------------------------


def stop_many(m: Machine, supervisor: Supervisor, step: StopMany) -> bool:
    if step.pending:
        return False
    while step.ids:
        child = supervisor.children[step.ids.pop()]
        _ask_to_stop(m, child, step)
        if child.id not in step.pending:
            _drop_temporary(m, child)
        elif not step.together:
            return True
    if step.pending:
        return True
    for reason, count in step.summed or ():
        m.report("shutdown_error", supervisor, count, reason)
    supervisor.steps.pop()
    return True


def _drop_temporary(m: Machine, child: Child) -> None:
    """OTP `terminate_children`: temporary children are not to be restarted, so they are forgotten. One that was added and
    that a new revision stops only to start it again keeps its place."""
    if child.spec.restart != Restart.TEMPORARY:
        return
    if child.dynamic and not child.leaving and _starts_again(child):
        child.presence = Presence.UNDEFINED
    else:
        m.remove_child(child)


def _starts_again(child: Child) -> bool:
    return any(isinstance(step, Carried) and child.id in step.ids for step in child.supervisor.steps)


def stop_one(m: Machine, supervisor: Supervisor, step: StopOne) -> bool:
    child = supervisor.children[step.id]
    if not step.asked:
        step.asked = True
        _ask_to_stop(m, child, step)
        return True
    if step.pending:
        return False
    supervisor.steps.pop()
    if not step.keep:
        m.drop(child)
    if step.ref is not None:
        m.reply(step.ref, ["ok"])
    return True


# --- an end is heard of --------------------------------------------------------------------------------------------------


def child_gone(m: Machine, child: Child, reason: Term) -> None:
    """A process, or a supervisor, is gone: its supervisor waits for that, or finds it in its mailbox."""
    child.alive = False
    supervisor = child.parent
    if supervisor is None:
        m.root_ended = [reason]
    elif supervisor.phase == Phase.DEAD:
        orphan_gone(m, supervisor, child)
    elif child.stopping:
        step = cast("StopMany | StopOne", supervisor.steps[-1])
        step.pending.discard(child.id)
        _stopped(m, child, reason, step)
        if isinstance(step, StopMany):
            _drop_temporary(m, child)
        if not step.pending:
            m.wake(supervisor)
    else:
        child.exit = reason
        m.post(supervisor, ChildExit(child.id, child.memory.incarnation))


def finish(m: Machine, supervisor: Supervisor, step: Finish) -> bool:
    """The last step of a supervisor."""
    child = supervisor.child
    m.set_state(child, _ENDED[supervisor.ending], step.reason)
    m.bury(supervisor, step.reason)
    child_gone(m, child, step.reason)
    return False


# --- a supervisor is killed ------------------------------------------------------------------------------------------------


def kill_supervisor(m: Machine, supervisor: Supervisor) -> None:
    """It ends without clean-up; its children, linked to it, end with it: workers killed, supervisors in their own way.

    Only OTP's cases do this from outside, and a supervisor that may not take as long as its children. OTP tells the
    parent at once. We tell it when the last child is gone, so that no successor runs beside a predecessor.
    """
    supervisor.phase = Phase.DEAD
    m.abandon(supervisor, KILLED)
    m.set_state(supervisor.child, _ENDED["killed"], KILLED)
    for child in [*supervisor.children.values()]:
        m.clear_timers(child)
        if child.inner is not None:
            supervisor.orphans.add(child.id)
            m.post(child.inner, ParentExit(KILLED))
        elif child.alive or child.starting:
            supervisor.orphans.add(child.id)
            if child.alive:
                kill(m, child, "supervisor")
    if not supervisor.orphans:
        _buried(m, supervisor)


def orphan_gone(m: Machine, supervisor: Supervisor, child: Child) -> None:
    m.set_state(child, ChildState.STOPPED, KILLED)
    supervisor.orphans.discard(child.id)
    if not supervisor.orphans:
        _buried(m, supervisor)


def _buried(m: Machine, supervisor: Supervisor) -> None:
    m.bury(supervisor, KILLED)
    child_gone(m, supervisor.child, KILLED)
