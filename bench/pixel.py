"""kill -9 of a process to the frame of the browser that shows its replacement: engine, courier, stores, web and page.

One browser with the processes' list open; kills at random moments, so that they keep step with no timer of anybody.
"""

import os
import random
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

from bench.entry import Entry, Options
from bench.report import Figure, Result, Table
from tests.support.chromium import browser, is_live, kill_to_pixel, log_in
from tests.support.foreground import ROOT, Up

LIMIT_MS = 500.0
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


def run(options: Options) -> Result:
    kills = 20 if options.quick else 100
    data_dir, port = options.work / "pixel", _free_port()
    started = Up(data_dir, "--no-examples", OVERSTORY_PORT=str(port))
    try:
        started.until("Ctrl-C stops everything")
        took = _measure(started, port, options.work, kills)
    finally:
        started.close()
    took.sort()
    p95 = took[min(len(took) - 1, int(len(took) * 0.95))]
    result = Result("kill to pixel", samples={"took_ms": took})
    result.figures.append(Figure("kill -9 to the page, p95", p95, LIMIT_MS, " ms"))
    row = ("Chromium", len(took), took[len(took) // 2], p95, took[-1])
    result.tables.append(
        Table(
            "kill -9 of a process to the frame that shows its replacement",
            ("page", "kills", "p50 ms", "p95 ms", "most ms"),
            (row,),
        )
    )
    return result


def _measure(started: Up, port: int, work: Path, kills: int) -> list[float]:
    environment = os.environ | {"OVERSTORY_DATA_DIR": str(started.data_dir), "OVERSTORY_PORT": str(port)}

    def manage(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True,
            check=True, timeout=120,
        ).stdout  # fmt: skip

    file = work / "pixel.yaml"
    file.write_text(TREE)
    manage("apply", str(file), "--yes")
    node = started.observed().node.node_id
    link = re.search(r"http\S+/login/link/\S+", manage("login_link"))
    if link is None:
        raise RuntimeError("no login link was said")
    with browser() as chromium:
        page = chromium.new_page()
        log_in(page, link.group())
        page.goto(f"http://127.0.0.1:{port}/processes?q=tree:pixel")
        is_live(page)
        took = []
        for _number in range(kills):
            took.append(kill_to_pixel(page, f"{node}:pixel/one"))
            time.sleep(random.uniform(0.3, 1.2))
    return took


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


ENTRIES = (Entry("pixel", "kill -9 of a process to the browser's frame that shows its replacement", run),)
