"""Runs of releases and files of events, from the intake to what is shown, and until they go."""

import base64
import datetime as dt
import zlib
from typing import Any

import pytest

from supervision.errors.store import others
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorDiscard, ErrorIntake, ErrorProject
from supervision.errors.store.release_models import ErrorAttachment, ErrorReleaseHour, ErrorReleaseUser
from supervision.errors.store.releases import attachments, crash_free, environments_of, releases
from supervision.errors.store.retention import drop_old
from tests.supervision.errors.store.error_rows import NOW, accepted, event

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> ErrorProject:
    return ErrorProject.objects.create(slug="shop", name="Shop", tree="shop", retention_days=30)


def told(project: ErrorProject, release: str, environment: str = "production", **more: Any) -> None:
    accepted(project, {"attrs": {"release": release, "environment": environment}, **more}, kind="sessions")


def file(project: ErrorProject, name: str, data: bytes, number: int = 1, at: dt.datetime = NOW) -> None:
    body = {"name": name, "content_type": "text/plain", "data": base64.b64encode(data).decode()}
    accepted(project, body, kind="attachment", number=number, at=at)


def test_runs_of_a_release_are_summed_by_environment_and_its_new_issues_counted(shop: ErrorProject) -> None:
    told(shop, "1.1", aggregates=[{"exited": 97, "errored": 1, "crashed": 2}])
    told(shop, "1.1", "staging", aggregates=[{"exited": 50}])
    told(shop, "1.0", aggregates=[{"exited": 10}])
    accepted(shop, event(release="1.1"), number=1)
    digest(now=NOW)
    rows = {row.version: row for row in releases(trees=None, now=NOW)}
    newest: Any = rows["1.1"]
    assert (newest.sessions, newest.errored, newest.crashed, newest.new_issues) == (150, 3, 2, 1)
    assert crash_free(newest.sessions, newest.crashed) == pytest.approx(98.667, abs=0.001)
    each = environments_of(list(rows.values()), now=NOW)[shop.pk, "1.1"]
    assert [(one["name"], one["sessions"], one["crash_free"]) for one in each] == [
        ("production", 100, 98.0),
        ("staging", 50, 100.0),
    ]
    assert not releases(trees=frozenset({"bank"}), now=NOW).exists()


def test_a_run_that_is_told_again_and_again_counts_once(shop: ErrorProject) -> None:
    run: dict[str, Any] = {"sid": "a" * 32, "init": True}
    told(shop, "1.1", "production", **run, status="ok", errors=0)
    told(shop, "1.1", "production", **run, status="ok", errors=1)
    digest(now=NOW)
    told(shop, "1.1", "production", **run, status="crashed", errors=1)
    told(shop, "1.1", "production", **run, status="crashed", errors=1)
    digest(now=NOW)
    row = ErrorReleaseHour.objects.get()
    assert (row.sessions, row.errored, row.crashed) == (1, 1, 1)


def test_users_are_counted_once_each_and_those_it_crashed_for(shop: ErrorProject) -> None:
    for user, status in (
        ("ada", "exited"),
        ("ada", "crashed"),
        ("ada", "exited"),
        ("bob", "exited"),
        (7, "ok"),
    ):
        told(shop, "1.1", sid=f"{user}{status}", did=user, status=status)
    digest(now=NOW)
    told(shop, "1.1", "staging", aggregates=[{"exited": 2, "did": "ada"}, {"errored": 1, "did": "eve"}])
    told(shop, "1.1", sid="x" * 32, did="ada", status="exited")
    told(shop, "1.1", sid="y" * 32, status="exited")
    digest(now=NOW)
    [row] = list(releases(trees=None, now=NOW))
    shown: Any = row
    assert (shown.users, shown.crashed_users) == (4, 1)
    production, staging = environments_of([row], now=NOW)[shop.pk, "1.1"]
    assert (production["users"], production["crash_free_users"]) == (3, pytest.approx(66.667, abs=0.001))
    assert (staging["users"], staging["crash_free_users"]) == (2, 100.0)
    assert not {"ada", "bob"} & set(ErrorReleaseUser.objects.values_list("user", flat=True))
    later: Any = releases(trees=None, now=NOW + dt.timedelta(days=15)).get()
    assert (later.users, later.crashed_users) == (0, 0)
    drop_old(now=NOW + dt.timedelta(days=16))
    assert not ErrorReleaseUser.objects.exists()


def test_who_crashed_long_ago_and_came_back_is_free_of_crashes(shop: ErrorProject) -> None:
    told(shop, "1.1", sid="a" * 32, did="ada", status="crashed")
    digest(now=NOW)
    run = {"attrs": {"release": "1.1", "environment": "production"}, "sid": "b" * 32, "did": "ada"}
    later = NOW + dt.timedelta(days=14, hours=1)
    accepted(shop, run, kind="sessions", at=later)
    digest(now=later)
    row: Any = releases(trees=None, now=later).get()
    assert (row.users, row.crashed_users) == (1, 0)


def test_of_no_runs_nothing_is_said() -> None:
    assert crash_free(0, 0) is None


def test_files_are_kept_once_within_the_projects_bound(
    shop: ErrorProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(others, "MOST_ATTACHED_BYTES", 10)
    file(shop, "a.txt", b"12345")
    file(shop, "a.txt", b"54321")
    file(shop, "b.txt", b"1")
    digest(now=NOW)
    kept = ErrorAttachment.objects.get()
    assert (kept.name, zlib.decompress(bytes(kept.data)), kept.size) == ("a.txt", b"12345", 5)
    assert ErrorDiscard.objects.get().reason == "project_full"
    assert list(attachments(shop.pk, f"{1:032x}")) == [kept]
    assert not attachments(shop.pk, f"{2:032x}").exists()


def test_a_file_that_is_broken_holds_nothing_up(shop: ErrorProject) -> None:
    accepted(shop, {"data": "%"}, kind="attachment")
    accepted(shop, event(), number=2)
    digest(now=NOW)
    assert ErrorIntake.objects.get().failure.startswith("ValueError")


def test_files_go_when_events_of_their_age_do(shop: ErrorProject) -> None:
    file(shop, "a.txt", b"x")
    file(shop, "b.txt", b"x", at=NOW + dt.timedelta(days=20))
    digest(now=NOW)
    drop_old(now=NOW + dt.timedelta(days=29))
    assert ErrorAttachment.objects.count() == 2
    drop_old(now=NOW + dt.timedelta(days=31))
    assert ErrorAttachment.objects.get().name == "b.txt"
