"""The verdict in words, and what is named first."""

from typing import Any

import pytest

from controlplane.dashboard.live.records import Facts, member_facts, node_facts
from controlplane.dashboard.live.summary import Fleet, summarise
from tests.controlplane.dashboard.live.rows import member, node, supervisor

NOW = 1_800_000_000.0


def facts(record: dict[str, Any], **more: Any) -> Facts:
    return member_facts(record, "host-n1") | {"rss": None, "restarts_1h": None} | more


def fleet(*members: Facts, nodes: tuple[Facts, ...] | None = None, **more: Any) -> Fleet:
    given: dict[str, Any] = {"trees": [], "strays": {}, "sees_nodes": True} | more
    return Fleet(
        members=list(members), nodes=list(nodes if nodes is not None else (node_facts(node("n1")),)), **given
    )


def told(given: Fleet, now: float = NOW) -> dict[str, Any]:
    return summarise(given, now=now, link=lambda path: f"/{path}")


def test_all_is_well_when_everything_runs() -> None:
    found = told(fleet(facts(supervisor("shop")), facts(member("shop/web"))))
    assert found["verdict"] == {"level": "good", "text": "All is well: 1 process as declared.", "since": None}
    assert found["attention"] == []
    assert found["states"]["running"] == 1
    assert found["states"]["failed"] == 0


def test_what_needs_attention_is_listed_as_a_sentence_lists_it() -> None:
    quiet = node("n1", state="down")
    alone = told(fleet(facts(member("shop/web")), nodes=(node_facts(quiet),)))
    assert alone["verdict"]["text"] == "Node host-n1 is silent"
    broken = facts(member("shop/web", state="failed", last_exit_reason="exit(3)"))
    two = told(fleet(broken, nodes=(node_facts(quiet),)))
    assert two["verdict"]["text"].startswith("1 of 1 process needs attention and 1 node is silent, worst: ")
    three = told(fleet(broken, nodes=(node_facts(quiet),), strays={"n1": 2}))
    assert three["verdict"]["text"].startswith(
        "1 of 1 process needs attention, 1 node is silent and 2 processes are stray, worst: "
    )


def test_without_anything_it_says_so_and_not_that_all_is_well() -> None:
    assert told(fleet(nodes=()))["verdict"]["text"] == "No node has joined yet."
    assert told(fleet())["verdict"]["level"] == "unknown"


@pytest.mark.parametrize(
    ("record", "level", "text"),
    [
        (
            member("shop/web", state="failed", last_exit_reason="exit(3)"),
            "trouble",
            "shop/web failed: ended with exit code 3",
        ),
        (member("shop/web", state="lost"), "trouble", "shop/web is lost: its end could not be observed"),
        (
            member("shop/web", state="backoff", last_exit_reason="exit(1)"),
            "warning",
            "shop/web keeps failing: ended with exit code 1",
        ),
        (supervisor("shop/jobs", state="failed"), "trouble", "shop/jobs gave up"),
        (supervisor("shop/jobs", state="backoff"), "trouble", "shop/jobs gave up and is tried again"),
        (
            supervisor("shop/jobs", window_used=3),
            "warning",
            "shop/jobs used 3 of 3 restarts: the next exit ends it",
        ),
    ],
)
def test_what_needs_attention_is_named_with_its_reason(record: dict[str, Any], level: str, text: str) -> None:
    [concern] = told(fleet(facts(record)))["attention"]
    assert (concern["level"], concern["text"]) == (level, text)


@pytest.mark.parametrize(
    "record",
    [
        member("shop/web", state="stopped", wanted="down"),
        member("shop/web", state="held"),
        member("shop/web", state="completed"),
        member("shop/web", state="starting"),
        member("shop/web", state="waiting", waiting_for=["shop/db"]),
        supervisor("shop", window_used=2),
    ],
)
def test_what_is_as_asked_or_only_just_began_needs_none(record: dict[str, Any]) -> None:
    assert told(fleet(facts(record)))["attention"] == []


def test_what_lasts_too_long_does() -> None:
    waiting = facts(member("shop/web", state="waiting", waiting_for=["shop/db"]))
    starting = facts(member("shop/api", state="starting"))
    texts = [one["text"] for one in told(fleet(waiting, starting), now=NOW + 300)["attention"]]
    assert texts == ["shop/web waits for shop/db for 5m00s", "shop/api is starting for 5m00s"]


def test_the_worst_comes_first_and_what_is_below_a_supervisor_that_gave_up_is_counted_not_named() -> None:
    found = told(
        fleet(
            facts(member("bank/web", state="failed")),
            facts(member("bank/slow", state="backoff")),
            facts(supervisor("shop", state="failed")),
            facts(supervisor("shop/jobs", state="stopped", parent="shop")),
            *(facts(member(f"shop/jobs/{n}", state="stopped")) for n in range(4)),
        )
    )
    assert [one["key"] for one in found["attention"]] == ["shop", "bank/web", "bank/slow"]
    assert found["attention"][0]["text"] == "shop gave up, 4 processes below it"
    assert found["verdict"]["text"] == (
        "6 of 6 processes need attention, worst: shop gave up, 4 processes below it"
    )
    assert found["attention"][0]["action"] == {"label": "Start", "url": "/act/start/shop?node=n1"}


