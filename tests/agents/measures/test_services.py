"""What agents measure, summed up by kind: bounded, added up once, gone when nobody says it any more."""

from datetime import UTC, datetime, timedelta

import pytest

from agents.measures import selectors, services
from agents.measures.models import AgentCounter, AgentGauge
from agents.measures.services import MOST_KINDS, MOST_NAMES, AgentMinute, note_minutes
from supervision.fleet.models import Node

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


@pytest.fixture
def node() -> str:
    return Node.objects.create(id="n" * 32, name="host", joined_at=NOW).id


def counted(added: float) -> dict[str, float]:
    return {"avg": 1.0, "max": 1.0, "min": 1.0, "last": 100.0, "added": added}


def gauge(last: float) -> dict[str, float]:
    return {"avg": 0.0, "max": 1000.0, "min": -1000.0, "last": last}


def note(node: str, *minutes: AgentMinute, now: datetime = NOW) -> None:
    note_minutes(node_id=node, minutes=minutes, now=now)


def said(kind: str = "crawler", minute: int = 0, **sums: dict[str, float]) -> AgentMinute:
    return AgentMinute(kind, NOW + timedelta(minutes=minute), sums)


def many_said(sums: dict[str, dict[str, float]]) -> AgentMinute:
    return AgentMinute("crawler", NOW, sums)


def test_counters_add_up_what_came_to_them_over_agents_minutes_and_nodes(node: str) -> None:
    other = Node.objects.create(id="m" * 32, name="other", joined_at=NOW).id
    note(node, said(pages=counted(3)), said(pages=counted(4)), said(minute=1, pages=counted(1)))
    note(other, said(pages=counted(10)), said("mailer", pages=counted(2)))
    assert selectors.counters() == ([("crawler", "pages", 18.0), ("mailer", "pages", 2.0)], [])


def test_of_gauges_the_newest_minute_of_each_node_counts(node: str) -> None:
    other = Node.objects.create(id="m" * 32, name="other", joined_at=NOW).id
    note(node, said(queue=gauge(100)), said(minute=1, queue=gauge(5)), said(minute=1, queue=gauge(7)))
    note(other, said(minute=1, queue=gauge(-2)))
    found = selectors.gauges(now=NOW + timedelta(minutes=2))
    assert found == [selectors.Gauge("crawler", "queue", 10.0, -2.0, 7.0)]


def test_a_gauge_that_nobody_said_for_minutes_is_left_out_and_in_the_end_forgotten(node: str) -> None:
    note(node, said(queue=gauge(100)), said(pages=counted(1)))
    assert selectors.gauges(now=NOW + selectors.FRESH + timedelta(seconds=1)) == []
    assert services.drop_old(now=NOW + services.GAUGES_KEPT + timedelta(seconds=1)) == 1
    assert (AgentGauge.objects.count(), AgentCounter.objects.count()) == (0, 1)
    assert services.drop_old(now=NOW + services.COUNTERS_KEPT + timedelta(seconds=1)) == 1


def test_names_past_the_bound_are_counted_and_not_told_and_those_that_were_there_stay(node: str) -> None:
    note(node, many_said({f"z{number}": counted(1) for number in range(MOST_NAMES)}))
    many = {f"a{number}": counted(1) for number in range(5)} | {"z0": counted(1)}
    note(node, many_said(many), many_said(many))
    note(node, said("mailer", a0=counted(1)))
    told, left_out = selectors.counters()
    assert {name for kind, name, _ in told if kind == "crawler"} == {
        f"z{number}" for number in range(MOST_NAMES)
    }
    assert ("crawler", "z0", 3.0) in told
    assert ("mailer", "a0", 1.0) in told
    assert left_out == [("crawler", 10.0)]


def test_gauges_have_a_bound_of_their_own(node: str) -> None:
    note(node, many_said({f"z{number}": gauge(1) for number in range(MOST_NAMES + 3)}))
    assert len(selectors.gauges(now=NOW)) == MOST_NAMES
    assert selectors.counters() == ([], [("crawler", 3.0)])


def test_kinds_past_the_bound_are_counted_together(node: str) -> None:
    note(node, *(said(f"kind{number}", pages=counted(1)) for number in range(MOST_KINDS + 4)))
    told, left_out = selectors.counters()
    assert (len(told), left_out) == (MOST_KINDS, [("", 4.0)])
