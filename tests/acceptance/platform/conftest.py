"""One instance for every test in here."""

import re
from collections.abc import Iterator

import pytest

from tests.acceptance.platform.instance import SHOP, Platform
from tests.support.foreground import RUNNING, up
from tests.support.stores import short_directory
from tests.support.waiting import wait_for
from tests.support.writers import make_token


@pytest.fixture(scope="package")
def platform() -> Iterator[Platform]:
    with short_directory() as base:
        data = base / "d"
        with up(data, "--no-examples", OVERSTORY_WEBHOOK_NETWORKS="127.0.0.0/8") as started:
            started.until(RUNNING)
            port = re.search(r"http://127\.0\.0\.1:(\d+)/livez", started.output)
            assert port is not None
            made = Platform(data, started, int(port[1]), make_token(data))
            made.control("apply", spec=SHOP, message="shop")
            wait_for(
                lambda: made.ask("GET", "/api/v1/children/shop/api")[0] == 200, timeout=60, what="the shop"
            )
            yield made
            started.stop()
