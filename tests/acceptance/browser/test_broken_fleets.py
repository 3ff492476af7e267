"""Five broken fleets: from opening the page to the cause in words in at most three clicks, and `explain` says the same.

The instance runs them all beside each other, so that each cause has to be found among four others.
"""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from controlplane.embedded.redis_server import RedisServer
from tests.support import broken_fleets
from tests.support.browser import Site
from tests.support.waiting import wait_for

pytestmark = pytest.mark.timeout(600)
MOST_CLICKS = 3
SLOW_S = 90
SLOW_MS = SLOW_S * 1000


@pytest.fixture(scope="module", autouse=True)
def _fleets(site: Site) -> Iterator[None]:
    with tempfile.TemporaryDirectory(prefix="ovf-") as name, redis(Path(name)) as broker:
        files = broken_fleets.write_all(Path(name), broker)
        for file in files:
            site.manage("apply", "--yes", "--no-wait", str(file))
        yield
        for file in files:
            site.manage("delete", file.stem, "--yes")


@contextlib.contextmanager
def redis(directory: Path) -> Iterator[str]:
    place = directory / "redis"
    place.mkdir()
    server = RedisServer.of(data_dir=place, socket_dir=place)
    server.prepare()
    command = [str(server.binaries / "redis-server"), str(server.settings_file)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
        try:
            yield f"redis+socket://{server.socket}?virtual_host=0"
        finally:
            running.kill()


@dataclass
class Operator:
    """Somebody who has just opened the page, and counts."""

    page: Page
    clicks: int = 0

    def click(self, selector: str) -> None:
        self.clicks += 1
        assert self.clicks <= MOST_CLICKS
        self.page.locator(selector).first.click(timeout=SLOW_MS)

    def reads(self, *words: str) -> None:
        """The cause stands there, visibly."""
        for word in words:
            expect(self.page.locator("main").get_by_text(word).first).to_be_visible(timeout=SLOW_MS)


@pytest.fixture
def operator(site: Site) -> Iterator[Operator]:
    with site.visit() as visit:
        yield Operator(visit.open("/"))
        assert not visit.faults


def concern(key: str) -> str:
    """What Overview names as needing attention."""
    return f"[data-attention] a.who:text-is('{key}')"


def explained(site: Site, key: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(site.manage("explain", key, "--json"))
    return body


def words_of(explanation: dict[str, Any]) -> str:
    """All it says, with what it says of what is waited for."""
    chain = [part for link in explanation["chain"] for part in (link["text"], *link["evidence"])]
    below = [words_of(one) for one in explanation["blocked_by"]]
    return "\n".join([explanation["headline"], *chain, explanation["next"], *below])


def test_a_crash_loop(site: Site, operator: Operator) -> None:
    operator.click(concern("loop"))
    operator.reads("loop gave up", "exit code 1", broken_fleets.NO_TABLE)
    said = words_of(explained(site, "loop"))
    assert "loop/orders" in said
    assert "exit code 1" in said
    assert broken_fleets.NO_TABLE in said


def test_a_dead_dependency(site: Site, operator: Operator) -> None:
    operator.click(concern("chain/store"))
    operator.reads("chain/store ended with exit code 1", broken_fleets.FULL)
    said = words_of(explained(site, "chain/page"))
    assert "chain/api" in said
    assert "chain/store ended with exit code 1" in said
    assert broken_fleets.FULL in said


def test_a_stuck_worker(site: Site, operator: Operator) -> None:
    pid = wait_for(lambda: running_pid(site, "stuck/worker"), timeout=SLOW_S, what="the worker consumes")
    os.kill(pid, signal.SIGSTOP)
    operator.click(concern("stuck"))
    operator.reads("stuck/worker was ended because its health check failed", "stuck gave up")
    said = words_of(explained(site, "stuck"))
    assert "stuck/worker" in said
    assert "health check failed" in said


def running_pid(site: Site, key: str) -> int | None:
    member = site.instance.observed().find(key)
    return getattr(member, "pid", None) if member is not None and member.state == "running" else None


def test_a_poison_task(site: Site, operator: Operator) -> None:
    operator.click(concern("shop.poison"))
    operator.reads("parked", "signal(9)")
    assert operator.page.url.startswith(site.origin + "/workers/task/")


def test_a_leak(site: Site, operator: Operator) -> None:
    operator.click("[data-attention] li:has(a.who:text-is('leak/reader')) a.button")
    operator.reads("descriptors")
    assert operator.page.url.startswith(site.origin + "/leaks/")


def test_the_logs_of_many_children_are_followed_filtered_and_lead_to_the_error(site: Site) -> None:
    with site.visit() as visit:
        page = visit.open("/logs?q=tree:loop,chain")
        lines = page.locator(".log-many li")
        expect(lines.filter(has_text=broken_fleets.NO_TABLE).first).to_be_visible()
        expect(lines.filter(has_text=broken_fleets.FULL).first).to_be_visible()
        page.click("[data-log-error]")
        expect(page.locator(".log-many li.found")).to_contain_text(broken_fleets.NO_TABLE)
        assert page.get_attribute("[data-log-follow]", "aria-pressed") == "false", (
            "nothing moves while one reads"
        )
        page.click("[data-log-follow]")
        page.fill("[data-filter-input]", "tree:chain")
        expect(lines.filter(has_text=broken_fleets.NO_TABLE)).to_have_count(0)
        expect(lines.filter(has_text=broken_fleets.FULL).first).to_be_visible()
        with page.expect_download() as download:
            page.click("[data-logs-download]")
        assert broken_fleets.FULL in Path(download.value.path()).read_text()
        assert not visit.faults


def test_what_if_answers_as_it_is_typed_and_marks_the_rows(site: Site) -> None:
    with site.visit() as visit:
        page = visit.open("/tree")
        page.click("summary:has-text('What if')")
        page.fill("#whatif-key", "poison/worker")
        told = page.locator("[data-foresight-result] .foretold")
        expect(told).to_contain_text("poison gives up")
        marked = page.locator(".outline-row:has(.fate:not([hidden]))")
        expect(marked.filter(has_text="worker").first).to_contain_text("restarts 100 times")
        page.fill("#whatif-times", "2")
        expect(told).to_contain_text("No supervisor gives up")
        expect(marked.filter(has_text="worker").first).to_contain_text("restarts 2 times")
        assert "times=2" in page.url
        page.select_option("#whatif-do", "stop")
        expect(told).to_contain_text("1 process goes down")
        assert not visit.faults
