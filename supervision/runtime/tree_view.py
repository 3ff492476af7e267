"""What the control socket shows of a tree: the kernel's view of each child joined with its process."""

from collections.abc import Iterator
from typing import Any

from supervision.kernel import ChildView
from supervision.runtime.clock import Clock
from supervision.runtime.jsontext import encode
from supervision.runtime.own_children import OwnChildren
from supervision.runtime.process_driver import ProcessDriver
from supervision.runtime.tree_runner import TreeRunner


def tree_text(runner: TreeRunner, driver: ProcessDriver, own: OwnChildren, clock: Clock) -> Iterator[str]:
    """The root supervisor with everything below it, nested, as pieces of JSON; times are Unix seconds.

    One child after the other: a thousand of them at once are megabytes of small objects, which stay with the process.
    """
    offset = clock.wall() - clock.boot()
    above: list[str] = []
    comma = ""
    for view in runner.kernel.children():
        while above and above[-1] != view.supervisor:
            above.pop()
            comma = ","
            yield "]}"
        if view.spec.is_supervisor:
            text = encode(supervisor_view(view, runner, offset))
            yield f'{comma}{text[:-1]},"children":['
            above.append(view.key)
            comma = ""
        else:
            yield comma + encode(child_view(view, runner, driver, own, offset))
            comma = ","
    yield "]}" * len(above)


def supervisor_view(view: ChildView, runner: TreeRunner, offset: float) -> dict[str, Any]:
    """Without its children."""
    spec = view.spec.supervisor
    item = _common(view, runner, offset) | {
        "kind": "supervisor",
        "window_used": view.window_used,
    }
    if spec is not None:
        item |= {
            "strategy": str(spec.strategy),
            "intensity": spec.intensity,
            "period": spec.period,
            "auto_shutdown": str(spec.auto_shutdown),
            "stop": str(spec.stop),
            "max_children": spec.max_children,
        }
    return item


def child_view(
    view: ChildView, runner: TreeRunner, driver: ProcessDriver, own: OwnChildren, offset: float
) -> dict[str, Any]:
    run = driver.runs.get(view.key)
    leader = run.leader if run is not None else None
    body = view.spec.body
    section = body.get(str(body.get("kind", "process")), {})
    return _common(view, runner, offset) | {
        "kind": body.get("kind", "process"),
        "pid": leader.pid if leader is not None else None,
        "stage": run.stage if run is not None else None,
        "restart": str(view.spec.restart),
        "status": run.status_text if run is not None else "",
        "ready": view.state == "running",
        "command": section.get("command", []),
        "started_by": run.started_by if run is not None else "",
        "why_exec": run.why_exec if run is not None else "",
        "dynamic": view.dynamic,
        "configured": run.configured if run is not None else None,
        "own_children": [child.to_json() for child in own.of(view.key)],
        "descendants_ending": sorted(leader.victims) if leader is not None else [],
        "blocked": "journal full" if runner.blocked else "",
    }


def _common(view: ChildView, runner: TreeRunner, offset: float) -> dict[str, Any]:
    """What a child and a supervisor both have."""
    return {
        "key": view.key,
        "id": view.id,
        "state": view.state,
        "incarnation": view.incarnation,
        "since": runner.since.get(view.key, view.since + offset if view.since else None),
        "restarts": view.restarts,
        "last_exit": runner.last_exit.get(view.key),
        "wanted": "up" if view.wanted else "down",
        "held": view.held,
        "held_until": None if view.held_until is None else view.held_until + offset,
        "backoff_until": None if view.backoff_until is None else view.backoff_until + offset,
        "waiting_for": list(view.waiting_for),
        "depends_on": list(view.spec.depends_on),
    }
