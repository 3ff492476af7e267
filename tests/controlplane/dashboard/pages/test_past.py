"""Time travel: the page of a moment shows what the node's journal says of it, and what became of it since."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import timezone

from controlplane.access.policy import Role
from supervision.fleet.models import Node
from supervision.journal import services
from supervision.journal.replica import Replica
from tests.supervision.journal.told import eventful_life
from tests.support import people

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def told() -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]], str]:
    return eventful_life()


@pytest.fixture
def records(told: Any) -> list[dict[str, Any]]:
    node = Node.objects.create(id=told[2], name="web-1", joined_at=timezone.now())
    found: list[dict[str, Any]] = told[0]
    services.ingest(node_id=node.id, stream_epoch=1, epoch=node.epoch, batch=Replica().fold(found))
    return found


def at(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()


def just_before_the_kill(records: list[dict[str, Any]]) -> float:
    ended = [
        one["t"] for one in records if one["k"] == "step" and one["event"][:2] == ["exited", "shop/front/web"]
    ]
    killed = ended[0]
    return float(killed) - 0.001


def test_a_moment_shows_what_the_journal_says_of_it(records: list[dict[str, Any]]) -> None:
    client, moment = people.browser(people.admin()), just_before_the_kill(records)
    shown = client.get("/past", {"at": at(moment), "q": "shop"}).context
    replica = Replica()
    replica.skip([record for record in records if record["t"] <= moment])
    expected = {key: row for key, row in replica.everything().members.items() if key.startswith("shop")}
    rows = {row["key"]: row for row in shown["outline"]}
    assert rows.keys() == expected.keys()
    for key, row in rows.items():
        assert (row["state"], row["incarnation"], row["pid"]) == tuple(
            expected[key][name] for name in ("state", "incarnation", "pid")
        )
    [node] = shown["nodes"]
    assert node["position"] == f"record {replica.seq} of stream 1"


def test_what_became_of_it_is_said(records: list[dict[str, Any]]) -> None:
    client, moment = people.browser(people.admin()), just_before_the_kill(records)
    calls = [
        (one["t"], one["event"][2]) for one in records if one["k"] == "step" and one["event"][0] == "call"
    ]
    [until] = [moment for moment, call in calls if call[0] == "terminate_child"]
    changes = client.get("/past", {"at": at(moment), "until": at(until)}).context["changes"]
    words = {row["key"]: row["words"] for row in changes["rows"]}
    assert words["shop/front/web"] == "started once more; last ended: signal(9)"
    assert words["shop/store"] == "running, then stopped"
    assert words["shop/front/cache"].endswith("held")
    since = client.get("/past", {"at": at(moment), "until": ""}).context["changes"]
    assert {row["key"]: row["words"] for row in since["rows"]}["shop/front/web"] == "went, was running"
    same = client.get("/past", {"at": at(moment), "until": at(moment)}).context["changes"]
    assert same["total"] == 0


def test_only_trees_that_may_be_seen_are_shown(records: list[dict[str, Any]]) -> None:
    grace = people.browser(people.user("grace", (Role.VIEWER, "pool")))
    shown = grace.get("/past", {"at": at(records[-1]["t"]), "until": ""}).context
    assert {row["tree"] for row in shown["outline"]} == {"pool"}
    assert shown["nodes"] == []
    assert all(row["key"].startswith("pool") for row in shown["changes"]["rows"])


@pytest.mark.parametrize("given", ["yesterday", "2026-13-01", "-5y", "9999-01-01T00:00:00", "-99999d"])
def test_what_is_no_moment_is_named(given: str) -> None:
    client = people.browser(people.admin())
    answer = client.get("/past", {"at": given})
    assert answer.status_code == 200
    assert ("at" in answer.context["errors"]) is (given != "-99999d")


def test_before_there_was_a_journal_nothing_is_kept(records: list[dict[str, Any]]) -> None:
    shown = people.browser(people.admin()).get("/past", {"at": at(records[0]["t"] - 3600)}).context
    assert shown["outline"] == []
    assert shown["nodes"][0]["position"] == "nothing of it is kept from then"


def expected_at(records: list[dict[str, Any]], moment: float) -> dict[str, Any]:
    replica = Replica()
    replica.skip([record for record in records if record["t"] <= moment])
    return replica.everything().members


SHOWN = ("state", "incarnation", "pid", "restarts")


def test_tree_processes_and_overview_are_as_they_were(records: list[dict[str, Any]]) -> None:
    client, moment = people.browser(people.admin()), just_before_the_kill(records)
    expected = expected_at(records, moment)
    then = {"at": at(moment)}
    tree = client.get("/tree", then | {"q": "tree:shop"})
    rows = {row["key"]: row for row in tree.context["outline"]}
    assert rows.keys() == {key for key in expected if key.startswith("shop")}
    for key, row in rows.items():
        assert [row[name] for name in SHOWN] == [expected[key][name] for name in SHOWN], key
    assert rows["shop/front"]["counts"] == {"running": 2}
    processes = client.get("/processes", then | {"q": "state:running", "sort": "key"})
    assert [row["key"] for row in processes.context["rows"]] == sorted(
        key for key, row in expected.items() if row["state"] == "running" and not row["is_supervisor"]
    )
    overview = client.get("/", then).context
    children = [row for row in expected.values() if not row["is_supervisor"]]
    assert sum(overview["states"].values()) == len(children)
    assert overview["states"]["running"] == sum(row["state"] == "running" for row in children)
    assert (overview["strays"], overview["node_states"]) == (None, None), "no journal says"
    for page in (tree, processes):
        assert page.context["live"]["topics"] == {}
        text = page.content.decode()
        assert "nothing here is live" in text
        assert "data-outline role" not in text
        assert 'data-grid="procs"' not in text


def test_a_later_moment_of_a_page_is_another_one(records: list[dict[str, Any]]) -> None:
    client = people.browser(people.admin())
    last = client.get("/processes", {"at": at(records[-1]["t"] + 0.001), "q": "name:web"}).context["rows"]
    assert not last, "its supervisor went with the second revision"
    [web] = client.get("/processes", {"at": at(just_before_the_kill(records)), "q": "name:web"}).context[
        "rows"
    ]
    assert web["incarnation"] == 1


def test_the_past_of_a_page_is_cut_to_what_may_be_seen(records: list[dict[str, Any]]) -> None:
    grace = people.browser(people.user("grace", (Role.VIEWER, "pool")))
    then = {"at": at(just_before_the_kill(records))}
    assert {row["tree"] for row in grace.get("/tree", then).context["outline"]} == {"pool"}
    assert {row["tree"] for row in grace.get("/processes", then).context["rows"]} == {"pool"}
    overview = grace.get("/", then).context
    assert {tree["tree"] for tree in overview["trees"]} == {"pool"}
    assert {event["tree"] for event in overview["events"]} <= {"pool"}


@pytest.mark.parametrize("page", ["/tree", "/processes", "/?all=1"])
def test_a_moment_that_is_none_is_named_and_now_is_shown(page: str, records: list[dict[str, Any]]) -> None:
    answer = people.browser(people.admin()).get(page, {"at": "yesterday", "all": "1"})
    assert not answer.context["is_past"]
    assert "is no time" in answer.content.decode()
