"""Who follows an issue is told what others do with it, in few messages."""

import datetime as dt

import pytest
from django.contrib.auth.models import User
from django.core import mail

from supervision.alerts import selectors as alerts
from supervision.alerts.delivery import deliver_due
from supervision.alerts.models import Alert, AlertRule, Channel, Delivery
from supervision.auditlog.actor import Actor, ActorKind
from supervision.errors.store import issues, owning
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorActivity, ErrorIssue, ErrorProject
from supervision.rules.issues.models import IssueNews
from supervision.rules.issues.news import MOST_PER_HOUR, tell_news
from tests.supervision.alerts.test_services import Instance
from tests.supervision.errors.store.error_rows import ACTOR, NOW, accepted, event

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> ErrorProject:
    return ErrorProject.objects.create(slug="shop", name="Shop", tree="shop")


@pytest.fixture
def ada() -> User:
    return User.objects.create(username="ada", email="ada@example.com")


@pytest.fixture
def issue(project: ErrorProject, ada: User) -> ErrorIssue:
    accepted(project, event(), number=1)
    digest(now=NOW)
    found = ErrorIssue.objects.get()
    owning.watch(issue=found, user=ada, watching=True, now=NOW)
    return found


def at(seconds: float) -> dt.datetime:
    return NOW + dt.timedelta(seconds=seconds)


def look(seconds: float, *, sees: bool = True) -> int:
    return tell_news(may_see=lambda _user, _tree: sees, now=at(seconds))


def by(name: str) -> Actor:
    return Actor(kind=ActorKind.USER, id="1", name=name)


def test_what_others_do_is_one_message_to_who_follows(issue: ErrorIssue, ada: User) -> None:
    issues.comment(issue=issue, text="seen it", now=at(1), actor=by("grace"))
    issues.set_status(issue=issue, status="resolved", now=at(2), actor=by("grace"))
    accepted(issue.project, event(), number=2, at=at(3))
    digest(now=at(3))
    assert (look(5), look(20)) == (0, 0)
    assert (look(36), look(100)) == (1, 0)
    alert = Alert.objects.get()
    assert (alert.kind, alert.state, alert.tree, alert.title) == (
        "issue_news", "resolved", "shop", "3 news of SHOP-1"
    )  # fmt: skip
    assert alert.body.splitlines() == [
        "SHOP-1 said seen it, grace: KeyError: 'a'",
        "SHOP-1 resolved, grace: KeyError: 'a'",
        "SHOP-1 came back: KeyError: 'a'",
    ]
    assert not alerts.alerts(trees=None).exists(), "they are for one person"
    assert deliver_due(told=Instance(), now=at(40)) == 1
    [message] = mail.outbox
    assert (message.to, "3 news of SHOP-1" in message.subject) == (["ada@example.com"], True)
    assert not ErrorActivity.objects.filter(is_untold=True).exists()


def test_nobody_is_told_what_they_did_or_may_not_see(issue: ErrorIssue, ada: User) -> None:
    issues.comment(issue=issue, text="mine", now=at(1), actor=by("ada"))
    issues.comment(issue=issue, text="my token's", now=at(1), actor=by("ada (token ci)"))
    look(2)
    assert not IssueNews.objects.exists()
    issues.comment(issue=issue, text="secret", now=at(3), actor=by("grace"))
    look(4, sees=False)
    ada.is_active = False
    ada.save()
    issues.comment(issue=issue, text="she left", now=at(5), actor=by("grace"))
    look(6)
    assert not IssueNews.objects.exists()


def test_whose_it_is_and_the_members_of_its_team_hear_too(issue: ErrorIssue, ada: User) -> None:
    owning.watch(issue=issue, user=ada, watching=False, now=NOW)
    for name in ("eve", "joe"):
        User.objects.create(username=name, email=f"{name}@example.com")
    team = owning.save_team(team=None, slug="ops", members=["eve", "joe"], actor=ACTOR)
    issues.assign(issue=issue, team=team, now=at(1), actor=by("joe"))
    look(2)
    assert look(40) == 1
    assert Delivery.objects.get().address == "eve@example.com"
    issues.assign(issue=issue, user=ada, now=at(50), actor=by("joe"))
    look(51)
    assert look(90) == 1
    assert set(Delivery.objects.values_list("address", flat=True)) == {"eve@example.com", "ada@example.com"}


def test_nobody_gets_more_than_so_many_an_hour_and_the_rest_is_in_the_next(issue: ErrorIssue) -> None:
    told = 0
    for number in range(MOST_PER_HOUR + 5):
        issues.comment(issue=issue, text=f"c{number}", now=at(number * 100), actor=by("grace"))
        look(number * 100)
        told += look(number * 100 + 31)
    assert told == MOST_PER_HOUR
    assert look(3700) == 1
    assert "5 news of SHOP-1" in Alert.objects.latest("pk").title


def test_a_channel_hears_only_where_it_names_the_kind(issue: ErrorIssue) -> None:
    Channel.objects.create(name="all", kind="email", target="all@example.com")
    named = Channel.objects.create(name="named", kind="email", target="n@example.com", kinds=["issue_news"])
    issues.comment(issue=issue, text="c", now=at(1), actor=by("grace"))
    look(2)
    look(40)
    assert list(Delivery.objects.exclude(channel=None).values_list("channel", flat=True)) == [named.pk]
    AlertRule.objects.create(kind="issue_news", severity="info", is_enabled=False)
    issues.comment(issue=issue, text="d", now=at(50), actor=by("grace"))
    look(51)
    look(90)
    assert Alert.objects.count() == 1
    assert not IssueNews.objects.exists()
