"""Reasons not to start a child now: it is stopped, held, or depends on something that is not ready.

None of them blocks the supervisor. It goes on with the next child, and the child is started when the reason goes.
"""

from collections.abc import Iterator

from supervision.kernel.actions import ChildState
from supervision.kernel.machine import Machine
from supervision.kernel.state import Child, Presence, Wake

_READY_PARTS = (ChildState.RUNNING, ChildState.COMPLETED, ChildState.STOPPED)


def may_start(m: Machine, child: Child, reason_kept: Presence = Presence.UNDEFINED) -> bool:
    """Whether the child may be started now. If not, its state says why, and its presence is `reason_kept`.

    reason_kept: RESTARTING for a child whose restart is put off, UNDEFINED for one whose first start is.
    """
    memory = child.memory
    if not (memory.stopped or memory.held or child.requires or child.leaving):
        return True
    if memory.stopped or child.leaving:
        child.presence = Presence.UNDEFINED
        m.set_state(child, ChildState.STOPPED)
        return False
    if memory.held:
        _put_off(m, child, ChildState.HELD, reason_kept, {"until": memory.held_until})
        return False
    missing = missing_dependencies(m, child)
    if missing:
        _put_off(m, child, ChildState.WAITING, reason_kept, {"for": missing})
        _register(m, child)
        return False
    return True


def _put_off(
    m: Machine, child: Child, state: ChildState, presence: Presence, detail: dict[str, object]
) -> None:
    child.presence = presence
    m.clear_timers(child)
    m.set_state(child, state)
    if child.parent is not None:
        m.report(state, child.parent, child.id, None, detail)


def _register(m: Machine, child: Child) -> None:
    for key in child.requires:
        m.waiting.setdefault(key, {})[child.key] = None


def await_dependencies(m: Machine, child: Child) -> None:
    """A waiting child waits for what it depends on now."""
    if missing_dependencies(m, child):
        _register(m, child)
    else:
        m.post(child.supervisor, Wake(child.id))


def missing_dependencies(m: Machine, child: Child) -> list[str]:
    return [key for key in child.requires if not is_ready(m.children.get(key))]


def is_ready(child: Child | None) -> bool:
    """Running and ready, or completed. A supervisor: running, and none of its children is on its way or failed."""
    if child is None:
        return False
    if child.inner is None:
        return child.state in (ChildState.RUNNING, ChildState.COMPLETED)
    parts = child.inner.children.values()
    return child.state == ChildState.RUNNING and all(
        is_ready(part) if part.inner is not None else part.state in _READY_PARTS for part in parts
    )


def wake_waiters(m: Machine, child: Child) -> None:
    """Wake who waits for this child, or for a supervisor above it, and has all that it depends on now."""
    for key in _with_ancestors(child):
        for waiter in [m.children[name] for name in m.waiting.get(key, ()) if name in m.children]:
            if not missing_dependencies(m, waiter):
                m.post(waiter.supervisor, Wake(waiter.id))


def _with_ancestors(child: Child) -> Iterator[str]:
    at: Child | None = child
    while at is not None:
        yield at.key
        at = at.parent.child if at.parent is not None else None
