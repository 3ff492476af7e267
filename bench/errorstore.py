"""Error events stored, grouped and visible per second, sustained, beside Bugsink; what an event takes on disk; and how long
the intake takes at 60 percent of its own maximum.

Both get the same events from the same program, one after the other: as fast as they are answered, but never more than WINDOW
accepted and not yet visible, so that what is measured is the whole way and not a queue that fills. Ours is `make run` with
its own stores, its pages serving beside it.
"""

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import bugsink
from bench.engine import EngineError
from bench.entry import Entry, Options
from bench.report import Figure, Result, Table
from bench.samples import p50, p99
from tests.support.attacked import Platform, attacked
from tests.support.tellers import project_of
from tests.support.waiting import wait_for

PROGRAM = Path(__file__).parent / "programs/error_sender.py"
EVENT = Path(__file__).resolve().parents[1] / "tests/data/sentry_envelopes/01-exception-chained.body"
CONNECTIONS = 8
WINDOW = 500
TIMES_AT_LEAST = 5.0
INTAKE_LIMIT_MS = 50.0
PART = 0.6
WARM_S = 3.0
LOOK_EVERY_S = 0.2
VISIBLE = """
SELECT coalesce(sum(s.count), 0)::bigint FROM supervision_errorissuestat AS s
JOIN supervision_errorissue AS i ON i.id = s.issue_id
WHERE i.project_id = %s"""
WAITING = "SELECT count(*) FROM supervision_errorintake"
BYTES = """
SELECT sum(pg_total_relation_size(c.oid))::bigint FROM pg_class AS c
WHERE c.relkind IN ('r', 'p') AND c.relname LIKE 'supervision_error%%' AND c.relname <> 'supervision_errorintake'"""


Told = dict[str, Any]
"""Any: numbers, and a list of times."""


def send(
    port: int, project: int, key: str, visible: Callable[[], int], *, seconds: float, rate: float = 0.0
) -> Told:
    """What the program said, with `visible`: how many came to be visible in its time."""
    argv = [
        sys.executable, str(PROGRAM), str(port), str(project), key, str(EVENT), str(CONNECTIONS), str(seconds),
        str(rate), str(WINDOW),
    ]  # fmt: skip
    before = visible()
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    said: list[str] = []
    assert process.stdout is not None
    assert process.stdin is not None
    output = process.stdout
    reader = threading.Thread(target=lambda: said.append(output.read()))
    reader.start()
    began, after = time.monotonic(), before
    while process.poll() is None:
        after = visible()
        try:
            process.stdin.write(f"{after - before}\n")
            process.stdin.flush()
        except OSError:
            break
        time.sleep(LOOK_EVERY_S)
    took = time.monotonic() - began
    after = visible()
    process.wait()
    reader.join()
    output.close()
    with contextlib.suppress(OSError):
        process.stdin.close()
    if process.returncode:
        raise EngineError("the sender failed")
    told: Told = json.loads(said[0])
    return {**told, "visible": after - before, "seconds": took}


def run(options: Options) -> Result:
    seconds = 10.0 if options.quick else 60.0
    result = Result("errors")
    ours, latencies, rate = _ours(options, seconds)
    rows: list[tuple[str | float, ...]] = [("Overstory", ours["rate"], ours["bytes"], ours["refused"])]
    result.figures.append(
        Figure(f"intake at {rate:.0f} events a second, p99", p99(latencies), INTAKE_LIMIT_MS, " ms")
    )
    if options.invites("bugsink"):
        theirs = _theirs(options, seconds)
        rows.append(("Bugsink", theirs["rate"], theirs["bytes"], theirs["refused"]))
        times = ours["rate"] / max(theirs["rate"], 0.001)
        result.figures.append(
            Figure(
                "events visible per second, beside Bugsink", times, TIMES_AT_LEAST, " times", at_least=True
            )
        )
        result.samples["bugsink"] = theirs
    result.samples |= {"overstory": ours, "intake_ms": latencies}
    result.tables += [
        Table(
            f"Error events stored, grouped and visible, sustained for {seconds:.0f} s",
            ("store", "events/s", "bytes an event", "refused"),
            tuple(rows),
        ),
        Table(
            f"Intake at {100 * PART:.0f} % of that",
            ("events/s", "p50 ms", "p99 ms"),
            ((rate, p50(latencies), p99(latencies)),),
        ),
    ]
    return result


def _ours(options: Options, seconds: float) -> tuple[dict[str, float], list[float], float]:
    with attacked(options.work / "errors") as platform:
        project, key = project_of(platform, "bench")

        def visible() -> int:
            return _number(platform, VISIBLE, project)

        def go(seconds: float, rate: float = 0.0) -> Told:
            return send(platform.port, project, key, visible, seconds=seconds, rate=rate)

        go(WARM_S)
        wait_for(lambda: _number(platform, WAITING) == 0, timeout=60, what="the intake is digested")
        bytes_before, events_before = _number(platform, BYTES), visible()
        told = go(seconds)
        wait_for(lambda: _number(platform, WAITING) == 0, timeout=120, what="the intake is digested")
        each = (_number(platform, BYTES) - bytes_before) / max(1, visible() - events_before)
        found = _summary(told, each)
        rate = PART * found["rate"]
        times = go(seconds, rate)["times_ms"]
    return found, times, rate


def _theirs(options: Options, seconds: float) -> dict[str, float]:
    with bugsink.running(options.tools, options.work / "bugsink") as one:

        def go(seconds: float) -> Told:
            return send(one.port, one.project, one.key, one.visible, seconds=seconds)

        go(WARM_S)
        settled(one.visible)
        bytes_before, events_before = one.stored_bytes(), one.visible()
        told = go(seconds)
        settled(one.visible)
        each = (one.stored_bytes() - bytes_before) / max(1, one.visible() - events_before)
        return _summary(told, each)


def settled(visible: Callable[[], int]) -> None:
    """Until nothing more comes to be visible for two seconds."""
    before, same = visible(), 0
    while same < 4:
        time.sleep(0.5)
        now = visible()
        same, before = (same + 1 if now == before else 0), now


def _summary(told: Told, bytes_each: float) -> dict[str, float]:
    return {
        "rate": told["visible"] / told["seconds"],
        "accepted": told["accepted"],
        "visible": told["visible"],
        "refused": told["refused"] + told["broken"],
        "seconds": told["seconds"],
        "bytes": bytes_each,
    }


def _number(platform: Platform, query: str, *values: object) -> int:
    found = platform.rows(query, *values)[0][0]
    return int(str(found or 0))


ABOUT = "error events stored, grouped and visible per second beside Bugsink; the intake's p99"
ENTRIES = (Entry("errors", ABOUT, run, peers=("bugsink",)),)
