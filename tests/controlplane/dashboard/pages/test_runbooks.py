"""Runbooks as pages: every kind of alert has one, links lead on, and nothing else of the disk is shown."""

import pytest
from django.test import Client

from supervision.alerts.kinds import MEANINGS
from tests.support import people
from tests.support.command_line import ROOT

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return people.browser(people.admin())


def test_every_kind_of_alert_has_one(client: Client) -> None:
    for meaning in MEANINGS.values():
        answer = client.get(f"/runbooks/{meaning.runbook}")
        assert answer.status_code == 200, meaning.runbook
        first = (ROOT / f"docs/runbooks/{meaning.runbook}.md").read_text().splitlines()[0]
        assert answer.context["runbook_title"] == first.removeprefix("# ")


def test_the_index_leads_to_each_and_each_link_to_a_page(client: Client) -> None:
    index = client.get("/runbooks/README").content.decode()
    for path in (ROOT / "docs/runbooks").glob("*.md"):
        if path.stem != "README":
            assert f'href="/runbooks/{path.stem}"' in index
    assert 'href="/runbooks/disk-full"' in client.get("/runbooks/store-away").content.decode()
    assert ".md" not in index.split("<article")[1].split("</article")[0]


@pytest.mark.parametrize("name", ["none", "..", "-", "adr", "0001"])
def test_nothing_else_is_shown(client: Client, name: str) -> None:
    assert client.get(f"/runbooks/{name}").status_code == 404
