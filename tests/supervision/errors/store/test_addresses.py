"""Which address a host's children are told, and with which key."""

import datetime as dt

import pytest

from supervision.errors.store import addresses
from supervision.errors.store.models import ErrorAddress, ErrorKey, ErrorProject
from supervision.errors.store.projects import add_key, create_project, revoke_key
from tests.supervision.errors.store.error_rows import ACTOR, NOW

pytestmark = pytest.mark.django_db


def _say(host: str, local: str, public: str = "", minutes: int = 0) -> None:
    ErrorAddress.objects.create(
        host=host, local_url=local, public_url=public, said_at=NOW + dt.timedelta(minutes=minutes)
    )


def test_the_host_of_the_intake_uses_its_loopback_and_others_the_public_address() -> None:
    _say("a", "http://127.0.0.1:1", "https://old.example", minutes=0)
    _say("b", "http://127.0.0.1:2", "https://new.example", minutes=1)
    assert addresses.address_for("a") == "http://127.0.0.1:1"
    assert addresses.address_for("c") == "https://new.example"


def test_a_loopback_address_is_nobody_elses() -> None:
    _say("a", "http://127.0.0.1:1")
    assert addresses.address_for("c") == ""


def test_saying_it_again_changes_the_row_and_old_ones_go() -> None:
    for number in range(addresses.KEPT + 5):
        _say(f"h{number}", "http://127.0.0.1:1", minutes=-number)
    for port in (1, 2):
        addresses.say_address(local_url=f"http://127.0.0.1:{port}", public_url="", now=NOW + dt.timedelta(1))
    assert addresses.address_for(addresses.this_host()) == "http://127.0.0.1:2"
    assert ErrorAddress.objects.count() == addresses.KEPT


def test_a_tree_without_a_project_gets_one_and_the_newest_key_counts() -> None:
    project = create_project(slug="shop", tree="shop", actor=ACTOR)
    first = project.keys.get()
    second = add_key(project=project, actor=ACTOR)
    found = addresses.keys_of_trees({"shop", "other"})
    assert found["shop"] == (project.pk, second.public_key)
    other = ErrorProject.objects.get(tree="other")
    assert found["other"] == (other.pk, ErrorKey.objects.get(project=other).public_key)
    for key in (first, second):
        revoke_key(key=key, now=NOW, actor=ACTOR)
    assert "shop" not in addresses.keys_of_trees({"shop"})
    assert ErrorProject.objects.count() == 2
