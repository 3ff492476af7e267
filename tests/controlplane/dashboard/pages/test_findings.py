"""The pages of audits: what is open first, its source, what may be said of it, two runs compared."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from controlplane.access.policy import Role
from supervision.auditruns.models import AuditFinding
from tests.supervision.auditruns.support import finding, project, upload
from tests.support.people import browser, user

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return browser(user("olga", (Role.OPERATOR, "")))


@pytest.fixture
def shop() -> AuditFinding:
    """Two runs: `b` is gone, `c` is new, `a` is in both."""
    made = project(owners=[["**", "ada"]])
    upload(made, finding("a", severity="medium", rule="SUP802"), finding("b"))
    upload(made, finding("a", severity="medium", rule="SUP802"), finding("c"))
    return AuditFinding.objects.get(symbol="a")


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def test_what_is_open_comes_first_and_by_severity(client: Client, shop: AuditFinding) -> None:
    page = text(client, "/findings")
    assert page.index("shop/c.py") < page.index("shop/a.py")
    assert "shop/b.py" not in page
    assert "shop/b.py" in text(client, "/findings?q=state:closed")
    assert "shop/a.py" not in text(client, "/findings?q=severity:high")
    assert "is one of" in text(client, "/findings?q=severity:urgent")


def test_without_anything_the_page_says_what_to_do(client: Client) -> None:
    assert "No project is audited yet" in text(client, "/findings")


def test_a_list_costs_the_same_however_long_it_is(
    client: Client, django_assert_max_num_queries: pytest.FixtureRequest
) -> None:
    upload(project(), *(finding(f"a{number}") for number in range(150)))
    with django_assert_max_num_queries(16):  # type: ignore[operator]  # pytest-django's fixture
        page = text(client, "/findings")
    assert "page=2" in page
    assert "shop/a99.py" in text(client, "/findings?page=2")


def test_a_finding_shows_its_source_and_who_looks_after_it(client: Client, shop: AuditFinding) -> None:
    page = text(client, f"/findings/{shop.pk}")
    assert '<span class="is-it"><span class="source-number">3</span>    Thread(target=f).start()' in page
    assert "ada" in page
    answer = client.post(f"/findings/{shop.pk}", {"do": "owner", "owner": "bea"})
    assert answer.status_code == 303
    shop.refresh_from_db()
    assert shop.owner == "bea"


def test_it_can_be_left_with_a_reason_and_a_day_and_taken_up_again(
    client: Client, shop: AuditFinding
) -> None:
    address = f"/findings/{shop.pk}"
    day = (datetime.now(UTC).date() + timedelta(days=9)).isoformat()
    assert client.post(address, {"do": "leave", "reason": "", "until": day}).status_code == 400
    assert client.post(address, {"do": "leave", "reason": "old", "until": "soon"}).status_code == 400
    assert client.post(address, {"do": "leave", "reason": "it goes in May", "until": day}).status_code == 303
    assert f"Left as it is until {day}" in text(client, address)
    assert client.post(address, {"do": "fix"}).status_code == 303
    shop.refresh_from_db()
    assert shop.state == "open"


def test_no_form_closes_a_finding(client: Client, shop: AuditFinding) -> None:
    assert client.post(f"/findings/{shop.pk}", {"do": "close", "state": "closed"}).status_code == 404
    shop.refresh_from_db()
    assert shop.state == "open"


def test_two_runs_are_compared(client: Client, shop: AuditFinding) -> None:
    page = text(client, "/findings/project/shop?before=1&after=2")
    assert page.index("Came") < page.index("shop/c.py") < page.index("Went") < page.index("shop/b.py")
    assert "same" in page
    assert "first of its tool" in text(client, "/findings/project/shop?before=0&after=1")


def test_a_project_without_a_run_and_one_with_a_failed_scan_say_so(client: Client) -> None:
    made = project("new")
    assert "No run yet" in text(client, "/findings/project/new")
    made.last_error = "no such directory"
    made.save()
    assert "The last scan failed" in text(client, "/findings/project/new")
    assert "scan failed" in text(client, "/findings")
