"""A real server that is killed with a page attached: the page is right again by itself, and was never wrong."""

from pathlib import Path

import pytest

from controlplane.access.policy import Role
from supervision.journal.models import ObservedChild
from tests.controlplane.dashboard.facts import make_child, make_node, make_tree
from tests.controlplane.dashboard.live.server import Page, running
from tests.support import people
from tests.support.database import TestStores

pytestmark = pytest.mark.django_db(transaction=True)


def cookie() -> str:
    client = people.browser(people.user("ada", (Role.ADMIN, "")))
    return "; ".join(f"{key}={morsel.value}" for key, morsel in client.cookies.items())


def test_a_page_whose_server_is_killed_and_started_again_is_right_again(
    stores: TestStores, data_dir: Path
) -> None:
    node = make_node()
    make_tree(node, "shop")
    for number in range(3):
        make_child(node, f"shop/w{number}")
    with running(stores, data_dir) as server:
        page = Page(server, cookie(), "procs", cols=["key", "state", "pid"])
        page.open()
        page.until(lambda: len(page.copy.rows) == 3)
        first_epoch = page.copy.epoch
        server.kill()
        assert page.is_cut_off()
        assert page.copy.rows["n1:shop/w0"]["state"] == "running"
        ObservedChild.objects.filter(key="shop/w0").update(state="failed", pid=None, seq=2)
        ObservedChild.objects.filter(key="shop/w1").update(removed=True, seq=3)
        server.start()
        page.open()
        page.until(lambda: page.copy.epoch != first_epoch)
        assert "gone" in page.heard
        assert page.copy.rows == {
            "n1:shop/w0": {"key": "shop/w0", "state": "failed", "pid": None},
            "n1:shop/w2": {"key": "shop/w2", "state": "running", "pid": 100},
        }
        page.close()


def test_a_page_that_was_cut_off_for_a_moment_gets_only_what_it_missed(
    stores: TestStores, data_dir: Path
) -> None:
    node = make_node()
    make_child(node, "shop/w0")
    with running(stores, data_dir) as server:
        page = Page(server, cookie(), "procs", cols=["key", "state"])
        page.open()
        page.until(lambda: page.copy.rows)
        page.close()
        ObservedChild.objects.filter(key="shop/w0").update(state="backoff", seq=2)
        page.heard.clear()
        page.open()
        page.until(lambda: page.copy.rows["n1:shop/w0"]["state"] == "backoff")
        assert "snap" not in page.heard
        assert "gone" not in page.heard
        page.close()
