"""What was not stored, on the page Errors."""

import datetime as dt
import re

import pytest
from django.utils import timezone

from controlplane.access.policy import Role
from controlplane.dashboard.lostrows import MOST_PROJECTS, MOST_REASONS, lost_rows
from supervision.errors.store.lost import Lost
from supervision.errors.store.models import ErrorDiscard, ErrorProject
from supervision.errors.store.projects import create_project
from tests.supervision.errors.store.error_rows import ACTOR
from tests.support.people import admin, browser, user

NONE = "\N{EN DASH}"
HEADING = "Not stored in the last 24 hours"


def _put(
    project: ErrorProject, reason: str, count: int, category: str = "error", *, days_ago: int = 0
) -> None:
    hour = timezone.now().replace(minute=0, second=0, microsecond=0) - dt.timedelta(days=days_ago)
    ErrorDiscard.objects.create(project=project, hour=hour, category=category, reason=reason, count=count)


def _page(text: str) -> list[str]:
    """The cells of the panel, as words."""
    panel = text.partition(HEADING)[2].partition("</section>")[0]
    cells = re.findall(r"<td[^>]*>(.*?)</td>", panel, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in cells]


@pytest.mark.django_db
def test_what_was_lost_is_said_by_project_here_and_in_the_sdks() -> None:
    shop = create_project(slug="shop", tree="shop", actor=ACTOR)
    client = browser(admin())
    _put(shop, "quota", 9, days_ago=2)
    assert HEADING not in client.get("/errors").content.decode()
    _put(shop, "quota", 1204)
    _put(shop, "duplicate", 3)
    _put(shop, "client: queue_overflow", 1, "transaction")
    text = client.get("/errors").content.decode()
    project, here, in_sdk = _page(text)
    assert project == "shop"
    assert re.fullmatch(
        r"1.?204 events: more than the project&#x27;s quota 3 events: came twice, kept once", here
    )
    assert in_sdk == "1 transaction: its queue was full"
    assert text.index(HEADING) < text.index('aria-label="Issues"')


@pytest.mark.django_db
def test_what_was_meant_to_be_left_out_stands_below_and_is_no_warning() -> None:
    shop = create_project(slug="shop", tree="shop", actor=ACTOR)
    _put(shop, "client: sample_rate", 7, "transaction")
    text = browser(admin()).get("/errors").content.decode()
    assert _page(text) == ["shop", NONE, "7 transactions: left out by sampling"]
    assert text.index(HEADING) > text.index('aria-label="Issues"')
    assert "left out as it was meant" in text


@pytest.mark.django_db
def test_nobody_is_told_of_projects_that_they_may_not_see() -> None:
    _put(create_project(slug="shop", tree="shop", actor=ACTOR), "quota", 5)
    create_project(slug="bank", tree="bank", actor=ACTOR)
    assert HEADING in browser(user("ada", (Role.VIEWER, "shop"))).get("/errors").content.decode()
    assert HEADING not in browser(user("eve", (Role.VIEWER, "bank"))).get("/errors").content.decode()


def test_a_panel_is_bounded_and_begins_with_trouble() -> None:
    calm = [Lost(f"a{number:03}", "error", "duplicate", 1) for number in range(MOST_PROJECTS + 2)]
    many = [Lost("z", "error", f"client: reason {number}", 1) for number in range(MOST_REASONS + 3)]
    made = lost_rows([*calm, *many])
    assert (len(made["projects"]), made["more"], made["is_trouble"]) == (MOST_PROJECTS, 3, True)
    first = made["projects"][0]
    assert (first["project"], first["sides"][1]["more"]) == ("z", 3)
    assert [each["tone"] for each in made["projects"][1]["sides"][0]["reasons"]] == ["idle"]
