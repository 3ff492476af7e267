"""One figure of what the code can start, what runs and what is declared; what is not known is never counted as good."""

from datetime import timedelta

import pytest

from supervision.auditruns.coverage import Coverage, restarts, supervision_coverage
from supervision.fleet.models import Node
from supervision.journal.models import Incarnation, ObservedChild, Stray
from supervision.samples.models import SampleMinute
from tests.supervision.auditruns.support import NOW, project, upload


@pytest.mark.parametrize(
    ("found", "covered", "uncovered", "share"),
    [
        (Coverage(None, {}), 0, 0, None),
        (Coverage(None, {}, declared=2, running=2, strays=0), 2, 0, None),
        (Coverage(1, {"thread": {"kept": 3, "reported": 1}}), 3, 1, 0.75),
        (Coverage(1, {"thread": {"kept": 1, "suppressed": 1}}), 1, 1, 0.5),
        (Coverage(1, {"task": {"kept": 2}}, declared=4, running=3, below=5, strays=2), 10, 3, 10 / 13),
    ],
)
def test_the_share_and_its_parts(found: Coverage, covered: int, uncovered: int, share: float | None) -> None:
    assert (found.covered, found.uncovered, found.share) == (covered, uncovered, share)


@pytest.mark.django_db
def test_it_is_counted_from_the_newest_run_and_from_what_nodes_see() -> None:
    shop = project(tree="shop")
    upload(shop, spawns=4)
    node = Node.objects.create(id="n1", name="web-1", joined_at=NOW)
    other = Node.objects.create(id="n2", name="web-2", joined_at=NOW)
    for key, state, more in (
        ("shop", "running", {"is_supervisor": True}),
        ("shop/web", "running", {}),
        ("shop/jobs", "failed", {}),
        ("shop/once", "completed", {}),
        ("shop/off", "stopped", {"wanted": "down"}),
        ("shop/old", "running", {"removed": True}),
    ):
        ObservedChild.objects.create(
            node=node, tree="shop", key=key, child_id=key, state=state, seq=1, **more
        )
    for minutes, count in ((2, 3), (1, 2), (40, 9)):
        SampleMinute.objects.create(
            node=node, key="shop/web", at=NOW - timedelta(minutes=minutes), n=60, children_max=count
        )
    for pid, where in ((7, node), (8, other)):
        Stray.objects.create(node=where, pid=pid, start_time=1, first_seen=NOW)
    found = supervision_coverage(shop, now=NOW)
    assert (found.run, found.sites) == (1, {"thread": {"reported": 1, "kept": 3}})
    assert (found.declared, found.running, found.below, found.strays) == (3, 2, 2, 1)
    assert (found.covered, found.uncovered) == (3 + 2 + 2, 1 + 1 + 1)
    for number, days in ((1, 5), (2, 3), (3, 0)):
        Incarnation.objects.create(
            node=node,
            tree="shop",
            key="shop/web",
            number=number,
            started_at=NOW - timedelta(days=days),
            seq=1,
        )
    assert restarts(shop, since=NOW - timedelta(days=1)) == 1


@pytest.mark.django_db
def test_without_a_tree_only_the_code_counts() -> None:
    shop = project()
    upload(shop, spawns=2)
    found = supervision_coverage(shop, now=NOW)
    assert (found.declared, found.strays, found.share) == (None, None, 0.5)
    assert restarts(shop, since=NOW) is None
