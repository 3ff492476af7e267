"""OTP's calls to a supervisor, answered in OTP's terms.

OTP supervisor.erl: the clauses of `handle_call/3`, and `code_change/3`. A call that starts or stops something replies
when that is done: its ref goes into the step.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from supervision.kernel.actions import ChildState
from supervision.kernel.checks import SpecError
from supervision.kernel.dependencies import requirements
from supervision.kernel.events import (
    BadSpec,
    ChangeSpec,
    CountChildren,
    DeleteChild,
    GetChildspec,
    RestartChild,
    StartChild,
    TerminateChild,
    WhichChildren,
)
from supervision.kernel.machine import Machine
from supervision.kernel.reasons import Term
from supervision.kernel.spec import ChildSpec, ChildType, Shutdown, SupervisorSpec, check_significant
from supervision.kernel.state import Asked, Child, Presence, Purpose, StartOne, StopOne, Supervisor
from supervision.kernel.waiting import may_start

OK: Term = ["ok"]
SIMPLE: Term = ["error", "simple_one_for_one"]
NOT_FOUND: Term = ["error", "not_found"]

Later = None
"""What an answer returns when the reply comes with the end of a step."""


def answer_call(m: Machine, supervisor: Supervisor, message: Asked) -> None:
    reply = _ANSWERS[type(message.request)](m, supervisor, message.request, message.ref)
    if reply is not Later:
        m.reply(message.ref, reply)


# --- start_child -----------------------------------------------------------------------------------------------------------


def _start_child(m: Machine, supervisor: Supervisor, request: StartChild, ref: str) -> Term:
    if supervisor.spec.is_simple:
        return _start_instance(m, supervisor, request, ref)
    spec = request.child
    if spec is None:
        return ["error", "missing_id"]
    if isinstance(spec, BadSpec):
        return ["error", spec.reason]
    try:
        check_significant(spec.significant, spec.restart, supervisor.spec.auto_shutdown)
        requires = _requirements_of_new(m, supervisor, spec)
    except SpecError as error:
        return ["error", error.reason]
    present = supervisor.children.get(spec.id)
    if present is not None and present.presence == Presence.PID:
        return ["error", ["already_started", process_name(present)]]
    if present is not None:
        return ["error", "already_present"]
    return _start_new(m, supervisor, spec, ref, requires=requires)


def _requirements_of_new(m: Machine, supervisor: Supervisor, spec: ChildSpec) -> tuple[str, ...]:
    """Keys that a child to be added depends on: the tree is checked as it would be with the child. Raises SpecError."""
    if not spec.depends_on:
        return ()
    living = [child.spec for child in supervisor.children.values() if child.id != spec.id]
    grafted = replace(supervisor.spec, children=(*living, spec))
    at = supervisor.child
    while at.parent is not None:
        siblings = [replace(s, supervisor=grafted) if s.id == at.id else s for s in at.parent.spec.children]
        grafted = replace(at.parent.spec, children=tuple(siblings))
        at = at.parent.child
    return requirements(m.name, grafted).get(f"{supervisor.key}/{spec.id}", ())


def _start_instance(m: Machine, supervisor: Supervisor, request: StartChild, ref: str) -> Term:
    template = supervisor.spec.template
    label = request.instance
    if not label or "/" in label:
        return ["error", ["invalid_instance", label]]
    present = supervisor.children.get(label)
    if present is not None:
        return ["error", ["already_started", process_name(present)]]
    return _start_new(m, supervisor, template, ref, instance=label, override=request.body)


def _start_new(m: Machine, supervisor: Supervisor, spec: ChildSpec, ref: str, **how: Any) -> Term:
    bound = supervisor.spec.max_children
    if bound is not None and len(supervisor.children) >= bound:
        return ["error", "max_children"]
    child = m.add_child(supervisor, spec, dynamic=True, **how)
    if not may_start(m, child):
        return ["ok", None]
    supervisor.steps.append(StartOne(child.id, Purpose.START_CHILD, ref))
    return Later


# --- terminate, restart, delete --------------------------------------------------------------------------------------------


def _terminate_child(m: Machine, supervisor: Supervisor, request: TerminateChild, ref: str) -> Term:
    if supervisor.spec.is_simple:
        if request.process is None:
            return SIMPLE
        child = supervisor.children.get(request.process.removeprefix(f"{supervisor.key}/"))
        if child is None:
            return NOT_FOUND if _is_alive(m, request.process) else OK
    else:
        child = supervisor.children.get(request.id or "")
        if child is None:
            return NOT_FOUND
    supervisor.steps.append(StopOne(child.id, ref))
    return Later


def _restart_child(m: Machine, supervisor: Supervisor, request: RestartChild, ref: str) -> Term:
    child = supervisor.children.get(request.id or "")
    refused = _not_undefined(supervisor, child)
    if refused is not None or child is None:
        return refused
    if may_start(m, child):
        supervisor.steps.append(StartOne(child.id, Purpose.RESTART_CHILD, ref))
        return Later
    return ["error", "stopped"] if child.memory.stopped else ["ok", None]


def _delete_child(m: Machine, supervisor: Supervisor, request: DeleteChild, ref: str) -> Term:
    child = supervisor.children.get(request.id or "")
    refused = _not_undefined(supervisor, child)
    if refused is not None or child is None:
        return refused
    m.delete_child(child)
    return OK


def _not_undefined(supervisor: Supervisor, child: Child | None) -> Term:
    """Why `restart_child` and `delete_child` do nothing; None: the child has no process, they may."""
    if supervisor.spec.is_simple:
        return SIMPLE
    if child is None:
        return NOT_FOUND
    match child.presence:
        case Presence.UNDEFINED:
            return None
        case Presence.RESTARTING:
            return ["error", "restarting"]
        case Presence.PID:
            return ["error", "running"]


# --- questions -------------------------------------------------------------------------------------------------------------


def _get_childspec(m: Machine, supervisor: Supervisor, request: GetChildspec, ref: str) -> Term:
    if supervisor.spec.is_simple and request.process is not None:
        label = request.process.removeprefix(f"{supervisor.key}/")
        known = label in supervisor.children or not _is_alive(m, request.process)
        return ["ok", _childspec(supervisor.spec.template)] if known else NOT_FOUND
    if supervisor.spec.is_simple:
        template = supervisor.spec.template
        return ["ok", _childspec(template)] if request.id == template.id else NOT_FOUND
    child = supervisor.children.get(request.id or "")
    return NOT_FOUND if child is None else ["ok", _childspec(child.spec)]


def _childspec(spec: ChildSpec) -> Term:
    """OTP's fields, with defaults filled in. shutdown in seconds."""
    shutdown = str(spec.shutdown) if isinstance(spec.shutdown, Shutdown) else spec.shutdown
    return {
        "id": spec.id,
        "restart": str(spec.restart),
        "shutdown": shutdown,
        "type": str(spec.type),
        "significant": spec.significant,
    }


