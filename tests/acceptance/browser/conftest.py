"""One instance and one Chromium for every test in here."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.browser.instance import DEEP, LAB, TREE
from tests.support.browser import Site
from tests.support.chromium import browser as chromium
from tests.support.foreground import RUNNING, up
from tests.support.waiting import wait_for


@pytest.fixture(scope="package")
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="ovb-") as name:
        data_dir = Path(name) / "d"
        with up(data_dir, "--no-examples", HOME=name) as instance, chromium() as browser:
            said = instance.until("livez")
            instance.until(RUNNING)
            found = re.search(r"http://127\.0\.0\.1:\d+", said)
            assert found is not None
            site = Site(browser, instance, found.group())
            for number, text in enumerate((TREE, LAB, DEEP)):
                tree_file = Path(name) / f"{number}.yaml"
                tree_file.write_text(text)
                site.manage("apply", "--yes", str(tree_file))
            with site.visit() as visit:
                wait_for(lambda: "lab" in visit.open("/trees").inner_text("main"), timeout=60)
            yield site
