"""A fresh life for a child that has not failed: it leaks, it is old, it has done its share of work.

Level, not edge: after each event what is recycled is looked at, and the next step follows from how things are. Where a
stand-in was asked for, a child of the same specification is added and ready first; then the life ends as an operator's
restart would end it, and when the next one is ready the stand-in goes. So there is never one less at work, and never more
than one in addition. Whatever else becomes of the child meanwhile (it ends by itself, somebody stops it, a revision removes
it) ends the recycling, and the stand-in with it. Nothing of it counts as a restart, and no strategy takes siblings along:
nothing has failed (OTP `terminate_child` and `restart_child` of one child touch that child alone).
"""

from dataclasses import replace

from supervision.kernel.actions import ChildState
from supervision.kernel.events import RecycleKey
from supervision.kernel.machine import Machine
from supervision.kernel.reasons import Term
from supervision.kernel.spec import ChildSpec, Restart
from supervision.kernel.state import (
    Child,
    Phase,
    Purpose,
    Recycling,
    Renew,
    Retire,
    StartOne,
    StopOne,
    Supervisor,
    Wake,
)

CAUSE = "recycled"
STAND_IN = "surge"
"""What the id of a stand-in has behind its `@`; the number of the instance it stands in for follows."""

_ON_ITS_WAY = (ChildState.WAITING, ChildState.STARTING)
_DOWN = (
    ChildState.STOPPED,
    ChildState.COMPLETED,
    ChildState.FAILED,
    ChildState.HELD,
    ChildState.LOST,
)
"""In these nothing more is waited for."""


def stand_in_id(child_id: str) -> str:
    """`mail` -> `mail@surge`, `mail@2` -> `mail@surge-2`."""
    name, _, label = child_id.partition("@")
    return f"{name}@{STAND_IN}-{label}" if label else f"{name}@{STAND_IN}"


def is_stand_in(key: str) -> bool:
    label = key.rpartition("/")[2].partition("@")[2]
    return label == STAND_IN or label.startswith(f"{STAND_IN}-")


def request_recycling(m: Machine, ref: str, request: RecycleKey) -> None:
    """Begin, if it can be; the reply comes at once."""
    child = m.children.get(request.key)
    if child is None:
        m.reply(ref, ["error", "not_found"])
        return
    why_not = _why_not(m, child, request)
    if why_not:
        m.reply(ref, ["error", why_not])
        return
    supervisor = child.supervisor
    stand_in = _add_stand_in(m, supervisor, child) if request.stand_in else ""
    m.recycling[supervisor.key] = Recycling(child.key, child.memory.incarnation, request.why, stand_in)
    detail: dict[str, Term] = {
        "incarnation": child.memory.incarnation,
        "stand_in": stand_in or None,
        "strategy": supervisor.spec.strategy,
        "affected": [child.key],
    }
    m.report("recycle", supervisor, child.id, request.why, detail)
    m.reply(ref, ["ok"])


def _why_not(m: Machine, child: Child, request: RecycleKey) -> str:
    if child.parent is None or child.spec.supervisor is not None:
        return "a supervisor is not recycled: its children are"
    if request.incarnation not in (None, child.memory.incarnation):
        return f"incarnation {request.incarnation} has ended already"
    if child.parent.phase != Phase.RUNNING or not child.alive or child.state != ChildState.RUNNING:
        return f"it is {child.state}, and only what runs is recycled"
    if child.parent.key in m.recycling:
        return f"{m.recycling[child.parent.key].key} is being recycled, and one is at a time"
    if is_stand_in(child.key):
        return "it only stands in for another one"
    if request.stand_in and child.parent.spec.is_simple:
        return "what stands in is declared; children of a simple_one_for_one supervisor are recycled without"
    return ""


def _add_stand_in(m: Machine, supervisor: Supervisor, child: Child) -> str:
    """The last in the start order; what it depends on is up, or the child would not run. One that is left goes first."""
    spec: ChildSpec = replace(
        child.spec, id=stand_in_id(child.id), restart=Restart.TEMPORARY, significant=False, depends_on=()
    )
    left = supervisor.children.get(spec.id)
    if left is not None:
        return left.key
    added = m.add_child(supervisor, spec, override=child.override, requires=(), dynamic=True)
    m.post(supervisor, Wake(added.id))
    return added.key


# --- step by step ------------------------------------------------------------------------------------------------------


def carry_on_recycling(m: Machine) -> bool:
    """The next step of what is being recycled; False when all of it waits for something."""
    return any(_next_step(m, key, one) for key, one in list(m.recycling.items()))


def _next_step(m: Machine, key: str, one: Recycling) -> bool:
    supervisor = m.supervisors.get(key)
    if supervisor is None or supervisor.phase != Phase.RUNNING:
        del m.recycling[key]  # it ends, or has ended, with all its children
        return True
    child = m.children.get(one.key)
    if child is not None and child.memory.incarnation == one.incarnation and child.alive:
        return False if one.renewed else _before(m, supervisor, child, one)
    if child is None or child.state in _DOWN or (child.state == ChildState.RUNNING and child.alive):
        _done(m, supervisor, child, one)
        return True
    return False


def _before(m: Machine, supervisor: Supervisor, child: Child, one: Recycling) -> bool:
    """The life goes on until who stands in is ready."""
    if one.stand_in:
        stand_in = m.children.get(one.stand_in)
        if stand_in is not None and stand_in.state in _ON_ITS_WAY:
            return False
        if stand_in is None or stand_in.state != ChildState.RUNNING:
            _give_up(m, supervisor, child, one)
            return True
    one.renewed = True
    m.post(supervisor, Renew(child.id, one.incarnation))
    return True


def _give_up(m: Machine, supervisor: Supervisor, child: Child, one: Recycling) -> None:
    del m.recycling[supervisor.key]
    words = f"{one.stand_in} did not become ready"
    m.report("recycle_failed", supervisor, child.id, words, {"incarnation": one.incarnation, "why": one.why})
    _dismiss(m, supervisor, one)


def _done(m: Machine, supervisor: Supervisor, child: Child | None, one: Recycling) -> None:
    del m.recycling[supervisor.key]
    incarnation = child.memory.incarnation if child is not None else None
    detail: dict[str, Term] = {"ended": one.incarnation, "incarnation": incarnation}
    m.report("recycled", supervisor, one.key.rpartition("/")[2], one.why, detail)
    _dismiss(m, supervisor, one)


def _dismiss(m: Machine, supervisor: Supervisor, one: Recycling) -> None:
    if one.stand_in:
        m.post(supervisor, Retire(one.stand_in.rpartition("/")[2]))


# --- the supervisor's part ---------------------------------------------------------------------------------------------


def renew(m: Machine, supervisor: Supervisor, message: Renew) -> None:
    """End the life, if it still goes on, and begin the next."""
    child = supervisor.children.get(message.id)
    if child is None or not child.alive or child.memory.incarnation != message.incarnation:
        return
    supervisor.steps.append(StartOne(child.id, Purpose.WANTED))
    supervisor.steps.append(StopOne(child.id, None, keep=True, cause=CAUSE))


def retire(m: Machine, supervisor: Supervisor, message: Retire) -> None:
    """Stop the stand-in, and forget it: it is temporary and was added."""
    if message.id in supervisor.children:
        supervisor.steps.append(StopOne(message.id, None, cause=CAUSE))
