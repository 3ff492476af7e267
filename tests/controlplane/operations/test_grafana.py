"""The Grafana dashboard of docs/: every series it asks for is told by /metrics, with the labels it names."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from controlplane.operations.latency import count_action
from controlplane.operations.metrics import RowsCollector
from controlplane.operations.models import PeriodicJob, RestartCount
from supervision.samples.models import SampleMinute
from supervision.tasks.workers import Report, take_report
from tests.controlplane.api import world
from tests.support.command_line import ROOT

SERIES = re.compile(r"overstory_\w+")
SELECTOR = re.compile(r"(overstory_\w+)\{([^}]*)\}")
GIVEN_ELSEWHERE = {"overstory_check_ok"}
"""Of the process that answers, not of rows."""


@pytest.fixture
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "docs/grafana/overstory.json").read_text())
    return found


def expressions(dashboard: dict[str, Any]) -> list[str]:
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    variables = [one["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"]
    return asked + variables


@pytest.mark.django_db
def test_what_it_asks_for_is_told(dashboard: dict[str, Any]) -> None:
    host, now = world.world(), timezone.now()
    world.tasks("shop")
    world.watched("shop")
    queues = {"mail": {"length": 7, "oldest_s": 2.5}}
    take_report(report=Report("n/shop/w/1/5", app="shop", queues=queues), now=now)
    RestartCount.objects.create(supervisor="shop", reason="exit", total=7)
    SampleMinute.objects.create(node=host, key="shop/web", at=now, n=60, rss_avg=1000)
    count_action(verb="stop", since=now - timedelta(seconds=1))
    PeriodicJob.objects.create(name="watch_fleet", next_at=now, ended_at=now, error="no")
    told: dict[str, set[str]] = {}
    for family in RowsCollector(None).collect():
        told.setdefault(family.name, set())
        for sample in family.samples:
            told.setdefault(sample.name, set()).update(sample.labels)
    for expression in expressions(dashboard):
        for name in SERIES.findall(expression):
            assert name in told or name in GIVEN_ELSEWHERE, expression
        for name, selector in SELECTOR.findall(expression):
            labels = set(re.findall(r"(\w+)\s*(?:=|!)", selector))
            assert not told[name] or labels <= told[name], expression


def test_panels_have_one_number_and_one_place_each(dashboard: dict[str, Any]) -> None:
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (column, row)
        for panel in panels
        for column in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for row in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) < 24
