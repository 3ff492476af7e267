"""What Overstory saw and an SDK told, in any order: one occurrence counts once, and two count twice."""

import datetime as dt
import json
import traceback
from typing import Any

import orjson
import pytest
from sentry_sdk.consts import DEFAULT_OPTIONS
from sentry_sdk.utils import event_from_exception

from supervision.errors.event import Frame, Raised
from supervision.errors.protocol.reading import read_event
from supervision.errors.store.bodies import unpacked
from supervision.errors.store.digesting import digest
from supervision.errors.store.issues import find_issue
from supervision.errors.store.models import (
    ErrorDiscard,
    ErrorEvent,
    ErrorIntake,
    ErrorIssue,
    ErrorIssueHash,
    ErrorIssueHour,
    ErrorProject,
    ErrorTag,
)
from supervision.errors.store.occasion_models import ErrorIssueMinute
from supervision.errors.store.pairing import Call, occurrence_of
from supervision.errors.store.seen import TASK, TASK_TAG, Seen, file
from supervision.errors.store.sighting_models import ErrorSighting
from supervision.errors.store.spike_models import ErrorProjectHour
from supervision.errors.tracebacks import read_traceback
from tests.supervision.errors.store.error_rows import NOW, accepted, event

pytestmark = pytest.mark.django_db
SECOND = dt.timedelta(seconds=1)
LONG_AFTER = NOW + dt.timedelta(hours=3)
numbers = iter(range(1, 1_000_000))


@pytest.fixture
def project() -> ErrorProject:
    return ErrorProject.objects.create(slug="shop", name="Shop", tree="shop")


def _raised(
    function: str = "load", line: int = 3, path: str = "/srv/shop.py", kind: str = "KeyError"
) -> Raised:
    frame = Frame(function=function, path=path, line=line, context_line="prices[order]")
    return Raised(type=kind, value="'a'", frames=(frame,), mechanism="output")


def _saw(at: dt.datetime = NOW, incarnation: int = 7, **raised: Any) -> None:
    name = f"shop/api#{incarnation}#{at.timestamp()}"
    fields = {"tags": {"reason": "exit(1)"}}
    file([Seen(name, "shop", at, "shop/api", incarnation, [_raised(**raised)], fields=fields)])


def _told(
    project: ErrorProject, at: dt.datetime = NOW, *, function: str = "load", line: int = 3, **more: Any
) -> None:
    body = event(function=function, **more)
    body["exception"]["values"][-1]["stacktrace"]["frames"][-1] |= {
        "lineno": line,
        "abs_path": "/app/shop.py",
    }
    accepted(project, body, number=next(numbers), at=at, child="shop/api")


def _counted() -> dict[str, Any]:
    """Everything that is counted of all issues."""
    return {
        "events": ErrorEvent.objects.count(),
        "issues": list(
            ErrorIssue.objects.filter(merged_into=None)
            .order_by("pk")
            .values_list("culprit", "stat__count", "stat__not_kept")
        ),
        "hours": list(ErrorIssueHour.objects.values_list("hour", "count")),
        "minutes": list(ErrorIssueMinute.objects.values_list("minute", "count")),
        "project": list(ErrorProjectHour.objects.values_list("hour", "count")),
        "levels": list(ErrorTag.objects.filter(key="level").values_list("value", "count")),
        "reasons": ErrorTag.objects.filter(key="reason").count(),
        "twice": list(ErrorDiscard.objects.values_list("reason", "count")),
    }


ONCE = {
    "events": 1,
    "issues": [("shop in load", 1, 0)],
    "hours": [(NOW, 1)],
    "minutes": [(NOW, 1)],
    "project": [(NOW, 1)],
    "levels": [("error", 1)],
    "reasons": 0,
    "twice": [("duplicate", 1)],
}


@pytest.mark.parametrize("order", ["told first", "together", "seen first", "spooled"])
def test_a_crash_counts_once_whatever_is_digested_first(project: ErrorProject, order: str) -> None:
    at = NOW + SECOND
    if order in ("told first", "together"):
        _told(project, at)
        if order == "told first":
            digest(now=at)
        _saw(NOW + 2 * SECOND)
    elif order == "seen first":
        _saw(NOW + 2 * SECOND)
        digest(now=NOW + 6 * SECOND)
        _told(project, at)
    else:  # PostgreSQL was away: what the node wrote came before what lay in a spool
        _saw(NOW + 2 * SECOND)
        digest(now=LONG_AFTER)
        assert ErrorEvent.objects.count() == 1
        _told(project, at)
    digest(now=LONG_AFTER + dt.timedelta(minutes=1))
    assert _counted() == ONCE
    assert not ErrorSighting.objects.exists()
    assert not ErrorIntake.objects.exists()


def test_the_issue_that_only_what_we_saw_had_made_leads_to_that_of_the_report(project: ErrorProject) -> None:
    _saw()
    digest(now=NOW + 4 * SECOND)
    ours = ErrorIssue.objects.get()
    _told(project)
    digest(now=LONG_AFTER)
    told = ErrorIssue.objects.get(merged_into=None)
    assert told != ours
    assert find_issue("SHOP-1").merged_into == told
    assert told.activity.filter(kind="merged", text="SHOP-1").exists()
    _saw(NOW + dt.timedelta(days=1), incarnation=8)
    digest(now=NOW + dt.timedelta(days=2))
    told.stat.refresh_from_db()
    assert told.stat.count == 2, "the next crash that nobody tells of is the same bug"


