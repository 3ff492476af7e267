"""The project of a tree is made once, whoever asks for it first."""

from typing import Any

import pytest

from supervision.auditlog.actor import Actor
from supervision.errors.store import projects
from supervision.errors.store.models import ErrorProject

pytestmark = pytest.mark.django_db
BY = Actor.system("test")


def test_whoever_comes_second_takes_what_the_first_has_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have looked before either has made it."""
    create = projects.create_project
    made = []

    def after_another(**fields: Any) -> ErrorProject:
        monkeypatch.setattr(projects, "create_project", create)
        made.append(create(**fields))
        return create(**fields)

    monkeypatch.setattr(projects, "create_project", after_another)
    assert [projects.project_of_tree("shop", actor=BY)] == made
    assert ErrorProject.objects.filter(tree="shop").count() == 1


def test_a_name_that_another_tree_takes_meanwhile_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    create = projects.create_project

    def after_another(**fields: Any) -> ErrorProject:
        monkeypatch.setattr(projects, "create_project", create)
        create(slug="shop", name="Shop", tree="Shop", actor=BY)
        return create(**fields)

    monkeypatch.setattr(projects, "create_project", after_another)
    assert projects.project_of_tree("shop", actor=BY).slug == "shop-2"