def _which_children(m: Machine, supervisor: Supervisor, request: WhichChildren, ref: str) -> Term:
    """Latest started first; the children of a simple_one_for_one supervisor have no order in OTP, here that of their key."""
    if supervisor.spec.is_simple:
        kind = str(supervisor.spec.template.type)
        known = sorted(_shown(child) for child in _instances(supervisor))
        return [[None, shown, kind] for shown in known]
    children = reversed(supervisor.children.values())
    return [[child.id, _shown(child) or None, str(child.spec.type)] for child in children]


def _shown(child: Child) -> str:
    match child.presence:
        case Presence.UNDEFINED:
            return ""
        case Presence.RESTARTING:
            return "restarting"
        case Presence.PID:
            return process_name(child)


def _count_children(m: Machine, supervisor: Supervisor, request: CountChildren, ref: str) -> Term:
    """`[specs, active, supervisors, workers]`. OTP asks whether a process is alive, but not in simple_one_for_one."""
    if supervisor.spec.is_simple:
        instances = _instances(supervisor)
        active = sum(child.presence == Presence.PID for child in instances)
        workers = supervisor.spec.template.type == ChildType.WORKER
        return [1, active, 0 if workers else len(instances), len(instances) if workers else 0]
    children = supervisor.children.values()
    living = sum(child.presence == Presence.PID and child.alive for child in children)
    supervisors = sum(child.spec.type == ChildType.SUPERVISOR for child in children)
    return [len(children), living, supervisors, len(children) - supervisors]


def _instances(supervisor: Supervisor) -> list[Child]:
    """OTP's dynamic children: those with a process, or about to have one again."""
    return [child for child in supervisor.children.values() if child.presence != Presence.UNDEFINED]


def process_name(child: Child) -> str:
    """What stands for a pid in replies."""
    return f"{child.key}#{child.memory.incarnation}"


def _is_alive(m: Machine, key: str) -> bool:
    child = m.children.get(key)
    return child is not None and child.alive


# --- code change ----------------------------------------------------------------------------------------------------


def _change_spec(m: Machine, supervisor: Supervisor, request: ChangeSpec, ref: str) -> Term:
    """OTP `code_change/3`: flags and specifications change, no process is started or stopped.

    A supervisor cannot become simple_one_for_one or cease to be (OTP would lose its children).
    """
    new = request.spec
    if new is None:
        return OK
    if isinstance(new, BadSpec):
        return ["error", new.reason]
    if new.is_simple != supervisor.spec.is_simple:
        return ["error", "bad_start_spec"]
    set_spec(m, supervisor, new)
    supervisor.child.spec = replace(supervisor.child.spec, supervisor=new)
    return OK


def set_spec(m: Machine, supervisor: Supervisor, new: SupervisorSpec) -> None:
    """Take the new specification. Children that it does not know are kept, after the others (OTP `update_childspec`)."""
    supervisor.spec = new
    if new.is_simple:
        for child in supervisor.children.values():
            child.spec = new.template
        return
    kept = supervisor.children
    supervisor.children = {}
    for spec in new.children:
        if spec.id in kept:
            child = supervisor.children[spec.id] = kept.pop(spec.id)
            child.spec = spec
        else:
            m.add_child(supervisor, spec).state = ChildState.STOPPED
    supervisor.children.update(kept)


# Any: each answer takes its own kind of request, which a table cannot say.
_ANSWERS: dict[type, Callable[[Machine, Supervisor, Any, str], Term]] = {
    StartChild: _start_child,
    TerminateChild: _terminate_child,
    RestartChild: _restart_child,
    DeleteChild: _delete_child,
    GetChildspec: _get_childspec,
    WhichChildren: _which_children,
    CountChildren: _count_children,
    ChangeSpec: _change_spec,
}
