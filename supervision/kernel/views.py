"""What a tree looks like from outside: one view for each child and supervisor, also of what is not running."""

from collections.abc import Iterator
from typing import NamedTuple

from supervision.kernel.actions import ChildState
from supervision.kernel.machine import Machine
from supervision.kernel.spec import ChildSpec, SupervisorSpec
from supervision.kernel.state import Child, Memory
from supervision.kernel.waiting import missing_dependencies


class ChildView(NamedTuple):
    """One child or supervisor as a page shows it. Times are on the scale of `now`.

    supervisor      key of its supervisor, None for the root
    incarnation     of the life now, or the last one; 0 before the first
    restarts        how often its supervisor started it again
    wanted          False while an operator's stop stands
    held            a hold stands; held_until None: without expiry
    waiting_for     keys that are not ready, while the state is `waiting`
    backoff_until   while the state is `backoff`
    window_used     for a running supervisor: restarts that count against its intensity now
    alive           a process (or a supervisor that is at work) exists
    dynamic         added by start_child, not declared
    """

    key: str
    id: str
    spec: ChildSpec
    supervisor: str | None
    state: str
    incarnation: int
    restarts: int
    since: float
    wanted: bool
    held: bool
    held_until: float | None
    waiting_for: tuple[str, ...]
    backoff_until: float | None
    window_used: int
    alive: bool
    dynamic: bool


def views(m: Machine) -> Iterator[ChildView]:
    """Depth first, the root first, then in start order; a stack of our own instead of recursion."""
    stack: list[Iterator[ChildView | Child]] = [iter([m.root])]
    while stack:
        item = next(stack[-1], None)
        if item is None:
            stack.pop()
        elif isinstance(item, ChildView):
            yield item
        else:
            yield _view(m, item)
            stack.append(_inside(m, item))


def view(m: Machine, key: str) -> ChildView | None:
    child = m.children.get(key)
    if child is not None:
        return _view(m, child)
    spec = m.declaration(key)
    return None if spec is None else _declared(m, key, spec)


def _inside(m: Machine, child: Child) -> Iterator[ChildView | Child]:
    """The children of a supervisor; of one that is not running, what its specification declares."""
    if child.inner is not None:
        yield from child.inner.children.values()
        yield from child.inner.gone.values()
    elif child.spec.supervisor is not None:
        yield from _all_declared(m, child.key, child.spec.supervisor)


def _all_declared(m: Machine, above: str, spec: SupervisorSpec) -> Iterator[ChildView]:
    for part in () if spec.is_simple else spec.children:
        key = f"{above}/{part.id}"
        yield _declared(m, key, part)
        if part.supervisor is not None:
            yield from _all_declared(m, key, part.supervisor)


def _declared(m: Machine, key: str, spec: ChildSpec) -> ChildView:
    """A child whose supervisor does not run."""
    memory = m.memories.get(key) or Memory(m.retired.get(key, 0))
    above = key.rpartition("/")[0]
    down = above
    while down not in m.children:
        down = down.rpartition("/")[0]
    return ChildView(
        key=key,
        id=spec.id,
        spec=spec,
        supervisor=above,
        state=ChildState.STOPPED,
        incarnation=memory.incarnation,
        restarts=memory.restarts,
        since=m.children[down].since,
        wanted=not memory.stopped,
        held=memory.held,
        held_until=memory.held_until,
        waiting_for=(),
        backoff_until=None,
        window_used=0,
        alive=False,
        dynamic=False,
    )


def _view(m: Machine, child: Child) -> ChildView:
    memory = child.memory
    inner = child.inner
    waiting = tuple(missing_dependencies(m, child)) if child.state == ChildState.WAITING else ()
    backoff = m.timers.when("root" if child is m.root else "backoff", child.key)
    return ChildView(
        key=child.key,
        id=child.id,
        spec=child.spec,
        supervisor=child.parent.key if child.parent is not None else None,
        state=child.state,
        incarnation=memory.incarnation,
        restarts=memory.restarts,
        since=child.since,
        wanted=not memory.stopped,
        held=memory.held,
        held_until=memory.held_until,
        waiting_for=waiting,
        backoff_until=backoff if child.state == ChildState.BACKOFF else None,
        window_used=inner.window.used(m.now, inner.spec.period) if inner is not None else 0,
        alive=child.alive,
        dynamic=child.dynamic,
    )
