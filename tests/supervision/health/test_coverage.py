"""What belongs to a child, of what descends from a node."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from supervision.fleet.models import Node
from supervision.health.coverage import coverage
from supervision.journal.models import Stray
from supervision.samples.models import SampleMinute
from tests.controlplane.dashboard.facts import make_child, make_node, make_supervisor

pytestmark = pytest.mark.django_db


def stray(node: Node, pid: int, **more: Any) -> Stray:
    return Stray.objects.create(node=node, pid=pid, start_time=pid, first_seen=timezone.now(), **more)


def test_children_and_what_is_below_them_are_covered_and_strays_are_not(
    django_assert_num_queries: Any,
) -> None:
    node, other = make_node(), make_node("n2", name="two")
    make_supervisor(node, "shop")
    make_child(node, "shop/a")
    make_child(node, "shop/b", state="stopped", pid=None)
    for minute, number in ((2, 9), (1, 2)):
        at = timezone.now() - timedelta(minutes=minute)
        SampleMinute.objects.create(node=node, key="shop/a", at=at, n=60, children_max=number)
    SampleMinute.objects.create(node=node, key="system/@node", at=timezone.now(), n=60, children_max=5)
    stray(node, 1)
    stray(node, 2, state=Stray.State.ENDED)
    with django_assert_num_queries(3):
        one, two = coverage()
    assert (one.node, one.children, one.below, one.strays) == (node.pk, 1, 2, 1)
    assert one.share == 0.75
    assert (two.node, two.processes, two.share) == (other.pk, 0, None)
