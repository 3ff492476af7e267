"""Free text of filters of issues: by the index of words, whatever there is."""

from importlib import import_module
from typing import Any

import pytest
from django.db import connection

from controlplane.filters.issues import issue_condition
from controlplane.filters.keyset import Order
from supervision.errors.store import joining, parting, selectors
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorIssue, ErrorIssueStat, ErrorProject
from supervision.errors.store.search_models import ErrorIssueSearch
from supervision.errors.store.searching import fill_missing
from tests.supervision.errors.store.error_rows import ACTOR, NOW, accepted, event

pytestmark = pytest.mark.django_db
MANY = 20_000


@pytest.fixture
def project() -> ErrorProject:
    return ErrorProject.objects.create(slug="shop", name="Shop", tree="shop")


def _found(text: str) -> list[int]:
    rows = selectors.issues(trees=None).filter(issue_condition(text))
    return sorted(rows.values_list("number", flat=True))


@pytest.fixture
def three(project: ErrorProject) -> None:
    accepted(project, event("KeyError", "'order 17'", "get_user", tags={"region": "eu-west"}), number=1)
    accepted(project, event("DatabaseUserError", "no such table", "loadAll"), number=2, child="shop/mail@1")
    accepted(project, {"message": "Disk 95% full, path C:\\data", "logger": "disk"}, number=3)
    digest(now=NOW)


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("user", [1, 2]),
        ("get_user", [1]),
        ("get_us", [1]),
        ("GET_USER", [1]),
        ("et_user", []),
        ("keyerror", [1]),
        ("KeyErr", [1]),
        ("error", [1, 2]),
        ("UserError", [2]),
        ("usererror", []),
        ("all", [2]),
        ("shop-2", [2]),
        ("SHOP", [1, 2, 3]),
        ("west", [1]),
        ("mail", [2]),
        ("shop/mail@1", [2]),
        ("user -database", [1]),
        ("-user", [3]),
        ("table such", [2]),
        ('"such table"', [2]),
        ('"uch tab"', [2]),
        ('"table such"', []),
        ('"order 17"', [1]),
        ('"rder 1"', [1]),
        ('-"order 17"', [2, 3]),
        ('"NO SUCH"', [2]),
        ('"C:\\\\data"', [3]),
        ("%", [3]),
        ("95", [3]),
        ("full disk level:error", [3]),
        ("'", [1]),
    ],
)
def test_words_are_found_by_their_beginning_and_phrases_literally(text: str, numbers: list[int]) -> None:
    assert _found(text) == numbers


@pytest.mark.usefixtures("three")
def test_what_is_merged_is_found_by_the_words_of_all_and_what_is_parted_by_its_own() -> None:
    first, second, _ = ErrorIssue.objects.select_related("project").order_by("number")
    hashes = list(second.hashes.values_list("hash", flat=True))
    joining.merge(into=first, others=[second], now=NOW, actor=ACTOR)
    assert _found("database") == _found("west") == [1]
    parting.part(issue=first, hashes=hashes, now=NOW, actor=ACTOR)
    assert _found("database table") == [1, 4]
    assert _found("west") == [1]
    assert _found("SHOP-4") == [4]


@pytest.mark.usefixtures("three")
def test_an_issue_that_a_former_version_made_is_found_once_its_words_are_written() -> None:
    before = {text: _found(text) for text in ("user", "west", "SHOP-1", "mail", '"such table"')}
    ErrorIssueSearch.objects.all().delete()
    assert _found("user") == []
    assert (fill_missing(most=2), fill_missing(most=2), fill_missing(most=2)) == (2, 1, 0)
    assert {text: _found(text) for text in before} == before


@pytest.mark.usefixtures("three")
def test_the_migration_writes_the_words_of_what_was_there_before(monkeypatch: pytest.MonkeyPatch) -> None:
    migration = import_module("supervision.migrations.0050_issue_words")
    monkeypatch.setattr(migration, "AT_ONCE", 2)
    ErrorIssueSearch.objects.all().delete()
    migration.fill(None, None)
    assert (ErrorIssueSearch.objects.count(), fill_missing()) == (3, 0)
    assert (_found("user"), _found("west"), _found("SHOP-2")) == ([1, 2], [1], [2])


@pytest.fixture
def many(project: ErrorProject) -> None:
    made = ErrorIssue.objects.bulk_create(
        ErrorIssue(
            project=project,
            number=number,
            title=f"KeyError: order{number % 1000} of customer{number}",
            type="KeyError",
            culprit=f"shop in f{number % 300}",
            level="error",
            status_at=NOW,
            first_seen=NOW,
        )
        for number in range(MANY)
    )
    ErrorIssueStat.objects.bulk_create(ErrorIssueStat(issue=issue, count=1, last_seen=NOW) for issue in made)
    assert fill_missing(most=MANY) == MANY
    with connection.cursor() as cursor:
        cursor.execute(
            "ANALYZE supervision_errorissue, supervision_errorissuestat, supervision_errorissuesearch"
        )


@pytest.mark.usefixtures("many")
def test_among_very_many_issues_the_index_is_asked_and_pages_go_on() -> None:
    order = Order(("stat__last_seen", "id"), descending=True)

    def rows(text: str) -> Any:
        return order.of(selectors.issues(trees=None).filter(issue_condition(text)))

    for text in ("order77", "customer19999", "order77 f77", '"of customer19999"'):
        plan = rows(text)[:101].explain()
        assert "error_issue_words" in plan, plan
    assert rows("order77").count() == 20 * 11
    first = list(rows("order777")[:5])
    last = first[-1]
    rest = rows("order777").filter(order.after((last.stat.last_seen, last.pk)))
    numbers = [issue.number for issue in (*first, *rest)]
    assert numbers == [19_777 - 1000 * place for place in range(20)]
