"""A real server that is killed with a page attached: the page is right again by itself, and was never wrong."""

from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone

from controlplane.access.policy import Role
from supervision.alerts.kinds import Kind
from supervision.alerts.services import Subject, acknowledge_alert, raise_alert
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


def test_an_alert_reaches_an_open_page_and_so_does_who_looks_after_it(
    stores: TestStores, data_dir: Path
) -> None:
    with running(stores, data_dir) as server:
        page = Page(server, cookie(), "alerts", cols=["title", "state", "by", "count"])
        page.open()
        page.until(lambda: page.copy.epoch)
        now, about = timezone.now(), Subject(Kind.SUPERVISOR_GAVE_UP, "shop/web on n1", tree="shop")
        with transaction.atomic():
            raised = raise_alert(about=about, title="shop/web gave up", now=now)
        assert raised is not None
        page.until(lambda: page.copy.rows)
        told = {"title": "shop/web gave up", "state": "open", "by": "", "count": 1}
        assert page.copy.rows == {str(raised.pk): told}
        acknowledge_alert(alert_id=raised.pk, actor=people.SOMEBODY, reason="mine", now=now)
        page.until(lambda: page.copy.rows[str(raised.pk)]["state"] == "acknowledged")
        assert page.copy.rows[str(raised.pk)]["by"]
        page.close()
