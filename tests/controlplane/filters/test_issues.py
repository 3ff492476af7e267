"""Filters of issues against rows of the database: what the shared table of cases says of rows in a browser."""

import pytest

from controlplane.filters.grammar import FilterError
from controlplane.filters.issues import issue_condition
from supervision.errors.store import issues, owning, selectors
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorIssue
from supervision.errors.store.projects import create_project
from tests.supervision.errors.store.error_rows import ACTOR, NOW, accepted, event
from tests.support import people

pytestmark = pytest.mark.django_db


@pytest.fixture
def three() -> None:
    """SHOP-1 is ada's, in a child; SHOP-2 her team's, muted, commented; SHOP-3 nobody's, of no child, resolved."""
    project = create_project(slug="shop", tree="shop", actor=ACTOR)
    ada = people.user("ada")
    team = owning.save_team(team=None, slug="billing", members=["ada"], actor=ACTOR)
    for number in (1, 2, 3):
        body = event(
            function="f1", tags={"region": "eu"}, release="1.0", environment="production", user={"id": "u"}
        )
        accepted(project, body, number=number, child="shop/jobs/mail@1")
    accepted(project, event(function="f2", environment="staging"), number=4, child="shop/web.a")
    accepted(project, event(function="f3"), number=5)
    digest(now=NOW)
    one, two, last = ErrorIssue.objects.order_by("number")
    issues.assign(issue=one, user=ada, now=NOW, actor=ACTOR)
    issues.assign(issue=two, team=team, now=NOW, actor=ACTOR)
    issues.set_status(issue=two, status="muted", now=NOW, actor=ACTOR)
    issues.comment(issue=two, text="known", now=NOW, actor=ACTOR)
    issues.set_status(issue=last, status="resolved", now=NOW, actor=ACTOR)


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("assignee:me", [1, 2]),
        ("-assignee:me", [3]),
        ("assignee:ada", [1]),
        ("assignee:billing", [2]),
        ("assignee:#billing,ada", [1, 2]),
        ("assignee:~BILL", [2]),
        ("has:assignee", [1, 2]),
        ("-has:assignee", [3]),
        ("has:region", [1]),
        ("has:~regi", [1]),
        ("has:release", [1]),
        ("has:environment", [1, 2]),
        ("has:user", [1]),
        ("has:child,comment", [1, 2]),
        ("has:comment", [2]),
        ("has:supervisor", [1, 2]),
        ("has:culprit", [1, 2, 3]),
        ("supervisor:shop/jobs", [1]),
        ("supervisor:shop", [2]),
        ("-supervisor:shop", [1, 3]),
        ("supervisor:~JOB", [1]),
        ("supervisor:~mail", []),
        ("supervisor:.*", []),
        ("is:open", [1, 2]),
        ("is:new", [1]),
        ("is:muted,resolved", [2, 3]),
        ("is:assigned -is:muted", [1]),
        ("is:unassigned", [3]),
        ("env:staging", [2]),
        ("count:>2", [1]),
        ("count:1 level:error", [2, 3]),
        ("user:u", [1]),
        ("tag:region=eu", [1]),
    ],
)
def test_a_filter_accepts_exactly_these_issues(text: str, numbers: list[int]) -> None:
    rows = selectors.issues(trees=None).filter(issue_condition(text, me="ada"))
    assert sorted(rows.values_list("number", flat=True)) == numbers


def test_me_is_nobody_where_nobody_asks() -> None:
    with pytest.raises(FilterError, match="nobody asks") as refused:
        issue_condition("level:error assignee:me")
    assert refused.value.at == 12
    issue_condition("assignee:me", me="ada")
