"""The pages of plans: written as YAML, begun and taken back by a form, and no form ticks a criterion."""

import pytest
from django.test import Client

from controlplane.access.policy import Role
from supervision.auditruns.models import AuditProject
from supervision.remediation.models import RemediationCriterion, RemediationPlan
from tests.supervision.auditruns.support import finding, project, upload
from tests.support.people import browser, user

pytestmark = pytest.mark.django_db
DOCUMENT = """title: No thread lost
owner: ada
risk: low
phases:
- title: Keep handles
  estimate_days: 2
  risk: low
  rollback: revert
  criteria: [{kind: rule_count, rule: SUP101, at_most: 0}]
"""


@pytest.fixture
def client() -> Client:
    return browser(user("olga", (Role.OPERATOR, "")))


@pytest.fixture
def shop() -> AuditProject:
    made = project()
    upload(made, finding("a"), spawns=4)
    return made


def text(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def written(client: Client) -> str:
    answer = client.post("/remediation", {"project": "shop", "document": DOCUMENT})
    assert answer.status_code == 303
    return answer["Location"]


def test_a_plan_is_written_begun_and_taken_back(client: Client, shop: AuditProject) -> None:
    address = written(client)
    assert "not met" in text(client, address)
    assert client.post(address, {"do": "start", "position": "1"}).status_code == 303
    assert "active" in text(client, address)
    client.post(address, {"do": "roll_back", "position": "1", "reason": ""})
    assert "say why it was taken back" in text(client, address)
    client.post(address, {"do": "roll_back", "position": "1", "reason": "the release broke"})
    page = text(client, address)
    assert "rolled back" in page
    assert "the release broke" in page
    assert "No thread lost" in text(client, "/remediation")
    client.post(address, {"do": "abandon", "reason": "other plans"})
    assert RemediationPlan.objects.get().state == "abandoned"


def test_no_form_ticks_a_criterion(client: Client, shop: AuditProject) -> None:
    address = written(client)
    client.post(address, {"do": "start", "position": "1"})
    assert client.post(address, {"do": "meet", "position": "1", "is_met": "true"}).status_code == 404
    client.post(address, {"do": "check", "is_met": "true"})
    assert not RemediationCriterion.objects.get().is_met


def test_a_document_that_cannot_be_meant_is_shown_again_with_the_place(
    client: Client, shop: AuditProject
) -> None:
    answer = client.post(
        "/remediation", {"project": "shop", "document": DOCUMENT.replace("risk: low\nphases", "phases")}
    )
    assert answer.status_code == 400
    page = answer.content.decode()
    assert "/risk: one of low, medium, high" in page
    assert "Keep handles" in page
    assert client.post("/remediation", {"project": "shop", "document": "a: ["}).status_code == 400
    assert not RemediationPlan.objects.exists()


def test_the_project_shows_its_supervision_coverage(client: Client, shop: AuditProject) -> None:
    page = text(client, "/findings/project/shop")
    assert "75 %" in page
    assert "1 of 4 not supervised" in page
    assert "no tree of this project runs" in page
    assert "shop/a.py:1" in page
    assert "not known yet" in text(client, f"/findings/project/{project('other').name}")
