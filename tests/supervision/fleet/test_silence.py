import pytest

from supervision.fleet import services
from supervision.fleet.models import Node
from supervision.fleet.silence import Silent, mark_silent_nodes
from tests.supervision.trees.fleet_rows import node, silence

pytestmark = pytest.mark.django_db


def test_leaves_a_node_that_renews_alone() -> None:
    node("a")
    assert mark_silent_nodes() == []


def test_suspects_a_node_whose_lease_is_over_and_takes_it_back_when_it_renews() -> None:
    a = node("a")
    silence("a", 1.0)
    assert mark_silent_nodes() == [Silent(a.id, "a", "suspect")]
    assert mark_silent_nodes() == []
    assert services.renew_lease(node_id=a.id, epoch=a.epoch) is not None
    assert Node.objects.get().state == "up"


def test_takes_back_a_draining_node_too_when_it_renews() -> None:
    a = node("a")
    Node.objects.update(draining=True)
    silence("a", 1.0)
    mark_silent_nodes()
    assert services.renew_lease(node_id=a.id, epoch=a.epoch) is not None
    assert Node.objects.get().state == "up", "only an up node can be found drained"


def test_ends_the_epoch_of_a_node_that_was_silent_for_two_seconds_more() -> None:
    a = node("a")
    silence("a", 2.1)
    assert [one.state for one in mark_silent_nodes()] == ["suspect", "down"]
    assert services.renew_lease(node_id=a.id, epoch=a.epoch) is None
    assert Node.objects.get().epoch == a.epoch + 1


def test_a_node_that_comes_back_gets_an_epoch_of_its_own() -> None:
    a = node("a")
    silence("a", 60)
    mark_silent_nodes()
    again = services.register_node(node_id=a.id, name="a", labels={}, facts={}, known_epoch=a.epoch)
    assert again.epoch > a.epoch
    assert again.state == "up"
    assert mark_silent_nodes() == []


def test_a_drained_node_is_lost_like_any_other() -> None:
    node("a")
    Node.objects.update(draining=True, state="drained")
    silence("a", 9)
    mark_silent_nodes()
    assert Node.objects.get().state == "down"
