"""`manage.py issue`: on the control plane's host and elsewhere."""

import datetime as dt
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from controlplane.access.policy import Role, Scope
from controlplane.api import limits
from controlplane.cli.exits import ExitCode
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorDiscard, ErrorIssue, ErrorProject
from tests.controlplane.api import world
from tests.supervision.errors.store import error_rows
from tests.support import people

pytestmark = pytest.mark.django_db(transaction=True)

Run = Callable[..., str]


@pytest.fixture(params=["here", "from elsewhere"])
def run(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Run:
    """Runs `issue`; what it printed, on either stream."""
    world.world()
    world.errors("shop")
    if request.param == "from elsewhere":
        limits.forget()
        monkeypatch.setenv("OVERSTORY_URL", request.getfixturevalue("live_server").url)
        monkeypatch.setenv("OVERSTORY_TOKEN", people.token(people.admin(), Scope.ADMIN))

    def run(*words: str, code: int = ExitCode.DONE, command: str = "issue") -> str:
        ended = ExitCode.DONE
        try:
            call_command(command, *words)
        except SystemExit as end:
            ended = ExitCode(int(end.code or 0))
        said = capsys.readouterr()
        assert ended == code, said
        return said.out + said.err

    return run


def test_issues_are_listed_shown_and_decided_about(run: Run) -> None:
    people.user("eve", (Role.OPERATOR, "shop"))
    assert "SHOP-1" in run("list")
    assert "No issue is like that" in run("list", "--filter", "status:resolved")
    assert "at character 1" in run("list", "--filter", "color:red", code=ExitCode.FAILED)
    shown = run("show", "SHOP-1")
    assert "KeyError" in shown
    assert "shop in load" in shown
    assert "resolved" in run("resolve", "SHOP-1", "--release", "1.2")
    assert "eve" in run("assign", "SHOP-1", "--to", "eve")
    run("comment", "SHOP-1", "-m", "why?")
    issue = ErrorIssue.objects.get()
    assert (issue.status, issue.resolved_in, issue.assignee and issue.assignee.username) == (
        "resolved",
        "1.2",
        "eve",
    )
    assert issue.activity.filter(kind="comment", text="why?").exists()
    assert "archived" in run("archive", "SHOP-1", "--until-events", "5", "--until", "2100-01-01")
    assert "no moment" in run("archive", "SHOP-1", "--until", "soon", code=ExitCode.USAGE)
    issue.refresh_from_db()
    assert issue.until_count is not None
    assert issue.until_at == dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
    assert "resolved" in run("resolve", "SHOP-1", "--next-release")
    assert "ongoing" in run("open", "SHOP-1")
    assert "shop-9" in run("show", "SHOP-9", code=ExitCode.NOT_FOUND).lower()


def test_an_event_is_printed_as_it_was_reported(run: Run) -> None:
    [event] = json.loads(run("events", "SHOP-1", "--json"))["events"]
    raw = json.loads(run("event", "SHOP-1", "--event", event["event_id"]))
    assert raw["data"]["exception"]["values"][0]["type"] == "KeyError"
    assert "needs --event" in run("event", "SHOP-1", code=ExitCode.USAGE)
    assert "nightly" in run("monitors")


def test_what_was_not_stored_is_told_with_its_cause(run: Run) -> None:
    assert "Everything that came was stored." in run("lost", "shop")
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    for reason, hours_ago in (("quota", 0), ("client: sample_rate", 5)):
        ErrorDiscard.objects.create(
            project=ErrorProject.objects.get(), hour=hour - dt.timedelta(hours=hours_ago), category="error",
            reason=reason, count=3,
        )  # fmt: skip
    told = [" ".join(line.split()[2:]) for line in run("lost", "shop").splitlines()]
    assert told[1:] == [
        "3 error more than the project's quota here", "3 error left out by sampling its SDK"
    ]  # fmt: skip
    assert "sampling" not in run("lost", "shop", "--hours", "5")
    assert [one["count"] for one in json.loads(run("lost", "shop", "--json"))["items"]] == [3, 3]
    run("lost", "none", code=ExitCode.NOT_FOUND)
    run("lost", code=ExitCode.USAGE)
    assert "720" in run("lost", "shop", "--hours", "721", code=ExitCode.FAILED)


def test_a_hash_is_parted_into_an_issue_of_its_own(run: Run) -> None:
    now = timezone.now()
    error_rows.accepted(ErrorProject.objects.get(), error_rows.event(function="store"), number=5, at=now)
    digest(now=now)
    asked = run("merge", "SHOP-1", "--other", "SHOP-2", code=ExitCode.FAILED)
    assert "Merge 1 issue with 1 event into SHOP-1, KeyError: 'a'?" in asked
    assert ErrorIssue.objects.get(number=2).merged_into is None
    assert "1 issue with 1 event came to it" in run("merge", "SHOP-1", "--other", "SHOP-2", "--yes")
    assert "They are one already." in run("merge", "SHOP-1", "--other", "SHOP-2")
    hashes = [line.split()[1] for line in run("show", "SHOP-1").splitlines() if line.startswith("hash ")]
    assert len(hashes) == 2
    assert "SHOP-3 is new, with 1 event" in run("part", "SHOP-1", "--hash", hashes[0])
    assert f"hash {hashes[0]} pinned" in run("show", "SHOP-3")
    assert "none would be left" in run("part", "SHOP-1", "--hash", hashes[1], code=ExitCode.FAILED)
    assert "needs --hash" in run("part", "SHOP-1", code=ExitCode.USAGE)


def test_rules_on_issues_are_made_changed_switched_and_removed(run: Run, tmp_path: Path) -> None:
    written = tmp_path / "rule.yaml"
    written.write_text("trigger: events\ncount: 5\nproject: shop\nfilter: level:error\n")

    def rule(*words: str, code: int = ExitCode.DONE) -> str:
        return run(*words, code=code, command="issue_rule")

    assert "issues of shop" in rule("list")
    assert "many  calm" in rule("put", "many", str(written))
    assert json.loads(rule("show", "many", "--json"))["count"] == 5
    written.write_text("count: 7\n")
    rule("put", "many", str(written))
    shown = json.loads(rule("show", "many", "--json"))
    assert (shown["count"], shown["trigger"], shown["filter"]) == (7, "events", "level:error")
    assert "many  off" in rule("disable", "many")
    assert "many  calm" in rule("enable", "many")
    written.write_text("filter: 'colour:red'\n")
    assert "filter" in rule("put", "many", str(written), code=ExitCode.FAILED)
    assert "removed" in rule("delete", "many")
    assert "no rule" in rule("show", "many", code=ExitCode.NOT_FOUND)


def test_rules_of_grouping_are_tried_put_and_shown(run: Run, tmp_path: Path) -> None:
    def grouping(*words: str, code: int = ExitCode.DONE) -> str:
        return run(*words, code=code, command="error_grouping")

    assert "No rule" in grouping("show", "shop")
    written = tmp_path / "grouping.yaml"
    written.write_text("rules:\n- match: [[type, '*']]\n  fingerprint: [all]\n  title: all there is\n")
    tried = grouping("try", "shop", str(written))
    assert "all there is" in tried
    assert "0 of the newest" in tried
    assert "No rule" in grouping("show", "shop")
    assert "type:*  all         all there is" in grouping("put", "shop", str(written))
    assert json.loads(grouping("show", "shop", "--json"))["rules"][0]["fingerprint"] == ["all"]
    written.write_text("rules:\n- match: [[colour, red]]\n  title: x\n")
    assert "no field" in grouping("put", "shop", str(written), code=ExitCode.FAILED)
    grouping("show", "none", code=ExitCode.NOT_FOUND)


def test_teams_and_owners_are_made_shown_and_removed(run: Run, tmp_path: Path) -> None:
    people.user("eve", (Role.OPERATOR, "shop"))

    def owners(*words: str, code: int = ExitCode.DONE) -> str:
        return run(*words, code=code, command="error_owners")

    assert "pay  eve" in owners("team", "pay", "--words", "Payments", "--member", "eve")
    assert "pay  eve" in owners("team", "pay", "--words", "Money")
    assert json.loads(owners("teams", "--json"))["teams"][-1] == {
        "slug": "pay", "name": "Money", "members": ["eve"]
    }  # fmt: skip
    assert "no user" in owners("team", "pay", "--member", "nobody", code=ExitCode.FAILED)
    written = tmp_path / "owners.yaml"
    written.write_text("owners:\n- match: [[path, '*/billing/*']]\n  team: pay\n")
    assert "path:*/billing/*  #pay" in owners("put", "shop", str(written))
    assert "#pay" in owners("show", "shop")
    written.write_text("owners:\n- match: [[path, '*']]\n")
    assert "a user, or a team" in owners("put", "shop", str(written), code=ExitCode.FAILED)
    owners("show", "none", code=ExitCode.NOT_FOUND)
    assert "#pay" in run("assign", "SHOP-1", "--team", "pay")
    assert "muted, #pay" in run("mute", "SHOP-1")
    assert "removed" in owners("drop", "pay")
    owners("drop", "pay", code=ExitCode.NOT_FOUND)
    assert "New issues are nobody's" in owners("show", "shop")


def test_an_issue_is_followed(run: Run) -> None:
    here = not os.environ.get("OVERSTORY_URL")
    if here:
        people.user("ada")
    who = ["--to", "ada"] if here else []
    run("watch", "SHOP-1", *([] if here else ["--to", "ada"]), code=ExitCode.USAGE)
    assert "followed by ada" in run("watch", "SHOP-1", *who)
    assert "followed by nobody" in run("unwatch", "SHOP-1", *who)
