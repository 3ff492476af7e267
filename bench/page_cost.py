"""What a live page costs its browser: heap over time, the main thread's time for each frame, a filter's time.

The thread's time is read from Chromium's own trace: processor time of the tasks of the page's main thread, summed from one
message of the socket to the next, so that everything a frame sets off counts (parsing, tables, canvases, layout, paint), and
what the page does each second besides.
"""

import itertools
import json
import time
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import Browser, CDPSession, Page

from bench.report import Table

SETTLE_S = 0.6
ROUNDS = 5
MAIN_THREAD = "CrRendererMain"
FRAME_EVENT = "WebSocketReceive"
FILTERS = (
    "child12",
    "state:running cpu:>0.1",
    "name:~99 tree:tree3",
    "-state:running",
    "rss:>150M group7",
    "",
)
TYPE = """
(text) => new Promise((resolve) => {
  const input = document.querySelector("[data-filter-input]");
  input.value = text;
  const began = performance.now();
  input.dispatchEvent(new Event("input", { bubbles: true }));
  const handled = performance.now() - began;
  requestAnimationFrame(() => setTimeout(() => resolve({ handled, painted: performance.now() - began }), 0));
})
"""
"""Types a filter; resolves with the milliseconds that the page worked on it, and those until the next frame was drawn."""


class PageCost:
    """Of one page that is open and live."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._devtools: CDPSession = page.context.new_cdp_session(page)

    def heap_mb(self) -> float:
        """What its script holds after a collection, in MB (10**6 bytes)."""
        self._devtools.send("HeapProfiler.collectGarbage")
        return float(self._devtools.send("Runtime.getHeapUsage")["usedSize"]) / 1e6

    def filters_ms(self) -> dict[str, list[float]]:
        """Of each of FILTERS: milliseconds from being typed to the frame that shows what it found, ROUNDS times in turn."""
        took: dict[str, list[float]] = {text: [] for text in FILTERS}
        for text in FILTERS * ROUNDS:
            took[text].append(float(self.page.evaluate(TYPE, text)["painted"]))
            time.sleep(SETTLE_S)
        return took

    def frames_ms(self, browser: Browser, file: Path, *, seconds: float) -> list[float]:
        """Main-thread time of each frame that arrives in the next `seconds`."""
        categories = ["devtools.timeline", "toplevel", "disabled-by-default-devtools.timeline"]
        browser.start_tracing(page=self.page, path=file, categories=categories)
        self.page.wait_for_timeout(1000 * seconds)
        browser.stop_tracing()
        return frame_times(json.loads(file.read_text())["traceEvents"])


def slowest_filter_ms(took: dict[str, list[float]]) -> float:
    """Its median."""
    return max(median(each) for each in took.values())


def filters_table(took: dict[str, list[float]], rows: str) -> Table:
    """Of a list that holds so many `rows`, in words."""
    cells = tuple((text or "(none)", median(each), max(each)) for text, each in took.items())
    return Table(f"A filter over {rows} rows, from typed to shown", ("filter", "median ms", "most ms"), cells)


def frame_times(events: list[dict[str, Any]]) -> list[float]:
    """Of a trace's events: milliseconds of the main thread from each message of a socket to the next."""
    threads = {
        (event["pid"], event["tid"])
        for event in events
        if event.get("name") == "thread_name" and event["args"].get("name") == MAIN_THREAD
    }
    arrivals = [event for event in events if event.get("name") == FRAME_EVENT]
    if not arrivals:
        raise RuntimeError("no frame arrived while the page was traced")
    page = {(event["pid"], event["tid"]) for event in arrivals} & threads
    starts = sorted(event["ts"] for event in arrivals if (event["pid"], event["tid"]) in page)
    tasks = [
        (event["ts"], event["dur"], event.get("tdur", event["dur"]))
        for event in events
        if event.get("name") == "RunTask" and event.get("ph") == "X" and (event["pid"], event["tid"]) in page
    ]
    took = []
    for begin, end in itertools.pairwise(starts):
        # The task that receives the message has begun before it says so.
        took.append(sum(cpu for ts, dur, cpu in tasks if begin < ts + dur <= end) / 1000)
    return took
