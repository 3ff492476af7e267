"""Rules of a project by which its reports are grouped."""

import pytest

from supervision.auditlog.actor import Actor
from supervision.auditlog.models import AuditEntry
from supervision.errors.exceptions import InvalidFieldError
from supervision.errors.grouping.rules import Rule
from supervision.errors.store import grouping_rules
from supervision.errors.store.digesting import digest
from supervision.errors.store.grouping_rules import RuleFields, rules_of_project, set_rules, try_rules
from supervision.errors.store.models import ErrorEvent, ErrorIssue, ErrorProject
from tests.supervision.errors.store.reports import NOW, accepted, an_event

ACTOR = Actor.system("test")
pytestmark = pytest.mark.django_db
ANY_ERROR = (("type", "*Error"),)


@pytest.fixture
def project() -> ErrorProject:
    return ErrorProject.objects.create(slug="shop", name="Shop")


def test_rules_count_for_what_comes_after_them(project: ErrorProject) -> None:
    accepted(project, an_event("KeyError"), number=1)
    digest(now=NOW)
    rules = [
        RuleFields((("type", "KeyError"), ("function", "nothing")), ("never",)),
        RuleFields(ANY_ERROR, ("all",), "all of {{ type }}"),
    ]
    set_rules(project=project, rules=rules, actor=ACTOR)
    for number, kind in ((2, "KeyError"), (3, "OSError")):
        accepted(project, an_event(kind), number=number)
    digest(now=NOW)
    before, after = ErrorIssue.objects.order_by("number")
    assert (before.stat.count, after.stat.count) == (1, 2)
    assert (after.title, after.because["rule"]) == ("all of KeyError", "rule 2 of the project")
    entry = AuditEntry.objects.filter(action="error_project.grouping").get()
    assert entry.details == {"rules": 2}
    set_rules(project=project, rules=[], actor=ACTOR)
    accepted(project, an_event("KeyError"), number=4)
    digest(now=NOW)
    before.stat.refresh_from_db()
    assert before.stat.count == 2, "without rules it is grouped as before them"


def test_what_would_group_it_without_a_rule_is_a_part_of_what_does(project: ErrorProject) -> None:
    fields = RuleFields(ANY_ERROR, ("{{ default }}", "{{ tags.region }}"))
    set_rules(project=project, rules=[fields], actor=ACTOR)
    for number, (kind, region) in enumerate([("KeyError", "eu"), ("KeyError", "us"), ("OSError", "eu")]):
        accepted(project, an_event(kind, tags={"region": region}), number=number)
    digest(now=NOW)
    assert ErrorIssue.objects.count() == 3


def test_the_first_that_is_wrong_is_named_and_nothing_is_changed(project: ErrorProject) -> None:
    good = RuleFields(ANY_ERROR, ("all",))
    set_rules(project=project, rules=[good], actor=ACTOR)
    wrong = {
        "rules/1/match": RuleFields((("colour", "red"),), ("a",)),
        "rules/1/fingerprint": RuleFields(ANY_ERROR),
        "rules/1/title": RuleFields(ANY_ERROR, ("a",), "two\nlines"),
    }
    for field, bad in wrong.items():
        with pytest.raises(InvalidFieldError) as refused:
            set_rules(project=project, rules=[good, bad], actor=ACTOR)
        assert refused.value.field == field
    many = RuleFields(ANY_ERROR * (grouping_rules.MOST_CONDITIONS + 1), ("a",))
    with pytest.raises(InvalidFieldError, match="conditions"):
        set_rules(project=project, rules=[many], actor=ACTOR)
    with pytest.raises(InvalidFieldError, match="at most"):
        set_rules(project=project, rules=[good] * (grouping_rules.MOST_RULES + 1), actor=ACTOR)
    assert [row.fingerprint for row in rules_of_project(project)] == [["all"]]


def test_a_trial_says_what_each_rule_would_have_done(project: ErrorProject) -> None:
    for number, kind in enumerate(["KeyError", "KeyError", "OSError", "Exit"]):
        accepted(project, an_event(kind, value="x", function=f"f{number}"), number=number)
    digest(now=NOW)
    rules = [Rule((("type", "key*"),), ("{{ function }}",), "in {{ function }}"), Rule(ANY_ERROR, ("rest",))]
    found = try_rules(project=project, rules=rules)
    assert (found.tried, found.unmatched) == (4, 1)
    first, second = found.rules
    assert (first.events, first.fingerprint, first.title) == (2, ("f1",), "in f1")
    assert (second.events, len(first.issues), second.issues) == (1, 2, ["SHOP-3"])
    assert ErrorEvent.objects.count() == 4
    assert rules_of_project(project) == []
    assert try_rules(project=project, rules=rules, most=2).tried == 2
