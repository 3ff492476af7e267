"""Counters of several processes of one life: their sum, which never goes back."""

from supervision.runtime.gateway_counters import STREAMS, Counted


def connected(stream: str) -> bool:
    return stream == "living"


def test_totals_of_processes_are_added_up_and_what_goes_back_is_not_believed() -> None:
    counted = Counted()
    assert counted.put("a", {"orders": 3}, connected) == {"orders": 3}
    assert counted.put("b", {"orders": 2, "late": 1}, connected) == {"orders": 5, "late": 1}
    assert counted.put("a", {"orders": 4}, connected) == {"orders": 6}
    assert counted.put("a", {"orders": 1}, connected) == {"orders": 6}
    assert counted.put("a", {"orders": 5}, connected) == {"orders": 7}
    assert counted.totals == {"orders": 7, "late": 1}


def test_any_number_of_processes_may_have_counted_and_few_are_remembered() -> None:
    counted = Counted()
    counted.put("living", {"orders": 1}, connected)
    for number in range(10 * STREAMS):
        counted.put(f"s{number}", {"orders": 1}, connected)
    assert counted.totals == {"orders": 10 * STREAMS + 1}
    assert len(counted._streams) <= STREAMS
    assert counted.put("living", {"orders": 2}, connected) == {"orders": 10 * STREAMS + 2}
