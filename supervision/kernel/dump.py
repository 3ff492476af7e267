"""The whole state of a kernel as JSON, and back.

Whatever the specification says already is not written again: a child that is as declared refers to its declaration.
"""

from collections import deque
from copy import deepcopy
from typing import Any

from supervision.kernel.actions import ChildState
from supervision.kernel.intensity import Window
from supervision.kernel.machine import Machine
from supervision.kernel.records import reader
from supervision.kernel.spec import ChildSpec, SupervisorSpec
from supervision.kernel.state import (
    Child,
    Memory,
    Phase,
    PlanStep,
    Presence,
    Recycling,
    Supervisor,
    message_from_json,
    step_from_json,
)
from supervision.kernel.timers import Timers

VERSION = 1

_plan_step_from_json = reader(PlanStep)
_recycling_from_json = reader(Recycling)

_FLAGS = ("alive", "starting", "stopping", "killed", "dynamic", "leaving")


def dump(m: Machine) -> dict[str, Any]:
    return {
        "version": VERSION,
        "name": m.name,
        "now": m.now,
        "spec": m.root_spec.to_json(),
        "memories": {key: _memory(memory) for key, memory in m.memories.items()},
        "retired": dict(m.retired),
        "retired_floor": m.retired_floor,
        "waiting": {key: [*children] for key, children in m.waiting.items()},
        "timers": m.timers.to_json(),
        "root_refs": [*m.root_refs],
        "root_again": m.root_again,
        "root_stopping": m.root_stopping,
        "applying": None if m.applying is None else [step.to_json() for step in m.applying],
        "carrying": m.carrying,
        **({"recycling": {key: one.to_json() for key, one in m.recycling.items()}} if m.recycling else {}),
        "root": _child(m.root, m.root.spec),
    }


def _memory(memory: Memory) -> list[Any]:
    return [
        memory.incarnation,
        memory.restarts,
        memory.stopped,
        memory.held,
        memory.held_until,
        memory.attempt,
    ]


def _child(child: Child, declared: ChildSpec | None) -> dict[str, Any]:
    """Every field that is not at its default. declared: what the supervisor's specification says of the child."""
    document: dict[str, Any] = {"id": child.id, "state": str(child.state), "since": child.since}
    if child.spec is not declared:
        document["spec"] = child.spec.to_json()
    if child.presence != Presence.UNDEFINED:
        document["presence"] = str(child.presence)
    document.update({flag: True for flag in _FLAGS if getattr(child, flag)})
    if child.exit is not None:
        document["exit"] = child.exit
    if child.started_at:
        document["started_at"] = child.started_at
    if child.override:
        document["override"] = dict(child.override)
    if child.requires:
        document["requires"] = [*child.requires]
    if child.live_body is not None and child.live_body == child.body:
        document["lives_as_declared"] = True
    elif child.live_body is not None:
        document["live_body"] = dict(child.live_body)
    if child.inner is not None:
        document["inner"] = _supervisor(child.inner)
    return document


def _supervisor(supervisor: Supervisor) -> dict[str, Any]:
    declared = _declared(supervisor.spec)
    document: dict[str, Any] = {
        "phase": str(supervisor.phase),
        "children": [
            _child(child, declared.get(child.id, declared.get(""))) for child in supervisor.children.values()
        ],
    }
    if supervisor.spec is not supervisor.child.spec.supervisor:
        document["spec"] = supervisor.spec.to_json()
    if supervisor.gone:
        document["gone"] = [_child(child, declared.get(child.id)) for child in supervisor.gone.values()]
    if supervisor.mailbox:
        document["mailbox"] = [message.to_json() for message in supervisor.mailbox]
    if supervisor.steps:
        document["steps"] = [step.to_json() for step in supervisor.steps]
    if supervisor.window.restarts:
        document["restarts"] = [*supervisor.window.restarts]
    if supervisor.ending:
        document["ending"] = supervisor.ending
    if supervisor.orphans:
        document["orphans"] = sorted(supervisor.orphans)
    return document


def _declared(spec: SupervisorSpec) -> dict[str, ChildSpec]:
    """The declaration of each child by id; that of every instance, the template, under ""."""
    return {"": spec.template} if spec.is_simple else {child.id: child for child in spec.children}


# --- and back ------------------------------------------------------------------------------------------------------------


def load(document: dict[str, Any]) -> Machine:
    """Raises ValueError for a version that is not known."""
    if document["version"] != VERSION:
        raise ValueError(f"kernel state of version {document['version']!r}, this is version {VERSION}")
    m = Machine(document["name"], SupervisorSpec.from_json(document["spec"]), {})
    m.now = document["now"]
    m.memories = {key: Memory(*memory) for key, memory in document["memories"].items()}
    m.retired = dict(document["retired"])
    m.retired_floor = document["retired_floor"]
    m.waiting = {key: dict.fromkeys(children) for key, children in document["waiting"].items()}
    m.timers = Timers.from_json(document["timers"])
    m.root_refs = [*document["root_refs"]]
    m.root_again = document["root_again"]
    m.root_stopping = document["root_stopping"]
    if document["applying"] is not None:
        m.applying = [_plan_step_from_json(step) for step in document["applying"]]
    m.carrying = document["carrying"]
    recycling = document.get("recycling", {})
    m.recycling = {key: _recycling_from_json(one) for key, one in recycling.items()}
    m.root = _load_child(m, document["root"], None, m.root.spec)
    return m


def _load_child(
    m: Machine, document: dict[str, Any], parent: Supervisor | None, declared: ChildSpec | None
) -> Child:
    spec = (
        declared if declared is not None and "spec" not in document else ChildSpec.from_json(document["spec"])
    )
    key = m.name if parent is None else f"{parent.key}/{document['id']}"
    child = Child(key, document["id"], spec, parent, m.memory_of(key))
    child.state = ChildState(document["state"])
    child.since = document["since"]
    child.presence = Presence(document.get("presence", "undefined"))
    for flag in _FLAGS:
        setattr(child, flag, document.get(flag, False))
    child.exit = document.get("exit")
    child.started_at = document.get("started_at", 0.0)
    child.override = document.get("override", {})
    child.requires = tuple(document.get("requires", ()))
    child.live_body = child.body if "lives_as_declared" in document else document.get("live_body")
    m.children[key] = child
    if "inner" in document:
        _load_supervisor(m, child, document["inner"])
    return child


def _load_supervisor(m: Machine, child: Child, document: dict[str, Any]) -> None:
    outer = child.spec.supervisor
    spec = (
        outer if outer is not None and "spec" not in document else SupervisorSpec.from_json(document["spec"])
    )
    place = child.key if child.parent is None else f"{child.parent.declared}/{child.spec.id}"
    supervisor = Supervisor(child.key, child, spec, place)
    child.inner = m.supervisors[child.key] = supervisor
    supervisor.phase = Phase(document["phase"])
    declared = _declared(spec)
    for part in document["children"]:
        supervisor.children[part["id"]] = _load_child(
            m, part, supervisor, declared.get(part["id"], declared.get(""))
        )
    for part in document.get("gone", ()):
        supervisor.gone[part["id"]] = _load_child(m, part, supervisor, declared.get(part["id"]))
    supervisor.mailbox = deque(message_from_json(message) for message in document.get("mailbox", ()))
    supervisor.steps = [step_from_json(deepcopy(step)) for step in document.get("steps", ())]
    supervisor.window = Window(document.get("restarts", ()))
    supervisor.ending = document.get("ending", "")
    supervisor.orphans = set(document.get("orphans", ()))
