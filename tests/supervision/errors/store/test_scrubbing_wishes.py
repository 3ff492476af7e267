"""What may be said of a project's scrubbing, and who is told."""

from typing import Any

import pytest

from supervision.auditlog.models import AuditEntry
from supervision.errors.exceptions import InvalidFieldError
from supervision.errors.scrubbing.options import NOTHING_OWN, Options
from supervision.errors.store.models import ErrorProject
from supervision.errors.store.projects import MOST_NAME, MOST_NAMES, change_project, create_project
from tests.supervision.errors.store.error_rows import ACTOR, NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> ErrorProject:
    return create_project(slug="shop", actor=ACTOR)


def _change(project: ErrorProject, **fields: Any) -> ErrorProject:
    return change_project(project=project, fields=fields, now=NOW, actor=ACTOR)


def test_a_project_wants_nothing_of_its_own_at_first(project: ErrorProject) -> None:
    project.refresh_from_db()
    assert project.scrubbing == NOTHING_OWN


def test_wishes_are_kept_as_they_were_written_and_stand_in_the_audit_log(project: ErrorProject) -> None:
    _change(project, scrub_emails=True, never_scrubbed=["tokenCount"], always_scrubbed=["Akte-Nr"])
    project = ErrorProject.objects.get()
    assert project.never_scrubbed == ["tokenCount"]
    assert project.scrubbing == Options(
        emails=True, never=frozenset({"token_count"}), always=frozenset({"akte_nr"})
    )
    assert AuditEntry.objects.filter(action="error_project.change").count() == 1
    _change(project, scrub_emails=False, never_scrubbed=[], always_scrubbed=[])
    assert ErrorProject.objects.get().scrubbing == NOTHING_OWN


@pytest.mark.parametrize("field", ["never_scrubbed", "always_scrubbed"])
@pytest.mark.parametrize(
    "names",
    [
        [""],
        ["x" * (MOST_NAME + 1)],
        ["a"] * (MOST_NAMES + 1),
        [7],
        [None],
        "abc",
        {"a": 1},
        None,
        ["a\0b"],
        ["\ud800"],
    ],
)
def test_what_is_no_list_of_names_is_refused_by_its_field(
    project: ErrorProject, field: str, names: Any
) -> None:
    with pytest.raises(InvalidFieldError) as refused:
        _change(project, **{field: names})
    assert refused.value.field == field
    with pytest.raises(InvalidFieldError):
        create_project(slug="other", actor=ACTOR, **{field: names})
    assert not ErrorProject.objects.filter(slug="other").exists()


def test_as_many_and_as_long_names_as_may_be_are_taken(project: ErrorProject) -> None:
    names = [f"{number:03}".rjust(MOST_NAME, "a") for number in range(MOST_NAMES)]
    assert _change(project, never_scrubbed=names).never_scrubbed == names


def test_a_name_cannot_be_both_however_it_is_spelled(project: ErrorProject) -> None:
    _change(project, never_scrubbed=["order_number"])
    with pytest.raises(InvalidFieldError) as refused:
        _change(project, always_scrubbed=["OrderNumber"])
    assert refused.value.field == "always_scrubbed"
    _change(project, never_scrubbed=[], always_scrubbed=["OrderNumber"])
