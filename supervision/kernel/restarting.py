"""What a supervisor does about a child that has ended.

OTP supervisor.erl: `do_restart` (a clause for each restart type and reason), `restart/2` (the restart limit), `restart/3`
(a clause for each strategy), `do_auto_shutdown`.
"""

from supervision.kernel.actions import ChildState
from supervision.kernel.backoff import Backoff
from supervision.kernel.machine import Machine
from supervision.kernel.reasons import LOST, Term, is_normal
from supervision.kernel.spec import AutoShutdown, Restart, Strategy
from supervision.kernel.state import (
    Child,
    Finish,
    Phase,
    Presence,
    Purpose,
    StartMany,
    StartOne,
    StopMany,
    Supervisor,
    TryAgain,
    in_order,
)
from supervision.kernel.waiting import may_start

# (restart type, did it end normally?) -> (is that reported?, is it restarted?)
_CLAUSES = {
    (Restart.PERMANENT, True): (True, True),
    (Restart.PERMANENT, False): (True, True),
    (Restart.TRANSIENT, True): (False, False),
    (Restart.TRANSIENT, False): (True, True),
    (Restart.TEMPORARY, True): (False, False),
    (Restart.TEMPORARY, False): (True, False),
}

_ALONE = (Strategy.ONE_FOR_ONE, Strategy.SIMPLE_ONE_FOR_ONE)


def child_exited(m: Machine, supervisor: Supervisor, child: Child, reason: Term) -> None:
    """A child ended by itself (OTP `do_restart/3`)."""
    spec = child.spec
    normal = is_normal(reason, spec.success_exit_codes)
    reported, restarted = _CLAUSES[spec.restart, normal]
    if reported:
        m.report("child_terminated", supervisor, child.id, reason, {"incarnation": child.memory.incarnation})
    if child.memory.stopped or child.leaving:
        m.set_state(child, ChildState.STOPPED, reason)
        m.drop(child)
    elif restarted:
        _restart_after_exit(m, supervisor, child, reason)
    else:
        ended = ChildState.COMPLETED if normal else ChildState.LOST if reason == LOST else ChildState.FAILED
        m.set_state(child, ended, reason)
        m.drop(child)
        _auto_shutdown(m, supervisor, child)


def _restart_after_exit(m: Machine, supervisor: Supervisor, child: Child, reason: Term) -> None:
    backoff = child.spec.backoff
    if backoff is None:
        restart(m, supervisor, child)
        return
    if m.now - child.started_at >= backoff.reset_after:
        child.memory.attempt = 0
    if may_start(m, child, Presence.RESTARTING):
        _back_off(m, child, backoff, reason)


def put_off_retry(m: Machine, child: Child, reason: Term) -> None:
    """A start failed and is to be tried again, as a further restart: OTP sends itself `try_again_restart`.

    In OTP that message goes to the end of the mailbox at once, so that what has arrived meanwhile is read first; with
    backoff it goes there when the wait is over.
    """
    child.presence = Presence.RESTARTING
    if child.spec.backoff is not None:
        _back_off(m, child, child.spec.backoff, reason)
    else:
        m.set_state(child, ChildState.BACKOFF, reason)
        m.post(child.supervisor, TryAgain(child.id))


def _back_off(m: Machine, child: Child, backoff: Backoff, reason: Term) -> None:
    child.memory.attempt += 1
    delay = backoff.delay(child.memory.attempt, child.key)
    child.presence = Presence.RESTARTING
    m.timers.set("backoff", child.key, m.now + delay)
    m.set_state(child, ChildState.BACKOFF, reason)
    detail = {"attempt": child.memory.attempt, "delay": delay, "until": m.now + delay}
    m.report("backoff", child.supervisor, child.id, reason, detail)


def try_again(m: Machine, supervisor: Supervisor, child_id: str) -> None:
    """OTP `handle_cast({try_again_restart, Id})`: unless something else became of the child meanwhile."""
    child = supervisor.children.get(child_id)
    if child is not None and child.presence == Presence.RESTARTING and child.state == ChildState.BACKOFF:
        restart(m, supervisor, child)


