"""An operator's requests: start, stop, restart, hold, release, by key.

What is wanted is remembered at once, by key, so that it stands whatever happens to the supervisor; what has to be done
goes through the supervisor's mailbox like everything else. All of them may be repeated without harm.
"""

from supervision.kernel.actions import ChildState
from supervision.kernel.events import HoldKey, KeyRequest, ReleaseKey, RestartKey, StartKey, StopKey
from supervision.kernel.machine import Machine
from supervision.kernel.reasons import Term
from supervision.kernel.root import operate_root
from supervision.kernel.state import (
    Asked,
    Child,
    Phase,
    Presence,
    Purpose,
    StartOne,
    StopOne,
    Supervisor,
    Wake,
)
from supervision.kernel.waiting import may_start

OK: Term = ["ok"]


def request_for_key(m: Machine, ref: str, request: KeyRequest) -> None:
    """Note what is wanted, and pass the rest on to who has to do it."""
    if request.key not in m.children and m.declaration(request.key) is None:
        m.reply(ref, ["error", "not_found"])
        return
    memory = m.memory_of(request.key)
    match request:
        case StopKey():
            memory.stopped = True
        case StartKey() | RestartKey():
            memory.stopped = False
            memory.attempt = 0
        case HoldKey(key=key, until=until):
            memory.held, memory.held_until = True, until
            m.timers.clear("hold", key)
            if until is not None:
                m.timers.set("hold", key, until)
        case ReleaseKey(key=key):
            memory.held, memory.held_until = False, None
            m.timers.clear("hold", key)
    child = m.children.get(request.key)
    if child is m.root:
        operate_root(m, ref, request)
    elif child is None or child.supervisor.phase == Phase.DEAD:
        m.reply(ref, OK)
    else:
        m.post(child.supervisor, Asked(ref, request))


def hold_expired(m: Machine, key: str) -> None:
    memory = m.memory_of(key)
    memory.held, memory.held_until = False, None
    child = m.children.get(key)
    if child is m.root:
        operate_root(m, None, ReleaseKey(key))
    elif child is not None:
        m.post(child.supervisor, Wake(child.id))


def answer_operator(m: Machine, supervisor: Supervisor, ref: str, request: KeyRequest) -> None:
    """The supervisor's part, when it reads the message."""
    child = m.children.get(request.key)
    if child is None or child.supervisor is not supervisor:
        m.reply(ref, ["error", "not_found"])
        return
    match request:
        case StopKey():
            _stop(m, supervisor, child, ref)
        case StartKey():
            _start(m, supervisor, child, ref)
        case RestartKey():
            _restart(m, supervisor, child, ref)
        case HoldKey():
            if child.state == ChildState.BACKOFF:
                may_start(m, child, Presence.RESTARTING)
            m.reply(ref, OK)
        case ReleaseKey():
            m.reply(ref, OK)
            m.post(supervisor, Wake(child.id))


def _stop(m: Machine, supervisor: Supervisor, child: Child, ref: str) -> None:
    if child.id in supervisor.children:
        supervisor.steps.append(StopOne(child.id, ref, keep=True))
    else:
        m.set_state(child, ChildState.STOPPED)
        m.reply(ref, OK)


def _start(m: Machine, supervisor: Supervisor, child: Child, ref: str) -> None:
    """Start what is down. A wait for backoff or a hold ends here; one for a dependency does not."""
    if child.presence == Presence.PID and child.alive:
        m.reply(ref, OK)
    elif _startable(m, supervisor, child):
        supervisor.steps.append(StartOne(child.id, Purpose.WANTED, ref))
    else:
        m.reply(ref, ["error", "stopped"] if child.memory.stopped else ["ok", None])


def _restart(m: Machine, supervisor: Supervisor, child: Child, ref: str) -> None:
    """Stop and start. Nothing is counted: nothing has failed."""
    if not child.alive:
        _start(m, supervisor, child, ref)
        return
    supervisor.steps.append(StartOne(child.id, Purpose.WANTED, ref))
    supervisor.steps.append(StopOne(child.id, None, keep=True))


def _startable(m: Machine, supervisor: Supervisor, child: Child) -> bool:
    """Whether the child can be started for an operator; one that was gone is a child again, the last in order."""
    memory = child.memory
    held, memory.held = memory.held, False
    m.clear_timers(child)
    m.bring_back(supervisor, child.id)
    allowed = may_start(m, child)
    memory.held = held
    return allowed
