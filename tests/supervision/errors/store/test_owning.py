"""Teams, whose new issues are, and who follows an issue."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from supervision.auditlog.models import AuditEntry
from supervision.errors.exceptions import InvalidFieldError
from supervision.errors.store import issues, owning, projects
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorActivity, ErrorIssue, ErrorProject
from supervision.errors.store.owner_models import ErrorTeam
from tests.supervision.errors.store.error_rows import ACTOR, NOW, accepted, event

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> ErrorProject:
    return projects.create_project(slug="shop", tree="shop", actor=ACTOR)


@pytest.fixture
def ada() -> User:
    return User.objects.create(username="ada")


@pytest.fixture
def billing(ada: User) -> ErrorTeam:
    return owning.save_team(team=None, slug="billing", members=["ada"], actor=ACTOR)


def _owners(project: ErrorProject, *rules: tuple[list[tuple[str, str]], str]) -> None:
    fields = [
        owning.OwnerFields(tuple(match), team=owner[1:])
        if owner.startswith("#")
        else owning.OwnerFields(tuple(match), user=owner)
        for match, owner in rules
    ]
    owning.set_owners(project=project, owners=fields, actor=ACTOR)


def _report(project: ErrorProject, number: int, **more: Any) -> ErrorIssue:
    child = more.pop("child", "")
    function = more.pop("function", f"f{number}")
    accepted(project, event(function=function, **more), number=number, child=child)
    digest(now=NOW)
    return ErrorIssue.objects.select_related("assignee", "team").latest("pk")


def test_the_first_rule_that_holds_in_all_its_parts_says_whose_a_new_issue_is(
    project: ErrorProject, ada: User, billing: ErrorTeam
) -> None:
    _owners(
        project,
        ([("tag.region", "EU"), ("supervisor", "shop/jobs")], "#billing"),
        ([("module", "sh*"), ("child", "shop/web*")], "ada"),
        ([("module", "*")], "#billing"),
    )
    both = _report(project, 1, child="shop/jobs/mail@2", tags={"region": "eu"})
    assert owning.owner_words(both) == "#billing"
    assert owning.owner_words(_report(project, 2, child="shop/web@1", tags={"region": "eu"})) == "ada"
    assert owning.owner_words(_report(project, 3, child="shop/jobs/mail")) == "#billing"
    assert ErrorActivity.objects.filter(kind="assigned").order_by("pk").values_list("text", flat=True)[0] == (
        "#billing, by rule 1"
    )
    issues.assign(issue=both, now=NOW, actor=ACTOR)
    _report(project, 4, function="f1", child="shop/jobs/mail@2", tags={"region": "eu"})
    both.refresh_from_db()
    assert owning.owner_words(both) == "", "a rule speaks of new issues only"


def test_an_issue_that_no_rule_names_is_nobodys(project: ErrorProject, ada: User) -> None:
    _owners(project, ([("path", "*/billing/*")], "ada"))
    assert owning.owner_words(_report(project, 1)) == ""
    other = projects.create_project(slug="bank", tree="bank", actor=ACTOR)
    _owners(project, ([("module", "*")], "ada"))
    assert owning.owner_words(_report(other, 2)) == "", "rules are those of the issue's project"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        (owning.OwnerFields((("colour", "red"),), user="ada"), "owners/0/match"),
        (owning.OwnerFields((), user="ada"), "owners/0/match"),
        (owning.OwnerFields((("path", "*"),) * 11, user="ada"), "owners/0/match"),
        (owning.OwnerFields((("path", "*"),)), "owners/0"),
        (owning.OwnerFields((("path", "*"),), user="ada", team="billing"), "owners/0"),
        (owning.OwnerFields((("path", "*"),), user="nobody"), "owners/0/user"),
        (owning.OwnerFields((("path", "*"),), team="none"), "owners/0/team"),
    ],
)
def test_a_wrong_rule_is_named_and_the_others_stay(
    project: ErrorProject, billing: ErrorTeam, fields: owning.OwnerFields, field: str
) -> None:
    _owners(project, ([("path", "*")], "ada"))
    with pytest.raises(InvalidFieldError) as refused:
        owning.set_owners(project=project, owners=[fields], actor=ACTOR)
    assert refused.value.field == field
    assert [owning.owner_words(each) for each in owning.owners_of(project)] == ["ada"]


def test_a_team_is_made_changed_and_removed_with_what_it_had(
    project: ErrorProject, ada: User, billing: ErrorTeam
) -> None:
    for slug, members, field in (
        ("Bad Name", [], "slug"),
        ("billing", [], "slug"),
        ("new", ["no"], "members"),
    ):
        with pytest.raises(InvalidFieldError) as refused:
            owning.save_team(team=None, slug=slug, members=members, actor=ACTOR)
        assert refused.value.field == field
    User.objects.create(username="grace")
    changed = owning.save_team(team=billing, slug="pay", name="Payments", members=["grace"], actor=ACTOR)
    assert [user.username for user in changed.members.all()] == ["grace"]
    assert changed.version == billing.version + 1
    _owners(project, ([("module", "*")], "#pay"))
    issue = _report(project, 1)
    [told] = owning.teams_with_issues(trees=frozenset({"shop"}))
    assert told.open_issues == 1  # type: ignore[attr-defined]  # an annotation
    [told] = owning.teams_with_issues(trees=frozenset({"bank"}))
    assert told.open_issues == 0  # type: ignore[attr-defined]  # as above
    owning.delete_team(team=changed, actor=ACTOR)
    issue.refresh_from_db()
    assert (issue.team, owning.owners_of(project)) == (None, [])
    actions = AuditEntry.objects.filter(action__startswith="error_team").order_by("seq")
    assert list(actions.values_list("action", flat=True)) == [
        "error_team.create", "error_team.change", "error_team.delete"
    ]  # fmt: skip


def test_an_issue_is_a_users_or_a_teams_and_never_both(
    project: ErrorProject, ada: User, billing: ErrorTeam
) -> None:
    issue = _report(project, 1)
    with pytest.raises(InvalidFieldError):
        issues.assign(issue=issue, user=ada, team=billing, now=NOW, actor=ACTOR)
    issues.assign(issue=issue, team=billing, now=NOW, actor=ACTOR)
    issues.assign(issue=issue, team=billing, now=NOW, actor=ACTOR)
    issues.assign(issue=issue, user=ada, now=NOW, actor=ACTOR)
    said = issue.activity.filter(kind="assigned").order_by("pk").values_list("text", flat=True)
    assert list(said) == ["#billing", "ada"]
    with pytest.raises(IntegrityError), transaction.atomic():
        ErrorIssue.objects.filter(pk=issue.pk).update(team=billing)


def test_following_twice_is_once(project: ErrorProject, ada: User) -> None:
    issue = _report(project, 1)
    for watching, names in ((True, ["ada"]), (True, ["ada"]), (False, []), (False, [])):
        owning.watch(issue=issue, user=ada, watching=watching, now=NOW)
        assert owning.watchers_of(issue) == names
