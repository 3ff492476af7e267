"""What pages cost with 1,000 processes, of which 200 change each second: the server for each page, a live list its browser.

Instance, stores, web processes and Chromium are real; the node of 1,000 is not (bench/programs/many_processes.py).
A page is asked for again and again as a browser would, by somebody who is logged in and may see everything.
"""

import time
from statistics import median

from bench.entry import Entry, Options
from bench.page_cost import PageCost, filters_table, slowest_filter_ms
from bench.pixel import running
from bench.processes import cpu_s
from bench.report import Figure, Result, Table
from bench.samples import quantile
from bench.viewers import beside, told, web_processes
from tests.support.chromium import is_live

PAGES = ("/", "/tree", "/processes", "/health", "/leaks", "/alerts", "/agents", "/workers", "/nodes")
PAGE_LIMIT_MS = 250.0
FRAME_LIMIT_MS = 4.0
FILTER_LIMIT_MS = 50.0
SERVER_LIMIT_CORES = 0.25
SETTLE_S = 3.0


def run(options: Options) -> Result:
    """One page that is open and live, then each page by itself."""
    seconds, times = (10, 10) if options.quick else (60, 50)
    with running(options) as one, beside(one, "bench.programs.many_processes", "1", "1") as feed:
        told(feed)
        page = one.page()
        page.goto(one.url("/processes"))
        is_live(page)
        time.sleep(SETTLE_S)
        cost, web = PageCost(page), web_processes(one)
        before, began = cpu_s(web), time.monotonic()
        frames = cost.frames_ms(one.browser, options.work / "trace.json", seconds=seconds)
        cores = (cpu_s(web) - before) / (time.monotonic() - began)
        filters = cost.filters_ms()
        heap_mb = cost.heap_mb()
        took: dict[str, list[float]] = {path: [] for path in PAGES}
        for path in PAGES * times:
            asked = time.monotonic()
            answer = page.request.get(one.url(path))
            took[path].append(1000 * (time.monotonic() - asked))
            if answer.status != 200:
                raise OSError(f"{path} answered {answer.status}")
        page.context.close()
    result = Result("pages", samples={"pages_ms": took, "frames_ms": frames, "filters_ms": filters})
    slowest = max(PAGES, key=lambda path: quantile(took[path], 0.95))
    slowest_ms = quantile(took[slowest], 0.95)
    result.figures += [
        Figure(f"the slowest page with 1,000 processes ({slowest}), p95", slowest_ms, PAGE_LIMIT_MS, " ms"),
        Figure("a page's main thread for each frame, p95", quantile(frames, 0.95), FRAME_LIMIT_MS, " ms"),
        Figure("the slowest filter over 1,000 rows", slowest_filter_ms(filters), FILTER_LIMIT_MS, " ms"),
        Figure("web processes with one live page", cores, SERVER_LIMIT_CORES, " cores"),
    ]  # fmt: skip
    rows = tuple((path, median(each), quantile(each, 0.95)) for path, each in took.items())
    result.tables.append(
        Table("A page of 1,000 processes, from asked to read", ("page", "median ms", "p95 ms"), rows)
    )
    result.tables.append(
        Table(
            "The list of processes in its browser", ("heap MB", "frame ms p50"), ((heap_mb, median(frames)),)
        )
    )
    result.tables.append(filters_table(filters, "1,000"))
    return result


ABOUT = "what pages cost with 1,000 processes: the server, and a live list its browser"
ENTRIES = (Entry("pages", ABOUT, run),)
