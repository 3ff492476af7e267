"""Services: enough providers, everything they depend on, and waiting for both."""

import threading
from typing import Any

import pytest
from django.db import connections

from agents.exceptions import ChangedMeanwhileError, InUseError, InvalidConfigError
from agents.registry import declaring, selectors, services
from agents.registry.models import Service
from agents.registry.readiness import Declared, cycle, needed, standing
from agents.registry.services import Facts, Owner
from agents.registry.waiting import wait_for_service
from tests.agents.config_rows import ADA

DECLARED = {
    "shop": Declared(("prices", "stock"), 2),
    "prices": Declared(("db",)),
    "stock": Declared(("db",)),
    "db": Declared(),
}


def test_a_service_needs_its_providers_and_those_of_all_it_depends_on() -> None:
    assert needed("shop", DECLARED) == ["prices", "stock", "db"]
    everything = {"shop": 2, "prices": 1, "stock": 1, "db": 1}
    assert standing("shop", DECLARED, everything).ready
    assert standing("shop", DECLARED, {**everything, "db": 0}).missing == ("0 of 1 providers of db",)
    assert standing("shop", DECLARED, {**everything, "shop": 1}).missing == ("1 of 2 providers of shop",)


def test_one_that_nobody_declared_is_ready_with_one_provider() -> None:
    assert not standing("new", DECLARED, {}).ready
    assert standing("new", DECLARED, {"new": 1}).ready


def test_a_cycle_is_named() -> None:
    assert cycle("db", ["shop"], DECLARED) == ["db", "shop", "prices", "db"]
    assert cycle("db", ["db"], DECLARED) == ["db", "db"]
    assert cycle("new", ["shop"], DECLARED) == ()


def _put(name: str, *depends_on: str, **more: Any) -> Service:
    return declaring.put_service(namespace="shop", name=name, depends_on=depends_on, actor=ADA, **more)


@pytest.mark.django_db
def test_a_declaration_that_would_close_a_cycle_is_refused() -> None:
    _put("db")
    _put("prices", "db")
    with pytest.raises(InvalidConfigError, match="a cycle: db needs prices needs db"):
        _put("db", "prices")
    with pytest.raises(InUseError):
        declaring.delete_service(namespace="shop", name="db", actor=ADA)
    with pytest.raises(ChangedMeanwhileError):
        _put("db", expected=0)
    declaring.delete_service(namespace="shop", name="prices", actor=ADA, expected=1)
    declaring.delete_service(namespace="shop", name="db", actor=ADA)
    assert not Service.objects.exists()


def _provide(service: str, *, ready: bool = True) -> int:
    owner = Owner(holder="test", lease_s=60.0)
    facts = Facts(service=service, ready=ready)
    return services.register(namespace="shop", key=f"{service}-1", owner=owner, facts=facts).epoch


@pytest.mark.django_db
def test_a_provider_that_is_not_ready_counts_for_nothing() -> None:
    _provide("db", ready=False)
    assert not selectors.service_standing("shop", "db").ready


@pytest.mark.django_db(transaction=True)
def test_who_waits_hears_of_it_at_once() -> None:
    _put("prices", "db")
    _provide("prices")
    looking = threading.Event()
    found: list[Any] = []

    def wait() -> None:
        looking.set()
        found.append(wait_for_service("shop", "prices", timeout_s=30.0))
        connections.close_all()

    waiting = threading.Thread(target=wait)
    waiting.start()
    looking.wait(10)
    epoch = _provide("db", ready=False)
    services.renew(namespace="shop", key="db-1", epoch=epoch, lease_s=60.0, ready=True)
    waiting.join(20)
    assert [one.ready for one in found] == [True]


@pytest.mark.django_db(transaction=True)
def test_who_waits_in_vain_is_told_what_is_missing() -> None:
    assert wait_for_service("shop", "db", timeout_s=0.2).missing == ("0 of 1 providers of db",)
