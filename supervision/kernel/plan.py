"""What applying a revision will do, step by step: the difference between what runs and a new specification.

`applying.py` does exactly these steps, in this order: what can change in place changes first; then what is removed or
changed stops, in reverse start order; then what is changed or added starts, in start order.
"""

from collections.abc import Iterator
from dataclasses import fields

from supervision.kernel.actions import ChildState
from supervision.kernel.machine import Machine
from supervision.kernel.spec import DELIVERED, Body, ChildSpec, SupervisorSpec
from supervision.kernel.state import Child, Phase, PlanStep, Presence, Supervisor
from supervision.kernel.waiting import missing_dependencies


def make_plan(m: Machine, new: SupervisorSpec) -> list[PlanStep]:
    """The steps from what is now to the new specification of the whole tree."""
    root = m.root
    if root.inner is None or root.inner.phase in (Phase.ENDING, Phase.DEAD):
        return [*_down_root(m, new)]
    if is_replaced(root, new):
        return [
            PlanStep("stop", m.name, "its strategy changes"),
            PlanStep("start", m.name, "its strategy changes"),
        ]
    stops = [*_stops(root.inner, new)]
    return [*_updates(m, root, new), *stops[::-1], *_starts(m, root.inner, new)]


def summary(steps: list[PlanStep]) -> list[PlanStep]:
    """One step for each key: the stop and the start of the same child are its restart, in the place of the start."""
    stopped = {step.key for step in steps if step.do == "stop"}
    started = {step.key for step in steps if step.do == "start"}
    short = []
    for step in steps:
        if step.do == "start" and step.key in stopped:
            short.append(PlanStep("restart", step.key, step.why))
        elif step.do != "stop" or step.key not in started:
            short.append(step)
    return short


def _down_root(m: Machine, new: SupervisorSpec) -> Iterator[PlanStep]:
    """Nothing runs. A tree that failed is started again: a revision may be what it needed."""
    changed = new != m.root_spec
    yield PlanStep("update" if changed else "keep", m.name, f"the tree is {m.root.state}")
    if changed and starts_again(m):
        yield PlanStep("start", m.name, f"the tree is {m.root.state}")


def starts_again(m: Machine) -> bool:
    down = m.root.state in (ChildState.FAILED, ChildState.BACKOFF) and m.root.inner is None
    return down and not m.root.memory.stopped and not m.root_stopping


# --- what each child needs ---------------------------------------------------------------------------------------------


def is_replaced(child: Child, new: SupervisorSpec | None) -> bool:
    """Whether a process became a supervisor or the other way, or a supervisor's children are of another kind."""
    old = child.inner.spec if child.inner is not None else None
    if old is None or new is None:
        return (old is None) != (new is None)
    return old.is_simple != new.is_simple


def why_restarted(child: Child, new: ChildSpec) -> str:
    """Why a child that runs must stop and start; "" if it need not."""
    if not (child.alive or child.starting):
        return ""
    if is_replaced(child, new.supervisor):
        return "it becomes another kind of child"
    if child.inner is not None:
        return ""
    old, body = _of_a_life(child.live_body or {}), _of_a_life({**new.body, **child.override})
    return f"changed: {', '.join(_changed_parts(old, body))}" if old != body else ""


def _of_a_life(body: Body) -> Body:
    """The part of a body that holds for a whole life."""
    return {name: part for name, part in body.items() if name != DELIVERED} if DELIVERED in body else body


def _changed_parts(old: object, new: object, at: str = "") -> list[str]:
    """Pointers to what differs in a body."""
    if isinstance(old, dict) and isinstance(new, dict):
        names = [name for name in {**old, **new} if old.get(name, ...) != new.get(name, ...)]
        return [
            part for name in names for part in _changed_parts(old.get(name), new.get(name), f"{at}/{name}")
        ]
    return [at or "/"]


