"""A hundred people look at ten thousand processes, of which two thousand change each second.

Instance, stores, web processes, sockets and browser are real; the ten nodes are not, no machine of this size runs so many
processes: a program writes what their couriers and samplers would (bench/programs/many_processes.py). The viewers are
another (bench/programs/crowd.py), and a page in Chromium.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import linear_regression, median
from typing import Any

from bench.entry import Entry, Options
from bench.page_cost import PageCost, filters_table, slowest_filter_ms
from bench.pixel import Running, running
from bench.processes import cpu_s, pss_mb
from bench.report import Figure, Result, Table
from bench.samples import quantile
from tests.support.chromium import is_live
from tests.support.foreground import ROOT

VIEWERS = 100
EACH_LIMIT_KB = 80.0
CPU_LIMIT_CORES = 1.0
LATE_LIMIT_MS = 500.0
FRAME_LIMIT_MS = 4.0
FILTER_LIMIT_MS = 50.0
HEAP_LIMIT_MB = 10.0
"""Growth over the second half of the time, by a line through it; of an hour with `make soak MINUTES=60`."""
LOOK_EVERY_S = 2.0


@dataclass
class Seen:
    """What was read while everything ran. `memory`: second, MB of the web processes, MB of the page's heap."""

    crowd: dict[str, Any] = field(default_factory=dict)
    web_cores: float = 0.0
    memory: list[tuple[float, float, float]] = field(default_factory=list)
    frames_ms: list[float] = field(default_factory=list)
    filters_ms: dict[str, list[float]] = field(default_factory=dict)

    def growth_mb(self, column: int) -> float:
        """Of the second half, by the line of least squares."""
        late = self.memory[len(self.memory) // 2 :]
        times = [row[0] for row in late]
        return linear_regression(times, [row[column] for row in late]).slope * (times[-1] - times[0])


def watch(options: Options, *, seconds: float) -> Seen:
    """Let everybody look for `seconds`."""
    seen = Seen()
    with running(options) as one, beside(one, "bench.programs.many_processes", str(VIEWERS)) as feed:
        tokens = told(feed)
        page = one.page()
        page.goto(one.url("/processes"))
        is_live(page)
        cost = PageCost(page)
        url = f"ws://127.0.0.1:{one.port}/ws/live"
        with beside(one, "bench.programs.crowd", url, str(seconds)) as crowd:
            assert crowd.stdin is not None
            crowd.stdin.write(json.dumps(tokens))
            crowd.stdin.close()
            told(crowd)
            told(crowd)
            web = web_processes(one)
            before, began = cpu_s(web), time.monotonic()
            while (passed := time.monotonic() - began) < seconds - LOOK_EVERY_S:
                seen.memory.append((passed, pss_mb(web), cost.heap_mb()))
                time.sleep(LOOK_EVERY_S)
            seen.web_cores = (cpu_s(web) - before) / (time.monotonic() - began)
            seen.crowd = told(crowd)
        if feed.poll() is not None:
            raise OSError(f"the feed ended with {feed.returncode}")
        seen.frames_ms = cost.frames_ms(one.browser, options.work / "trace.json", seconds=10)
        seen.filters_ms = cost.filters_ms()
        page.context.close()
    return seen


def run(options: Options) -> Result:
    return report(watch(options, seconds=30 if options.quick else 120))


def report(seen: Seen) -> Result:
    """The figures of what was seen."""
    seconds = seen.crowd["seconds"]
    rates = {kind: [each / seconds / 1000 for each in taken] for kind, taken in seen.crowd["bytes"].items()}
    late = seen.crowd["late_ms"]
    result = Result(
        "viewers",
        samples={
            "crowd": seen.crowd,
            "memory": seen.memory,
            "frames_ms": seen.frames_ms,
            "filters_ms": seen.filters_ms,
        },
    )
    result.figures += [
        Figure(f"to each of {VIEWERS} viewers, most", max(map(max, rates.values())), EACH_LIMIT_KB, " kB/s"),
        Figure("viewers that were sent away as silent", seen.crowd["again"], 0, ""),
        Figure("web processes together", seen.web_cores, CPU_LIMIT_CORES, " cores"),
        Figure("from a change to the frame that shows it, p95", quantile(late, 0.95), LATE_LIMIT_MS, " ms"),
        Figure(
            "a page's main thread for each frame, p95", quantile(seen.frames_ms, 0.95), FRAME_LIMIT_MS, " ms"
        ),
        Figure(
            "the slowest filter over 10,000 rows", slowest_filter_ms(seen.filters_ms), FILTER_LIMIT_MS, " ms"
        ),
        Figure("web processes' memory, growth over the second half", seen.growth_mb(1), HEAP_LIMIT_MB, " MB"),
        Figure("a page's heap, growth over the second half", seen.growth_mb(2), HEAP_LIMIT_MB, " MB"),
    ]
    rows = tuple((kind, len(each), median(each), max(each)) for kind, each in rates.items())
    columns = ("subscription", "viewers", "kB/s median", "kB/s most")
    result.tables.append(Table("10,000 processes, 2,000 changes a second, over the wire", columns, rows))
    result.tables.append(filters_table(seen.filters_ms, "10,000"))
    return result


@contextlib.contextmanager
def beside(one: Running, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A program of ours with the instance's stores, ended with the block."""
    environment = os.environ | {
        "OVERSTORY_DATA_DIR": str(one.up.data_dir),
        "OVERSTORY_PORT": str(one.port),
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
    }
    started = subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with started:  # closes its pipes
        try:
            yield started
        finally:
            started.kill()


def told(program: subprocess.Popen[str]) -> Any:  # what it says is JSON of its own
    """Its next line; OSError when it ended."""
    assert program.stdout is not None
    line = program.stdout.readline()
    if not line:
        raise OSError(f"{program.args!r} ended with {program.wait()}")
    return json.loads(line)


def web_processes(one: Running) -> list[int]:
    """Pids of those that serve pages."""
    found = [child.pid for child in one.up.observed().processes() if child.key.startswith("system/web@")]
    return [pid for pid in found if pid is not None]


ABOUT = "100 viewers of 10,000 processes with 2,000 changes a second: what it costs server, wire and browser"
ENTRIES = (Entry("viewers", ABOUT, run),)
