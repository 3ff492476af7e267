"""An upgrade of a store that holds rows: nothing of them changes, and processes of the former release still write.

From the last migration before issues had owners on. Web processes of the old release serve until they are replaced, so a new
column has to have a default in the database itself.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.state import StateApps

from supervision.alerts.models import Delivery
from supervision.errors.store.models import ErrorIssue, ErrorProject

pytestmark = pytest.mark.django_db(transaction=True)
FORMER = ("supervision", "0042_resolve_after_days")
AT = dt.datetime(2026, 11, 28, 12, tzinfo=dt.UTC)
WRITTEN = (
    "ErrorProject",
    "ErrorIssue",
    "ErrorIssueStat",
    "ErrorActivity",
    "Alert",
    "Channel",
    "Delivery",
    "IssueRule",
)


def _migrated(target: tuple[str, str]) -> StateApps:
    """The models as they are at that migration, once the database is."""
    executor = MigrationExecutor(connection)
    executor.migrate([target])
    return executor.loader.project_state([target]).apps


@pytest.fixture
def former() -> Iterator[StateApps]:
    newest = next(
        key for key in MigrationExecutor(connection).loader.graph.leaf_nodes() if key[0] == FORMER[0]
    )
    try:
        yield _migrated(FORMER)
    finally:
        _migrated(newest)


def _write(apps: StateApps, number: int) -> None:
    """Rows as the former release writes them."""
    model = {name: apps.get_model("supervision", name) for name in WRITTEN}
    user = User.objects.create(username=f"ada{number}").pk
    project = model["ErrorProject"].objects.create(slug=f"shop{number}", name="Shop", tree="shop")
    issue = model["ErrorIssue"].objects.create(
        project=project, number=number, title="KeyError", type="KeyError", level="error", status_at=AT,
        first_seen=AT, assignee_id=user, child="shop/web",
    )  # fmt: skip
    model["ErrorIssueStat"].objects.create(issue=issue, count=7, last_seen=AT)
    model["ErrorActivity"].objects.create(issue=issue, at=AT, kind="comment", text="seen it")
    model["IssueRule"].objects.create(name=f"rule {number}", project=project, trigger="events", count=5)
    channel = model["Channel"].objects.create(
        name=f"hook {number}", kind="webhook", target="https://hooks.example/x"
    )
    alert = model["Alert"].objects.create(
        kind="node_lost", subject=f"node {number}", severity="critical", title="t", raised_at=AT, last_at=AT
    )
    model["Delivery"].objects.create(alert=alert, channel=channel, event="raised", number=1, next_at=AT)


def _rows(apps: StateApps) -> dict[str, list[dict[str, Any]]]:
    """All columns that the models of `apps` know, so that those of the former release can be compared."""
    return {
        name: list(apps.get_model("supervision", name).objects.order_by("pk").values()) for name in WRITTEN
    }


def test_rows_of_the_former_release_stay_it_goes_on_writing_and_the_upgrade_can_be_taken_back(
    former: StateApps,
) -> None:
    _write(former, 1)
    before = _rows(former)
    assert all(len(rows) == 1 for rows in before.values())
    newest = next(
        key for key in MigrationExecutor(connection).loader.graph.leaf_nodes() if key[0] == FORMER[0]
    )
    _migrated(newest)
    assert _rows(former) == before
    _write(former, 2)
    assert [len(rows) for rows in _rows(former).values()] == [2] * len(WRITTEN)
    issue = ErrorIssue.objects.select_related("project", "stat", "assignee").get(number=2)
    assert (issue.assignee.username if issue.assignee else "", issue.team, issue.stat.kept_one_of) == (
        "ada2",
        None,
        1,
    )
    assert ErrorProject.objects.get(slug="shop2").store_whole == 0
    assert Delivery.objects.get(alert__subject="node 2").address == ""
    both = _rows(former)
    assert _rows(_migrated(FORMER)) == both
