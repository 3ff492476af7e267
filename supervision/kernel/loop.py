"""Letting the supervisors work until each waits for something.

There is no recursion over children or restarts: whoever gets something to do is put into a queue, and does one thing
at a time.
"""

from collections.abc import Callable
from typing import Any

from supervision.kernel.applying import carried, carry, carry_on
from supervision.kernel.calls import answer_call
from supervision.kernel.escalating import fail
from supervision.kernel.events import HoldKey, ReleaseKey, RestartKey, StartKey, StopKey
from supervision.kernel.machine import Machine
from supervision.kernel.operating import answer_operator
from supervision.kernel.reasons import KILLED
from supervision.kernel.recycling import carry_on_recycling, renew, retire
from supervision.kernel.restarting import child_exited, end_supervisor, try_again, wake
from supervision.kernel.root import root_answered, root_ended
from supervision.kernel.starting import fail_start, start_many, start_one
from supervision.kernel.state import (
    Asked,
    Carried,
    Carry,
    ChildExit,
    Fail,
    FailStart,
    Finish,
    Message,
    ParentExit,
    Phase,
    Presence,
    Renew,
    Retire,
    StartMany,
    StartOne,
    StopMany,
    StopOne,
    Supervisor,
    TryAgain,
    Wake,
)
from supervision.kernel.stopping import finish, stop_many, stop_one
from supervision.kernel.waiting import wake_waiters

# Any: each takes its own kind of step, which a table cannot say.
_TAKE_UP: dict[type, Callable[[Machine, Supervisor, Any], bool]] = {
    StartMany: start_many,
    StartOne: start_one,
    StopMany: stop_many,
    StopOne: stop_one,
    Finish: finish,
    FailStart: fail_start,
    Carried: carried,
}


def run(m: Machine) -> None:
    """Until nothing more happens by itself."""
    while True:
        if m.runnable:
            supervisor = m.runnable.popleft()
            supervisor.queued = False
            _work(m, supervisor)
        elif m.became_ready:
            wake_waiters(m, m.became_ready.pop(0))
        elif m.root_answer is not None:
            answer, m.root_answer = m.root_answer, None
            root_answered(m, answer)
        elif m.root_ended is not None:
            [reason], m.root_ended = m.root_ended, None
            root_ended(m, reason)
        elif m.applying is not None and not m.carrying:
            carry_on(m)
        elif m.recycling and carry_on_recycling(m):
            continue
        else:
            return


def _work(m: Machine, supervisor: Supervisor) -> None:
    """Go on with the step under way; without one, read the next message. A step that returns False waits (or is over)."""
    while True:
        if supervisor.steps:
            step = supervisor.steps[-1]
            if not _TAKE_UP[type(step)](m, supervisor, step):
                return
        elif supervisor.mailbox and supervisor.phase == Phase.RUNNING:
            _read(m, supervisor, supervisor.mailbox.popleft())
        else:
            return


def _read(m: Machine, supervisor: Supervisor, message: Message) -> None:
    match message:
        case ChildExit(id=child_id, incarnation=incarnation):
            child = supervisor.children.get(child_id)
            if child is None or child.memory.incarnation != incarnation:
                return
            if child.presence == Presence.PID and not child.alive:
                child_exited(m, supervisor, child, child.exit)
        case TryAgain(id=child_id):
            try_again(m, supervisor, child_id)
        case Asked(
            ref=ref, request=StopKey() | StartKey() | RestartKey() | HoldKey() | ReleaseKey() as request
        ):
            answer_operator(m, supervisor, ref, request)
        case Asked():
            answer_call(m, supervisor, message)
        case Carry():
            carry(m, supervisor, message)
        case Wake(id=child_id):
            wake(m, supervisor, child_id)
        case Renew():
            renew(m, supervisor, message)
        case Retire():
            retire(m, supervisor, message)
        case Fail():
            fail(m, supervisor, message)
        case ParentExit(reason=reason):
            above = supervisor.child.parent
            orphaned = reason == KILLED and above is not None and above.phase == Phase.DEAD
            end_supervisor(m, supervisor, "orphaned" if orphaned else "requested", reason)
