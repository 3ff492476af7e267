"""How checks roll up, and what is said of answers that grew old."""

from typing import Any

from controlplane.dashboard.healthrows import by_node, check_row, counts, rolled_up, urgency


def check(key: str, state: str, *, stale: bool = False, name: str = "http") -> dict[str, Any]:
    return {
        "id": f"{key}:{name}", "key": key, "tree": key.partition("/")[0], "node": "n1", "host": "one", "name": name,
        "state": state, "stale": stale, "since": 50.0, "checked_at": 100.0, "on_unhealthy": "restart",
    }  # fmt: skip


def member(key: str, state: str = "running", *, supervisor: bool = False) -> dict[str, Any]:
    return {"key": key, "node": "n1", "host": "one", "state": state, "is_supervisor": supervisor}


def test_a_child_is_as_well_as_the_worst_of_its_state_and_its_checks() -> None:
    members = [
        member("shop", supervisor=True), member("shop/front", supervisor=True), member("shop/front/a"),
        member("shop/front/b"), member("shop/c", "backoff"), member("shop/d", "stopped"),
    ]  # fmt: skip
    checks = [check("shop/front/a", "unhealthy"), check("shop/front/a", "healthy", name="tcp")]
    root, front = rolled_up(members, checks)
    assert (front["key"], front["state"], front["counts"]) == (
        "shop/front",
        "unhealthy",
        {"unhealthy": 1, "healthy": 1},
    )
    assert (root["state"], root["counts"]) == ("unhealthy", {"unhealthy": 1, "healthy": 1, "degraded": 1})


def test_an_answer_that_grew_old_is_shown_as_stale_and_counts_for_nothing() -> None:
    rows = [check("shop/a", "healthy", stale=True), check("shop/b", "unhealthy"), check("shop/c", "healthy")]
    assert check_row(rows[0], 200.0)["shown"] == "stale"
    assert check_row(rows[0], 200.0)["age_s"] == 100.0
    assert [row["key"] for row in sorted(rows, key=urgency)] == ["shop/b", "shop/a", "shop/c"]
    assert {name: number for name, number in counts(rows).items() if number} == {
        "unhealthy": 1,
        "healthy": 1,
        "stale": 1,
    }
    [root] = rolled_up([member("shop", supervisor=True), member("shop/a")], rows[:1])
    assert root["state"] == "healthy"  # it runs; what its check said is not current


def test_a_node_of_which_everything_is_stale_is_not_looked_at() -> None:
    nodes = [{"node": "n1", "host": "one", "state": "up"}, {"node": "n2", "host": "two", "state": "up"}]
    one, two = by_node([check("shop/a", "healthy", stale=True)], nodes)
    assert (one["silent"], one["since"], two["silent"], two["total"]) == (True, 100.0, False, 0)
