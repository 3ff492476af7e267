"""From records to tables: members, samples, sums, nodes that go."""

from controlplane.dashboard.live.hub import Hub
from controlplane.dashboard.live.records import sample_rows
from controlplane.dashboard.live.sparks import POINTS, Sparks
from supervision.runtime.clock import ManualClock
from tests.controlplane.dashboard.live.rows import member, node, supervisor


def hub_with(*records: dict[str, object]) -> Hub:
    hub = Hub(ManualClock(wall=1_800_000_000.0))
    with hub.batch() as now:
        hub.fleet.set_nodes([node("n1"), node("n2")], now=now)
        hub.fleet.set_members(records, now=now)
    return hub


def test_a_supervisor_sums_up_everything_below_it() -> None:
    hub = hub_with(
        supervisor("shop"),
        supervisor("shop/jobs", parent="shop"),
        member("shop/web", pid=1),
        member("shop/jobs/a", pid=2, state="failed"),
        member("shop/jobs/b", pid=3),
    )
    with hub.batch():
        hub.fleet.set_samples(
            "n1", 1.0, {"shop/web": (0.5, 10, None, 1, 1, 0), "shop/jobs/b": (0.1, 5, None, 1, 1, 0)}
        )
        hub.fleet.unroll("n1")
    tree = hub.tables["tree"]
    assert tree.value("n1:shop", "counts") == {"running": 2, "failed": 1}
    assert tree.value("n1:shop", "rss") == 15
    assert tree.value("n1:shop/jobs", "counts") == {"failed": 1, "running": 1}
    assert tree.value("n1:shop", "restarts_1h") is None
    with hub.batch():
        hub.fleet.set_history({("n1", "shop/web"): 4}, {})
    assert tree.value("n1:shop", "restarts_1h") == 4


def test_what_was_measured_of_an_earlier_life_is_not_shown_for_the_next() -> None:
    hub = hub_with(member("shop/web", pid=1))
    with hub.batch():
        hub.fleet.set_samples("n1", 1.0, {"shop/web": (0.5, 10, None, 1, 1, 0)})
    assert hub.tables["procs"].value("n1:shop/web", "rss") == 10
    with hub.batch() as now:
        hub.fleet.set_members([member("shop/web", pid=2, incarnation=2, seq=6)], now=now)
    assert hub.tables["procs"].value("n1:shop/web", "rss") is None


def test_a_node_that_is_forgotten_takes_its_rows_along() -> None:
    hub = hub_with(member("shop/web"), member("shop/web", node_id="n2"))
    with hub.batch() as now:
        hub.fleet.set_nodes([node("n1")], now=now)
    assert list(hub.tables["procs"].rows) == ["n1:shop/web"]
    assert list(hub.tables["tree"].rows) == ["n1:shop/web"]


def test_a_whole_reading_of_a_node_removes_what_is_no_longer_there() -> None:
    hub = hub_with(member("shop/web"), member("shop/old"), member("shop/web", node_id="n2"))
    with hub.batch() as now:
        hub.fleet.replace_members("n1", [member("shop/web")], now=now)
    assert sorted(hub.tables["procs"].rows) == ["n1:shop/web", "n2:shop/web"]


def test_a_column_of_samples_that_is_missing_is_unknown() -> None:
    at, rows = sample_rows({"at": 5.0, "key": ["a", "b"], "cpu": [0.1, None], "rss": [1]})
    assert at == 5.0
    assert rows == {"a": (0.1, None, None, None, None, None), "b": (None,) * 6}


def test_sparks_hold_a_minute_with_gaps_and_each_second_once() -> None:
    sparks = Sparks()
    for second in [*range(100), 99, 50]:
        if second % 10:
            sparks.add("x", second, second / 100, None)
    series = sparks.series("x", until=99)
    assert len(series["cpu"]) == POINTS
    assert series["cpu"][-1] == 0.99
    assert series["cpu"][-10] is None
    assert sparks.series("y", until=99)["rss"] == [None] * POINTS


def test_a_status_line_changes_its_row_alone() -> None:
    hub = hub_with(member("shop/a", pid=1, status="cold"), member("shop/b", pid=2, status="cold"))
    with hub.batch():
        hub.fleet.set_lines("n1", {"shop/a": "12 connections", "shop/none": "x"})
    procs = hub.tables["procs"]
    assert procs.value("n1:shop/a", "status") == "12 connections"
    assert procs.value("n1:shop/b", "status") == "cold"
