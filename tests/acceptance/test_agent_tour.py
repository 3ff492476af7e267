"""The tour of docs/agents.md on a running instance, in Chromium; and a secret that an agent gets by reference, nowhere."""

import hashlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import agenttour, planted
from tests.support.browser import Site
from tests.support.chromium import browser as chromium
from tests.support.foreground import RUNNING, up
from tests.support.waiting import wait_for

pytestmark = pytest.mark.timeout(600)
SECRET = {f"OVERSTORY_SECRET_{planted.NAME}": planted.VALUE}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with (
        tempfile.TemporaryDirectory(prefix="ovb-") as name,
        up(Path(name) / "d", "--no-examples", HOME=name, **SECRET) as instance,
        chromium() as browser,
    ):
        said = instance.until("livez")
        instance.until(RUNNING)
        found = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert found is not None
        yield Site(browser, instance, found.group())


def test_the_tour_of_agents_leads_from_nothing_to_one_that_was_killed_and_edited(
    site: Site, tmp_path: Path
) -> None:
    with site.visit() as visit:
        agenttour.walk(visit, site, tmp_path)
        agenttour.leave(visit, site)
        assert not visit.faults


def test_a_secret_by_reference_is_in_no_row_page_log_journal_or_plan(site: Site, tmp_path: Path) -> None:
    with site.visit() as visit:
        said = planted.keep(visit, site, tmp_path / "keeping")
        digest = hashlib.sha256(planted.VALUE.encode()).hexdigest()[:12]
        wait_for(lambda: digest in site.manage("tree", "vault"), timeout=60, what="the agent has it")
        told = [*said, *planted.shown(visit)]
    assert planted.NAME in "".join(told), "its name may be known"
    assert not [text for text in told if planted.VALUE in text]
    assert planted.rows_with(site, planted.NAME), "and stands in the rows"
    assert not planted.rows_with(site, planted.VALUE)
    assert not planted.files_with(site.data_dir, planted.VALUE)
