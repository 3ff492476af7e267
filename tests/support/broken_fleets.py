"""Five fleets that are broken, each in one way that somebody planted; and the words that name the fault."""

import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ROOT / "tests/support"
STAY_DOWN = {"action": "stay_down"}
SLEEP = ["/bin/sleep", "100000"]
NO_TABLE = "relation orders does not exist"
FULL = "no space left on device"
PYTHON = [sys.executable, "-I", "-S", "-c"]


def process(child_id: str, command: list[str], **fields: Any) -> dict[str, Any]:
    section = {"command": command, **fields.pop("process", {})}
    return {"id": child_id, "process": section, **fields}


def document(name: str, *children: dict[str, Any], **supervisor: Any) -> dict[str, Any]:
    return {
        "version": 1,
        "tree": name,
        "supervisor": {**supervisor, "children": list(children)},
        "on_failure": STAY_DOWN,
    }


def crash_loop() -> dict[str, Any]:
    """A program that ends with the same error each time; its supervisor gives up."""
    crashes = [*PYTHON, f"raise LookupError({NO_TABLE!r})"]
    return document("loop", process("db", SLEEP), process("orders", crashes))


def leak() -> dict[str, Any]:
    """Descriptors, five a second: what the detector of floods finds soonest."""
    command = [sys.executable, str(PROGRAMS / "leaking.py"), "descriptors", "/tmp"]
    return document("leak", process("reader", command))


def dead_dependency() -> dict[str, Any]:
    """What everything waits for cannot start."""
    dies = [*PYTHON, f"import sys; sys.exit({FULL!r})"]
    return document(
        "chain",
        process(
            "store", dies, restart="temporary", process={"readiness": {"notify": True, "deadline": "60s"}}
        ),
        process("api", SLEEP, depends_on=["store"]),
        process("page", SLEEP, depends_on=["api"]),
    )


def environment(broker: str) -> dict[str, str]:
    return {
        "PYTHONPATH": f"{ROOT / 'agents/sdk/src'}:{PROGRAMS / 'task_programs'}",
        "SHOP_BROKER": broker,
        "PYTHONUNBUFFERED": "1",
    }


def poison_task(broker: str) -> dict[str, Any]:
    """A supervised task that kills each process it runs in, until it is parked."""
    starts = "from shop import app, poison; from overstory.celery import TaskSupervisor; "
    starts += "TaskSupervisor('poison', app).start_child(poison)"
    return document(
        "poison",
        worker("worker", broker, queues=["shop"]),
        process(
            "starter",
            [sys.executable, "-c", starts],
            restart="temporary",
            depends_on=["worker"],
            process={"environment": environment(broker)},
        ),
        intensity=100,
    )


def stuck_worker(broker: str) -> dict[str, Any]:
    """A Celery worker that the test stops with SIGSTOP: it lives, and does nothing."""
    return document("stuck", worker("worker", broker, queues=["stuck"], watchdog="6s"), intensity=0)


def worker(child_id: str, broker: str, **fields: Any) -> dict[str, Any]:
    section = {
        "app": "shop",
        "cwd": str(PROGRAMS / "task_programs"),
        "python": sys.executable,
        "concurrency": 1,
        "environment": environment(broker),
        **fields,
    }
    return {"id": child_id, "celery_worker": section, "shutdown": "6s"}


def write_all(directory: Path, broker: str) -> list[Path]:
    """Their tree files."""
    files = []
    for made in (crash_loop(), leak(), dead_dependency(), poison_task(broker), stuck_worker(broker)):
        file = directory / f"{made['tree']}.yaml"
        file.write_text(json.dumps(made))
        files.append(file)
    return files