def _new_specs(supervisor: Supervisor, new: SupervisorSpec) -> dict[str, ChildSpec]:
    """The new specification of each child by id; all instances have that of the template."""
    if new.is_simple:
        return dict.fromkeys(supervisor.children, new.template)
    return {spec.id: spec for spec in new.children}


def _is_kept(child: Child, specs: dict[str, ChildSpec]) -> bool:
    """Whether the revision leaves the child in the tree; what start_child added stays."""
    return child.id in specs or child.dynamic


# --- the three parts ---------------------------------------------------------------------------------------------------


def _updates(m: Machine, child: Child, new: SupervisorSpec) -> Iterator[PlanStep]:
    """What changes in place, and what does not change, in start order."""
    inner = child.inner
    if inner is None:
        return
    what = [*_differing(inner.spec, new, skip=("children",))]
    yield PlanStep("update" if what else "keep", child.key, f"changed: {', '.join(what)}" if what else "")
    specs = _new_specs(inner, new)
    for part in [*inner.children.values(), *inner.gone.values()]:
        part_spec = specs.get(part.id, part.spec if part.dynamic else None)
        if part_spec is None or _why_started(m, part, part_spec):
            continue
        if part.inner is not None and part_spec.supervisor is not None:
            yield from _updates(m, part, part_spec.supervisor)
            continue
        changes = [*_differing(part.spec, part_spec)]
        yield PlanStep(
            "update" if changes else "keep", part.key, f"changed: {', '.join(changes)}" if changes else ""
        )


def _differing(old: SupervisorSpec | ChildSpec, new: object, skip: tuple[str, ...] = ()) -> Iterator[str]:
    names = (field.name for field in fields(old) if field.name not in skip)
    return (name for name in names if getattr(old, name) != getattr(new, name))


def _stops(supervisor: Supervisor, new: SupervisorSpec) -> Iterator[PlanStep]:
    """What stops, in start order (the caller turns it round)."""
    specs = _new_specs(supervisor, new)
    for child in supervisor.children.values():
        if not _is_kept(child, specs):
            yield PlanStep("stop", child.key, "removed")
            continue
        spec = specs.get(child.id, child.spec)
        why = why_restarted(child, spec)
        if why:
            yield PlanStep("stop", child.key, why)
        elif child.inner is not None and spec.supervisor is not None:
            yield from _stops(child.inner, spec.supervisor)


def _starts(m: Machine, supervisor: Supervisor, new: SupervisorSpec) -> Iterator[PlanStep]:
    """What starts, in the new start order."""
    specs = _new_specs(supervisor, new)
    added = [child.id for child in supervisor.children.values() if child.dynamic and child.id not in specs]
    for child_id in [*specs, *added]:
        key = f"{supervisor.key}/{child_id}"
        memory, child = m.memories.get(key), m.children.get(key)
        kept_down = memory is not None and (memory.stopped or memory.held)
        if child is None:
            why = "added"
        else:
            spec = specs.get(child_id, child.spec)
            why = _why_started(m, child, spec)
        if why and not kept_down:
            yield PlanStep("start", key, why)
        elif not why and child is not None and child.inner is not None and spec.supervisor is not None:
            yield from _starts(m, child.inner, spec.supervisor)


def _why_started(m: Machine, child: Child, spec: ChildSpec) -> str:
    return why_restarted(child, spec) or _unfinished(m, child) or _gone_and_changed(child, spec)


def _unfinished(m: Machine, child: Child) -> str:
    """An earlier revision was still at work: the child has its start before it."""
    turn = child.state == ChildState.WAITING and child.presence == Presence.UNDEFINED and not child.starting
    mine = child.supervisor.phase == Phase.RUNNING and not child.leaving
    return "its start was still to come" if turn and mine and not missing_dependencies(m, child) else ""


def _gone_and_changed(child: Child, spec: ChildSpec) -> str:
    """A job that has ended runs again when it is another job now."""
    if child.id in child.supervisor.gone and _of_a_life(child.live_body or {}) != _of_a_life(spec.body):
        return "changed since it ended"
    return ""
