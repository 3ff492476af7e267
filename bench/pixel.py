"""What a person waits for: kill -9 of a process to the frame that shows its replacement, and a list of 10,000 to its first
useful paint. Engine, courier, stores, web, page and browser are real.

Kills come at random moments, so that they keep step with no timer of anybody. The 10,000 are rows of a node that is not
there: no machine of this size runs so many.
"""

import contextlib
import itertools
import os
import random
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, Page

from bench.entry import Entry, Options
from bench.report import Figure, Result, Table
from tests.support.chromium import browser, is_live, kill_to_pixel, log_in
from tests.support.foreground import ROOT, Up

LIMIT_MS = 500.0
PAINT_LIMIT_MS = 1000.0
MANY = 10_000
FILL = f"""
import django
django.setup()
from django.utils import timezone
from supervision.fleet.models import Node
from supervision.journal.models import ObservedChild
now = timezone.now()
node = Node.objects.create(id="many", name="many", joined_at=now, renewed_at=now)
ObservedChild.objects.bulk_create(
    [
        ObservedChild(
            node=node, tree="many", key=f"many/group{{n % 40}}/child{{n}}", parent=f"many/group{{n % 40}}", position=n,
            child_id=f"child{{n}}", state="running", since=now, pid=n + 1, incarnation=1, seq=1, command=["sleep", "9"],
        )
        for n in range({MANY})
    ],
    batch_size=1000,
)
"""
PAINTED = """
() => ({
  painted: performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? null,
  live: document.documentElement.dataset.liveState === "live" && document.querySelectorAll("[data-id]").length > 10
    ? performance.now() : null,
})
"""
TREE = """\
version: 1
tree: pixel
supervisor:
  strategy: one_for_one
  intensity: 10000
  children:
  - id: one
    process: {command: [/bin/sleep, "100000"]}
"""


@dataclass
class Running:
    """An instance with a browser that is logged in."""

    up: Up
    port: int
    work: Path
    browser: Browser

    def manage(self, *arguments: str) -> str:
        return self.python("manage.py", *arguments)

    def python(self, *arguments: str) -> str:
        environment = os.environ | {
            "OVERSTORY_DATA_DIR": str(self.up.data_dir),
            "OVERSTORY_PORT": str(self.port),
            "DJANGO_SETTINGS_MODULE": "controlplane.settings",
        }
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        ).stdout

    def page(self) -> Page:
        """A page of a new visitor: nothing is in its cache."""
        link = re.search(r"http\S+/login/link/\S+", self.manage("login_link"))
        if link is None:
            raise RuntimeError("no login link was said")
        page = self.browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        log_in(page, link.group())
        return page

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@contextlib.contextmanager
def running(options: Options) -> Iterator[Running]:
    """Each time with stores of its own: what another entry of the same run wrote is not measured again."""
    port = _free_port()
    places = (options.work / f"instance-{number}" for number in itertools.count())
    place = next(each for each in places if not each.exists())
    started = Up(place, "--no-examples", OVERSTORY_PORT=str(port))
    try:
        started.until("Ctrl-C stops everything")
        with browser() as chromium:
            yield Running(started, port, options.work, chromium)
    finally:
        started.close()


def run(options: Options) -> Result:
    with running(options) as one:
        took = sorted(_kills(one, 20 if options.quick else 100))
        one.python("-c", FILL)
        painted, live = zip(*(_paint(one) for _ in range(3 if options.quick else 7)), strict=True)
    p95 = took[min(len(took) - 1, int(len(took) * 0.95))]
    result = Result("pixel", samples={"kill_ms": took, "paint_ms": painted, "live_ms": live})
    result.figures.append(Figure("kill -9 to the page, p95", p95, LIMIT_MS, " ms"))
    result.figures.append(
        Figure("10,000 processes to the first useful paint, median", median(painted), PAINT_LIMIT_MS, " ms")
    )
    columns = ("Chromium", "times", "p50 ms", "p95 ms", "most ms")
    row = ("kill -9 to the replacement's pid", len(took), median(took), p95, took[-1])
    result.tables.append(Table("From a kill to the frame that shows it", columns, (row,)))
    rows = (
        ("first useful paint", len(painted), median(painted), max(painted)),
        ("all rows live", len(live), median(live), max(live)),
    )
    result.tables.append(
        Table("Processes, with 10,000 of them", ("from the click", "times", "p50 ms", "most ms"), rows)
    )
    return result


def _kills(one: Running, kills: int) -> list[float]:
    file = one.work / "pixel.yaml"
    file.write_text(TREE)
    one.manage("apply", str(file), "--yes")
    node = one.up.observed().node.node_id
    page = one.page()
    page.goto(one.url("/processes?q=tree:pixel"))
    is_live(page)
    took = []
    for _number in range(kills):
        took.append(kill_to_pixel(page, f"{node}:pixel/one"))
        time.sleep(random.uniform(0.3, 1.2))
    page.context.close()
    return took


def _paint(one: Running) -> tuple[float, float]:
    """Milliseconds from asking for the list to its first paint, and to all of it being live."""
    page = one.page()
    page.goto(one.url("/processes"))
    end = time.monotonic() + 60
    while (found := page.evaluate(PAINTED))["live"] is None or found["painted"] is None:
        if time.monotonic() > end:
            raise RuntimeError(f"the page with {MANY} processes did not become live: {found}")
        time.sleep(0.02)
    page.context.close()
    return float(found["painted"]), float(found["live"])


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


ABOUT = "kill -9 to the frame that shows the replacement; 10,000 processes to their first paint"
ENTRIES = (Entry("pixel", ABOUT, run),)