def restart(m: Machine, supervisor: Supervisor, child: Child) -> None:
    """Restart a child, and what its supervisor's strategy says beside it, unless the limit is reached."""
    if not may_start(m, child, Presence.RESTARTING):
        return
    spec, window = supervisor.spec, supervisor.window
    if not window.add(m.now, spec.intensity, spec.period):
        _give_up(m, supervisor, child)
        return
    child.memory.restarts += 1
    if child.spec.backoff is not None:
        m.timers.clear("backoff", child.key)
    if spec.strategy in _ALONE:
        affected = [child.key]
        supervisor.steps.append(StartOne(child.id, Purpose.RESTART))
    else:
        affected = _restart_together(m, supervisor, child)
    detail = {
        "strategy": spec.strategy,
        "affected": affected,
        "restarts": len(window.restarts),
        "intensity": spec.intensity,
        "period": spec.period,
    }
    m.report("restart", supervisor, child.id, None, detail)


def _restart_together(m: Machine, supervisor: Supervisor, child: Child) -> list[str]:
    """one_for_all, rest_for_one: stop the others, latest first, then start all in order. Returns the keys."""
    ids = _affected(supervisor, child)
    child.presence = Presence.UNDEFINED
    m.set_state(child, ChildState.BACKOFF)
    supervisor.steps.append(StartMany(in_order(ids), origin=child.id))
    supervisor.steps.append(StopMany([*ids], supervisor.stops_together))
    return [f"{supervisor.key}/{child_id}" for child_id in ids]


def _affected(supervisor: Supervisor, child: Child) -> list[str]:
    """Ids in start order: the rest from the child on, or all. The cost depends on how many are affected."""
    if supervisor.spec.strategy == Strategy.ONE_FOR_ALL:
        return [*supervisor.children]
    rest = []
    for child_id in reversed(supervisor.children):
        rest.append(child_id)
        if child_id == child.id:
            break
    return rest[::-1]


# --- a supervisor ends by itself -----------------------------------------------------------------------------------------


def _give_up(m: Machine, supervisor: Supervisor, child: Child) -> None:
    above = supervisor.child.parent
    detail = {
        "restarts": len(supervisor.window.restarts),
        "intensity": supervisor.spec.intensity,
        "period": supervisor.spec.period,
        "parent": above.key if above is not None else None,
    }
    m.report("shutdown", supervisor, child.id, "reached_max_restart_intensity", detail)
    m.set_state(child, ChildState.FAILED)
    m.drop(child)
    end_supervisor(m, supervisor, "gave_up", "shutdown")


def _auto_shutdown(m: Machine, supervisor: Supervisor, child: Child) -> None:
    """OTP `do_auto_shutdown`: a significant child has ended and is not restarted."""
    mode = supervisor.spec.auto_shutdown
    if mode == AutoShutdown.NEVER or not child.spec.significant:
        return
    if mode == AutoShutdown.ALL_SIGNIFICANT and any(map(_still_significant, supervisor.children.values())):
        return
    m.report("auto_shutdown", supervisor, child.id, None, {"auto_shutdown": mode})
    end_supervisor(m, supervisor, "auto_shutdown", "shutdown")


def _still_significant(child: Child) -> bool:
    """OTP asks for a pid (`restarting` counts). A child whose first start waits has none yet, and counts too."""
    down = child.presence == Presence.UNDEFINED and child.state not in (ChildState.WAITING, ChildState.HELD)
    return child.spec.significant and not down


def wake(m: Machine, supervisor: Supervisor, child_id: str) -> None:
    """What a child waited for has come: its dependencies, or the end of a hold.

    A restart that was held is made now, and charged to the intensity. One that waited for a dependency is made, and is none
    that the intensity limits: what it needs was away, and waiting is no storm.
    """
    child = supervisor.children.get(child_id)
    if child is None or child.state not in (ChildState.WAITING, ChildState.HELD):
        return
    if child.state == ChildState.HELD and child.presence == Presence.RESTARTING:
        restart(m, supervisor, child)
    elif may_start(m, child, child.presence):
        child.memory.restarts += child.presence == Presence.RESTARTING
        supervisor.steps.append(StartOne(child.id, Purpose.WANTED))


def end_supervisor(m: Machine, supervisor: Supervisor, why: str, reason: Term) -> None:
    """Stop all children, then end with the reason (OTP: gen_server calls `terminate`)."""
    supervisor.phase = Phase.ENDING
    supervisor.ending = why
    m.set_state(supervisor.child, ChildState.STOPPING, why)
    summed: list[list[Term]] | None = [] if supervisor.spec.is_simple else None
    supervisor.steps.append(Finish(reason))
    supervisor.steps.append(StopMany([*supervisor.children], supervisor.stops_together, summed))
