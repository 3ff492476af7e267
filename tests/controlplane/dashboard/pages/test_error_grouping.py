"""The page of grouping rules: lines that are tried, saved, and read back."""

import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from controlplane.access.policy import Role
from controlplane.dashboard.groupingforms import lines_of, rules_of_lines
from supervision.errors.exceptions import InvalidFieldError
from supervision.errors.grouping.conditions import FIELDS
from supervision.errors.store.grouping_rules import RuleFields, rules_of_project
from supervision.errors.store.models import ErrorIssue, ErrorProject
from tests.controlplane.api import world
from tests.support import people

LINES = 'type:KeyError -> all, {{ function }} title="all of {{ type }}"\n\n// others\nlogger:pay* -> {{ default }}'


@pytest.fixture
def client(db: None) -> Client:
    """With a project that has an issue."""
    world.world()
    ada = people.admin()
    world.errors("shop")
    return people.browser(ada)


def test_rules_are_written_as_lines_and_read_back(client: Client) -> None:
    form = {"do": "save", "project": "shop", "was": "", "rules": LINES}
    assert client.post("/errors/grouping", form).status_code == 303
    project = ErrorProject.objects.get(slug="shop")
    text = lines_of(rules_of_project(project))
    assert text.splitlines() == [LINES.splitlines()[0], LINES.splitlines()[3]]
    stale = client.post("/errors/grouping", form | {"rules": "type:OSError -> os"})
    assert stale.status_code == 400
    assert "somebody changed these rules" in stale.content.decode()
    assert "type:OSError -&gt; os" in stale.content.decode(), "what was typed is not lost"
    again = form | {"was": text.replace("\n", "\r\n"), "rules": ""}
    assert client.post("/errors/grouping", again).status_code == 303
    assert rules_of_project(project) == []


def test_a_trial_names_the_issues_and_saves_nothing(client: Client) -> None:
    issue = ErrorIssue.objects.get()
    form = {
        "do": "try",
        "project": "shop",
        "was": "",
        "rules": f"type:nothing -> a\ntype:{issue.type} -> b, c",
    }
    answer = client.post("/errors/grouping", form)
    assert answer.status_code == 200
    trial = answer.context["projects"][0]["trial"]
    assert [each["events"] for each in trial["rules"]] == [0, trial["tried"]]
    assert trial["rules"][1]["issues"] == [{"short_id": "SHOP-1", "url": "/errors/SHOP-1"}]
    assert (trial["tried"] > 0, trial["unmatched"]) == (True, 0)
    assert form["rules"] in answer.context["projects"][0]["text"]
    assert rules_of_project(ErrorProject.objects.get(slug="shop")) == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("type:*", "then -&gt;"),
        ("-> a", "conditions like"),
        ("'type:* -> a", "quote"),
        ("type -> a", "no condition"),
        ("colour:red -> a", "rule 1: match: no field"),
        ("type:* ->", "rule 1: fingerprint: a rule gives"),
        ("type:* -> {{ colour }}", "rule 1: fingerprint: no variable"),
        ('type:* -> title="{{ default }}"', "rule 1: title: no variable"),
        ('type:* -> title="a" b', "nothing more"),
        ('type:* -> "a"b', "line 1"),
    ],
)
def test_a_wrong_line_is_named(client: Client, line: str, words: str) -> None:
    for do in ("try", "save"):
        answer = client.post("/errors/grouping", {"do": do, "project": "shop", "was": "", "rules": line})
        assert answer.status_code == 400
        assert words in answer.content.decode().replace("&#x27;", "'")
    assert rules_of_project(ErrorProject.objects.get(slug="shop")) == []


@pytest.mark.django_db
def test_whoever_administers_one_tree_changes_its_rules() -> None:
    world.world()
    world.errors("shop")
    world.errors("bank")
    browser = people.browser(people.user("eve", (Role.ADMIN, "shop")))
    form = {"do": "save", "project": "shop", "was": "", "rules": "type:* -> a"}
    assert browser.post("/errors/grouping", form).status_code == 303
    assert browser.post("/errors/grouping", form | {"project": "bank"}).status_code == 404
    assert browser.post("/errors/grouping", form | {"do": "else"}).status_code == 404
    assert "bank" not in browser.get("/errors/grouping").content.decode()
    viewer = people.browser(people.user("vic", (Role.VIEWER, "shop")))
    assert viewer.post("/errors/grouping", form | {"was": "type:* -> a"}).status_code == 403
    assert "type:* -&gt; a" in viewer.get("/errors/grouping").content.decode()


LINE = st.text(
    st.characters(exclude_categories=("C", "Z"), include_characters=' ,"\\:=>-'), min_size=1, max_size=20
).filter(lambda text: text == text.strip())
PARTS = st.lists(LINE, max_size=3).map(tuple)
RULE = st.builds(
    RuleFields,
    st.lists(st.tuples(st.sampled_from(FIELDS), LINE), min_size=1, max_size=3).map(tuple),
    PARTS,
    LINE | st.just(""),
).filter(lambda rule: bool(rule.fingerprint or rule.title))


@given(st.lists(RULE, max_size=3))
@settings(max_examples=300)
def test_every_rule_is_read_back_from_its_line(rules: list[RuleFields]) -> None:
    assert rules_of_lines(lines_of(rules)) == rules


def test_a_line_that_is_wrong_is_counted_with_the_empty_ones() -> None:
    with pytest.raises(InvalidFieldError, match="line 3"):
        rules_of_lines("type:* -> a\n\ntype:*")
