"""Who holds a key: one of many, the same one again, the next life, nobody after the end."""

from typing import Any

import pytest
from django.utils import timezone

from agents.exceptions import ChangedMeanwhileError, InvalidConfigError, TooLargeError, UnknownError
from agents.registry import selectors, services
from agents.registry.models import Registration
from agents.registry.services import EndedError, Facts, HeldError, Owner
from supervision.journal import handlers
from supervision.journal.facts import Batch, Changes
from supervision.journal.models import Incarnation
from tests.agents.config_rows import ADA
from tests.controlplane.api.test_races import at_once
from tests.supervision.trees.fleet_rows import node, silence

pytestmark = pytest.mark.django_db


def _owner(child: str = "shop/a", incarnation: int = 1, on: str = "one") -> Owner:
    return Owner(on.ljust(32, "0"), child, incarnation)


def _register(owner: Owner, key: str = "leader", namespace: str = "default", **facts: Any) -> Registration:
    return services.register(namespace=namespace, key=key, owner=owner, facts=Facts(**facts))


def _outside(name: str = "cron", lease_s: float = 30.0) -> Owner:
    return Owner(holder=name, lease_s=lease_s)


def _end(owner: Owner, *, told: bool = True) -> None:
    """The journal says that it has ended; `told`: as it does when records come in."""
    now = timezone.now()
    Incarnation.objects.update_or_create(
        node_id=str(owner.node_id),
        key=owner.child,
        number=owner.incarnation,
        defaults={"tree": "shop", "ended_at": now, "seq": 1},
    )
    if told:
        changes = Changes()
        changes.life(owner.child, owner.incarnation).ended_at = now.timestamp()
        [one] = [Incarnation.objects.get(node_id=owner.node_id, key=owner.child, number=owner.incarnation)]
        record = {"seq": 1, "k": "step"}
        handlers.run(handlers.Ingested(one.node, [record], Batch([record], changes)))


def test_the_second_is_told_who_holds_it() -> None:
    node("one")
    first = _register(_owner("shop/a"), metadata={"port": 1})
    with pytest.raises(HeldError, match=r"default/leader is held by shop/a") as refused:
        _register(_owner("shop/b"))
    assert refused.value.holder.pk == first.pk


def test_the_same_life_again_is_the_same_registration_with_what_it_says_now() -> None:
    node("one")
    first = _register(_owner(), metadata={"port": 1})
    again = _register(_owner(), metadata={"port": 2})
    assert (again.pk, again.epoch, again.metadata) == (first.pk, first.epoch, {"port": 2})


def test_the_next_life_takes_over_what_the_one_before_left_before_its_end_is_stored() -> None:
    node("one")
    first = _register(_owner(incarnation=1))
    second = _register(_owner(incarnation=2))
    assert second.incarnation == 2
    assert second.epoch > first.epoch
    with pytest.raises(HeldError):
        _register(_owner("shop/b"))


def test_an_earlier_life_takes_nothing_back() -> None:
    node("one")
    Incarnation.objects.create(node_id=str(_owner().node_id), tree="shop", key="shop/a", number=2, seq=1)
    with pytest.raises(EndedError):
        _register(_owner(incarnation=1))


def test_who_ended_registers_no_more() -> None:
    node("one")
    _end(_owner())
    with pytest.raises(EndedError):
        _register(_owner())


def test_an_end_that_is_recorded_frees_the_key_and_leaves_no_row() -> None:
    node("one")
    _register(_owner())
    _register(_owner(), key="other")
    _end(_owner())
    assert not Registration.objects.exists()


def test_an_end_is_seen_by_the_next_lookup_even_where_no_handler_ran() -> None:
    node("one")
    first = _register(_owner())
    assert selectors.whereis("default", "leader") == first
    _end(_owner(), told=False)
    assert selectors.whereis("default", "leader") is None
    assert _register(_owner("shop/b")).epoch > first.epoch