def test_an_issue_with_other_events_or_pinned_hashes_stays(project: ErrorProject) -> None:
    _saw(incarnation=6)
    _saw()
    digest(now=NOW + 4 * SECOND)
    _told(project)
    digest(now=LONG_AFTER)
    assert list(ErrorIssue.objects.order_by("pk").values_list("stat__count", "merged_into")) == [
        (1, None),
        (1, None),
    ]
    ErrorIssueHash.objects.filter(issue__number=1).update(pinned=True)
    accepted(project, _body_of_life(), number=next(numbers), child="shop/api")
    ErrorIntake.objects.update(incarnation=6)
    digest(now=LONG_AFTER)
    assert list(ErrorIssue.objects.order_by("pk").values_list("stat__count", "merged_into")) == [
        (0, None),
        (2, None),
    ]


def _body_of_life() -> dict[str, Any]:
    body = event()
    body["exception"]["values"][-1]["stacktrace"]["frames"][-1] |= {"lineno": 3, "abs_path": "/app/shop.py"}
    return body


@pytest.mark.parametrize("order", ["told first", "together", "seen first"])
@pytest.mark.parametrize("other", [{"function": "parse"}, {"line": 9}])
def test_another_crash_of_the_type_in_the_same_life_is_another(
    project: ErrorProject, order: str, other: dict[str, Any]
) -> None:
    if order == "seen first":
        _saw()
        digest(now=NOW + 4 * SECOND)
        _told(project, **other)
    else:
        _told(project, **other)
        if order == "told first":
            digest(now=NOW)
        _saw()
    digest(now=LONG_AFTER)
    assert ErrorEvent.objects.count() == 2
    assert not ErrorDiscard.objects.exists()


@pytest.mark.parametrize("order", ["together", "seen first", "told first"])
def test_what_is_more_than_ten_seconds_apart_is_not_the_same(project: ErrorProject, order: str) -> None:
    if order == "seen first":
        _saw()
        digest(now=NOW + 4 * SECOND)
    _told(project, NOW - 11 * SECOND)
    if order == "told first":
        digest(now=NOW)
    if order != "seen first":
        _saw()
    digest(now=LONG_AFTER)
    assert ErrorEvent.objects.count() == 2


@pytest.mark.parametrize("is_late", [False, True])
def test_each_report_of_a_task_stands_for_one_attempt(project: ErrorProject, is_late: bool) -> None:
    for second in (0, 2):
        at = NOW + second * SECOND
        fields = {"transaction": "mail", "tags": {TASK_TAG: "t1"}}
        file([Seen(f"t1 {second}", "shop", at, raised=[_raised()], mechanism=TASK, fields=fields)])
    if is_late:
        digest(now=NOW + 6 * SECOND)
    _told(project, NOW + 2 * SECOND, tags={TASK_TAG: "t1"}, transaction="mail")
    digest(now=LONG_AFTER)
    assert ErrorEvent.objects.count() == 2
    assert ErrorEvent.objects.filter(received_at=NOW).count() == 1, "the first attempt was not told"


def test_what_was_counted_and_not_stored_is_taken_back_too(project: ErrorProject) -> None:
    ErrorProject.objects.update(store_whole=1)
    for incarnation in (1, 2, 7, 3, 4, 5, 6, 8):
        _saw(NOW + incarnation * SECOND / 100, incarnation=incarnation)
    digest(now=NOW + 4 * SECOND)
    stat = ErrorIssue.objects.get().stat
    before = (stat.count, stat.not_kept, ErrorEvent.objects.count())
    lost = ErrorSighting.objects.filter(is_kept=False).count()
    assert lost == stat.not_kept > 0
    _told(project)
    digest(now=LONG_AFTER)
    stat.refresh_from_db()
    kept = int(ErrorSighting.objects.filter(is_kept=True).count())
    assert (stat.count, stat.not_kept + kept) == (before[0] - 1, before[0] - 1)


class Shop:
    class ClosedError(Exception):
        """Its qualified name has a dot."""


def _fails(how: str) -> None:
    if how == "own":
        raise Shop.ClosedError("closed")
    if how == "library":
        json.loads("{")
    if how == "syntax":
        compile("x = = 1", "rules.txt", "exec")
    (lambda: 1 / 0)()


@pytest.mark.parametrize("how", ["own", "library", "syntax", "lambda"])
def test_what_a_real_sdk_tells_of_an_exception_is_where_its_traceback_says(
    project: ErrorProject, how: str
) -> None:
    try:
        _fails(how)
    except Exception as error:
        told, _ = event_from_exception(error, client_options=DEFAULT_OPTIONS)
        text = "".join(traceback.format_exception(error))
    file([Seen("x", "shop", NOW, "shop/api", 7, read_traceback(text))])
    accepted(project, orjson.loads(orjson.dumps(told, default=str)), number=next(numbers), child="shop/api")
    ours, theirs = [
        occurrence_of(row, read_event(unpacked(row.body))) for row in ErrorIntake.objects.order_by("pk")
    ]
    assert ours is not None
    assert theirs is not None
    assert ours.is_like(theirs)
    assert (ours.call.function, ours.call.file, ours.call.line) == (
        theirs.call.function,
        "test_pairing.py",
        theirs.call.line,
    )


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (Call("load", "shop.py", 3), Call("load", "shop.py", 3), True),
        (Call("load", "shop.py", 3), Call("load", "", 3), True),
        (Call("load", "shop.py", 3), Call("load", "bank.py", 3), False),
        (Call("load", "shop.py", None, "x()"), Call("load", "shop.py", 3, "x()"), True),
        (Call("load", "shop.py", None, "x()"), Call("load", "shop.py", 3, "y()"), False),
        (Call(), Call("load", "shop.py", 3), True),
    ],
)
def test_calls_are_compared_as_far_as_they_are_known(one: Call, other: Call, is_same: bool) -> None:
    assert one.is_like(other) == other.is_like(one) == is_same