def test_silent_nodes_and_strays_are_told_to_who_may_see_nodes_and_to_nobody_else() -> None:
    silent = node_facts(node("n2", state="down"))
    given: dict[str, Any] = {"nodes": (silent,), "strays": {"n2": 2}}
    found = told(fleet(facts(member("shop/web")), **given), now=NOW + 12)
    assert [one["text"] for one in found["attention"]] == [
        "node host-n2 is silent for 12s",
        "2 stray processes on host-n2",
    ]
    assert found["strays"] == 2
    hidden = told(fleet(facts(member("shop/web")), **given, sees_nodes=False))
    assert hidden["attention"] == []
    assert hidden["strays"] is None
    assert hidden["node_states"] is None


def test_eight_concerns_are_shown_and_all_are_counted() -> None:
    found = told(fleet(*(facts(member(f"shop/{n}", state="failed")) for n in range(20))))
    assert len(found["attention"]) == 8
    assert found["verdict"]["text"].startswith("20 of 20 processes need attention")


def test_counts_are_split_by_node_and_by_tree() -> None:
    found = told(
        fleet(
            facts(member("shop/web")),
            facts(member("bank/web", state="failed", node_id="n2")),
            trees=[{"tree": "shop", "node": "n1", "state": "running", "revision": 3}],
        )
    )
    assert found["nodes"] == [
        {"node": "n1", "host": "host-n1", "state": "up", "states": {"running": 1}, "total": 1},
        {"node": "n2", "host": "host-n1", "state": None, "states": {"failed": 1}, "total": 1},
    ]
    assert [(one["tree"], one["revision"], one["states"]) for one in found["trees"]] == [
        ("bank", None, {"failed": 1}),
        ("shop", 3, {"running": 1}),
    ]


def test_a_tree_that_is_not_where_it_should_be_is_named_with_its_reason() -> None:
    nowhere = {"tree": "shop", "why": "no node has the labels zone=b", "runs": False}
    stays = {"tree": "jobs", "why": "every node is drained: a; it stays on a", "runs": True}
    found = told(fleet(facts(supervisor("jobs")), facts(member("jobs/web")), unplaced=[stays, nowhere]))
    assert found["verdict"]["level"] == "trouble"
    assert found["verdict"]["text"] == (
        "2 trees are not placed as declared, worst: shop is not placed as declared: no node has the labels zone=b"
    )
    assert [one["level"] for one in found["attention"]] == ["trouble", "warning"]
    assert found["attention"][0]["action"] == {"label": "Trees", "url": "/trees"}


def leak(key: str, action: str, **more: Any) -> Facts:
    given = {"id": "7", "key": key, "node": "n1", "host": "host-n1", "resource": "rss", "action": action,
             "rate": 1048576.0, "limit_at": NOW + 7200, "since": NOW - 60, "ended_at": None}  # fmt: skip
    return given | more


def check(key: str, state: str, **more: Any) -> Facts:
    given = {"key": key, "node": "n1", "host": "host-n1", "name": "http", "state": state, "stale": False,
             "since": NOW - 9, "detail": "503"}  # fmt: skip
    return given | more


def test_what_leaks_is_named_with_the_time_to_its_limit() -> None:
    members = [facts(supervisor("shop")), facts(member("shop/web")), facts(member("shop/api"))]
    found = told(
        fleet(*members, leaks=[leak("shop/web", "recycle"), leak("shop/api", "watch", ended_at=NOW - 5)])
    )
    assert found["verdict"]["level"] == "warning"
    assert found["verdict"]["text"] == (
        "1 of 2 processes needs attention: shop/web: memory grows by 1.0 MiB/s, limit in 2h00m"
    )
    [only] = found["attention"]
    assert (only["kind"], only["action"]) == ("leak", {"label": "Look", "url": "/leaks/7"})


def test_a_child_that_leaks_and_is_not_well_counts_once_and_what_is_stale_not_at_all() -> None:
    members = [facts(supervisor("shop")), facts(member("shop/web")), facts(member("shop/api"))]
    checks = [
        check("shop/web", "degraded"), check("shop/web", "unhealthy", name="tcp"),
        check("shop/api", "unhealthy", stale=True),
    ]  # fmt: skip
    found = told(fleet(*members, leaks=[leak("shop/web", "restart")], checks=checks))
    assert found["verdict"]["text"].startswith(
        "1 of 2 processes needs attention, worst: shop/web: memory grows"
    )
    assert [one["kind"] for one in found["attention"]] == ["leak", "health"]
    assert found["attention"][1]["text"] == "shop/web is unhealthy, tcp: 503"


def test_tasks_that_are_parked_are_named_with_why_and_lead_to_the_newest() -> None:
    parked = {
        "tree": "shop",
        "name": "shop.poison",
        "parked": 2,
        "since": NOW,
        "id": "t7",
        "reason": "signal(9)",
    }
    found = told(fleet(facts(supervisor("shop")), facts(member("shop/web")), parked=[parked]))
    assert found["verdict"]["text"] == "2 tasks are parked: task shop.poison is parked, 2 of them: signal(9)"
    [concern] = found["attention"]
    assert (concern["kind"], concern["action"]) == ("task", {"label": "Look", "url": "/workers/task/t7"})