def test_the_lease_of_a_node_frees_what_its_children_held() -> None:
    node("one")
    node("two")
    _register(_owner())
    silence("one", 1.0)
    assert selectors.whereis("default", "leader") is not None
    silence("one", 3.0)
    assert selectors.whereis("default", "leader") is None
    taken = _register(_owner(on="two"))
    assert taken.node_id == "two".ljust(32, "0")


def test_a_namespace_is_invisible_in_another() -> None:
    node("one")
    _register(_owner(), namespace="test")
    assert selectors.whereis("production", "leader") is None
    _register(_owner("shop/b"), namespace="production")
    assert Registration.objects.count() == 2


def test_only_the_holder_lets_go() -> None:
    node("one")
    _register(_owner())
    assert not services.unregister(namespace="default", key="leader", owner=_owner("shop/b"))
    assert not services.unregister(namespace="default", key="leader", owner=_owner(incarnation=2))
    assert services.unregister(namespace="default", key="leader", owner=_owner())
    assert not Registration.objects.exists()


def test_a_lease_is_renewed_by_its_epoch_and_ends() -> None:
    row = _register(_outside())
    renewed = services.renew(namespace="default", key="leader", epoch=row.epoch, lease_s=60.0)
    assert row.lease_until is not None
    assert renewed.lease_until is not None
    assert renewed.lease_until > row.lease_until
    with pytest.raises(ChangedMeanwhileError):
        services.renew(namespace="default", key="leader", epoch=row.epoch + 1, lease_s=60.0)
    with pytest.raises(HeldError, match="held by cron"):
        _register(_outside("other"))
    services.renew(namespace="default", key="leader", epoch=row.epoch, lease_s=0.0)
    assert selectors.whereis("default", "leader") is None
    assert services.sweep() == 1
    with pytest.raises(UnknownError):
        services.release(namespace="default", key="leader", epoch=row.epoch)


def test_an_admin_takes_a_key_away() -> None:
    node("one")
    _register(_owner())
    services.remove(namespace="default", key="leader", actor=ADA)
    assert selectors.whereis("default", "leader") is None


def test_facts_are_bounded() -> None:
    node("one")
    with pytest.raises(TooLargeError):
        _register(_owner(), metadata={"x": "y" * 16_384})
    with pytest.raises(InvalidConfigError) as refused:
        _register(_owner(), key="a\nb", capabilities=["x" * 201])
    assert [fault.pointer for fault in refused.value.faults] == ["/key", "/capabilities"]


def test_what_is_looked_for_is_found() -> None:
    node("one", zone="north")
    _register(_owner("shop/a"), key="a", capabilities=["gpu", "fast"], labels={"tier": "gold"})
    _register(_owner("shop/b"), key="b", capabilities=["fast"], service="prices", ready=False)
    _register(_outside(), key="c", capabilities=["fast"])

    def keys(**asked: Any) -> list[str]:
        return [row.key for row in selectors.find(**asked)]

    assert keys(capability="fast") == ["a", "b", "c"]
    assert keys(capability="gpu") == ["a"]
    assert keys(service="prices") == ["b"]
    assert keys(node="one") == ["a", "b"]
    assert keys(label=("tier", "gold")) == ["a"]
    assert keys(label=("zone", "north")) == ["a", "b"]
    assert keys(healthy=True) == ["c"]
    assert keys(healthy=False) == ["a", "b"]


@pytest.mark.django_db(transaction=True)
def test_of_fifty_at_once_one_wins_and_the_others_are_told_who() -> None:
    node("one")

    def race(index: int) -> tuple[bool, str]:
        try:
            return True, _register(_owner(f"shop/a@{index}")).child
        except HeldError as error:
            return False, error.holder.child

    outcomes = at_once(50, race)
    [winner] = [child for won, child in outcomes if won]
    assert {child for won, child in outcomes if not won} == {winner}
    assert sum(not won for won, _child in outcomes) == 49
