"""kill -9 of the node, and of the guardian, with 1,000 children: how long until all are supervised again.

Two clocks that must agree: the journal's own record that everything is adopted, and, from outside, the replacement of a
child that was killed while nobody supervised it. Then every child is compared: same pid, same incarnation, right reason.
"""

import os
import signal
import statistics
import time
from dataclasses import dataclass, field

from bench.contenders.overstory import Overstory, OverstoryPromoting
from bench.engine import ANSWER_TIMEOUT_S, Engine, EngineError
from bench.entry import Entry, Options
from bench.fleet import Fleet, fleet
from bench.processes import gone_within
from bench.report import Figure, Result, Table
from bench.restarts import c_child

COUNT = 1000
LIMIT_MS = 250.0
APART_S = 1.0
"""Between two kills of guardian or node. Nearer than 0.1 s they count as both dead at once, which is another promise."""


@dataclass(slots=True)
class Found:
    """What a kind of kill did, over its rounds."""

    what: str
    adopted_ms: list[float] = field(default_factory=list)
    again_ms: list[float] = field(default_factory=list)
    restarted: int = 0
    wrong: int = 0


def adopt(options: Options) -> Result:
    """Kill the node and the guardian in turn."""
    node, guardian = Found("node"), Found("guardian")
    program = c_child(options)
    with fleet(OverstoryPromoting, program, COUNT, below=options.work, tools=options.tools) as one:
        assert isinstance(one.contender, Overstory)
        engine = one.contender.running
        one.start()
        for _ in range(2 if options.quick else 5):
            for found, pid_of in ((node, engine.node_pid), (guardian, engine.guardian_pid)):
                time.sleep(APART_S)
                _round(one, engine, found, pid_of())
    result = Result("adoption of 1,000 children")
    for found in (node, guardian):
        result.figures += _figures(found)
        result.samples[found.what] = {"adopted_ms": found.adopted_ms, "again_ms": found.again_ms}
    columns = ("killed", "adopted ms", "most", "killed child back ms", "most", "restarted", "reason wrong")
    rows = tuple(_row(found) for found in (node, guardian))
    result.tables.append(Table("kill -9 of node and guardian with 1,000 C children", columns, rows))
    return result


def _round(one: Fleet, engine: Engine, found: Found, pid: int) -> None:
    known = len(_adopted(engine))
    before = {number: child.stamp.pid for number, child in one.living.items()}
    began_boot, began_ns = time.clock_gettime(time.CLOCK_BOOTTIME), time.monotonic_ns()
    os.kill(pid, signal.SIGKILL)
    if not gone_within(pid, ANSWER_TIMEOUT_S):
        raise EngineError(f"{found.what} {pid} does not die")
    number = next(iter(one.living))
    found.again_ms.append(one.kill_oldest(since_ns=began_ns))
    found.adopted_ms.append(1e3 * (_next_adopted(engine, known) - began_boot))
    found.restarted += len(one.absorb())
    views = {child["id"]: child for child in engine.call("tree")["trees"][0]["root"]["children"]}
    for other, child_pid in before.items():
        view = views[f"c{other}"]
        if other == number:
            found.wrong += (view["last_exit"] or {}).get("reason") != "signal(9)"
        else:
            found.restarted += view["pid"] != child_pid or view["state"] != "running"


def _adopted(engine: Engine) -> list[float]:
    return [float(record["b"]) for record in engine.records("node") if record["what"] == "started"]


def _next_adopted(engine: Engine, before: int) -> float:
    """CLOCK_BOOTTIME of the first record after the `before` known ones."""
    deadline = time.monotonic() + ANSWER_TIMEOUT_S
    while len(records := _adopted(engine)) <= before:
        if time.monotonic() > deadline:
            raise EngineError(f"no record of an adoption\n{engine.log()[-3000:]}")
        time.sleep(0.02)
    return records[before]


def _row(found: Found) -> tuple[str | float, ...]:
    return (
        found.what, statistics.median(found.adopted_ms), max(found.adopted_ms), statistics.median(found.again_ms),
        max(found.again_ms), str(found.restarted), str(found.wrong),
    )  # fmt: skip


def _figures(found: Found) -> list[Figure]:
    killed = f"kill -9 of the {found.what} with 1,000 children"
    return [
        Figure(f"{killed}: all adopted", statistics.median(found.adopted_ms), LIMIT_MS, " ms"),
        Figure(
            f"{killed}: a child killed meanwhile is back", statistics.median(found.again_ms), LIMIT_MS, " ms"
        ),
        Figure(f"{killed}: children restarted by it", found.restarted, 0, ""),
        Figure(f"{killed}: wrong exit reasons", found.wrong, 0, ""),
    ]


ENTRIES = (Entry("adopt", "death of node and guardian with 1,000 children", adopt),)
