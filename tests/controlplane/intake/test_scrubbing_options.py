"""What a project wants of scrubbing, from the request to what is stored; with PostgreSQL there and away."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from controlplane.intake.spool import Spool
from controlplane.intake.wiring import look_up
from supervision.errors.store.bodies import unpacked
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorEvent, ErrorIntake, ErrorIssue, ErrorIssueUser, ErrorProject
from supervision.errors.store.release_models import ErrorReleaseUser
from tests.controlplane.intake.clients import AUTH, KEY, NOW, NOWHERE, Client

pytestmark = pytest.mark.django_db(transaction=True)
MAIL, ADDRESS, CODE, CARD = "anna@shop.example", "203.0.113.7", "K-1234", "4111111111111111"
EVENT = {
    "event_id": f"{1:032x}",
    "message": f"no mail to {MAIL} from {ADDRESS}",
    "user": {"email": MAIL, "ip_address": ADDRESS},
    "extra": {
        "customer_code": CODE,
        "order_number": CARD,
        "text": f"customer_code={CODE} order_number={CARD}",
    },
    "request": {"env": {"REMOTE_ADDR": ADDRESS}, "query_string": "mail=anna%40shop.example"},
    "_meta": {"user": {"id": {"": {"rem": [["@email", "x"]]}}}},
}
GONE = (MAIL, "anna%40shop.example", ADDRESS, CODE)


@pytest.fixture
def wishes(project: ErrorProject) -> None:
    ErrorProject.objects.update(
        scrub_emails=True,
        scrub_addresses=True,
        never_scrubbed=["orderNumber"],
        always_scrubbed=["Customer-Code"],
    )


def _envelope() -> bytes:
    mailed = f"{MAIL} was here, {CODE}".encode()
    items: list[tuple[dict[str, Any], bytes]] = [
        ({"type": "event"}, json.dumps(EVENT).encode()),
        ({"type": "attachment", "filename": f"{MAIL}.txt", "length": len(mailed)}, mailed),
        (
            {"type": "session"},
            json.dumps(
                {"sid": "a" * 32, "init": True, "did": MAIL, "attrs": {"release": "1", "ip_address": ADDRESS}}
            ).encode(),
        ),
    ]
    header = json.dumps({"event_id": f"{1:032x}", "dsn": f"https://{KEY}@errors.example/42"}).encode()
    return header + b"".join(b"\n" + json.dumps(head).encode() + b"\n" + body for head, body in items)


def _stored() -> str:
    """All that waits to be digested."""
    return json.dumps([unpacked(row.body) for row in ErrorIntake.objects.order_by("pk")])


@pytest.mark.parametrize("headers", [AUTH, {}])
def test_wishes_of_a_project_hold_for_all_that_comes_with_a_key_anywhere(
    headers: dict[str, str], wishes: None, tmp_path: Path
) -> None:
    """In a header, where it is known before the body, and within the body only."""
    assert Client(tmp_path).one("/api/42/envelope/", _envelope(), headers)[0] == 200
    text = _stored()
    assert [gone for gone in GONE if gone in text.replace("AAAA", "")] == []
    assert text.count(CARD) == 2
    (event,) = [unpacked(row.body) for row in ErrorIntake.objects.filter(kind="event")]
    assert {"user.email", "user.ip_address", "extra.customer_code"} <= set(event["_overstory"]["filtered"])
    while digest(now=NOW):
        pass
    assert MAIL not in ErrorIssue.objects.get().title
    assert ErrorEvent.objects.get().user == ""
    assert not ErrorIssueUser.objects.exists(), "nobody is told from another by what is filtered"
    assert not ErrorReleaseUser.objects.exists()


@pytest.mark.parametrize("path", ["store", "security", "cron"])
def test_wishes_hold_for_other_requests_too(path: str, wishes: None, tmp_path: Path) -> None:
    body: Any = EVENT
    if path == "security":
        body = {
            "csp-report": {
                "effective-directive": "img-src",
                "blocked-uri": "data",
                "script-sample": f"customer_code={CODE}",
            }
        }
        body["csp-report"]["referrer"] = f"https://shop.example/?m={MAIL}&ip={ADDRESS}"
    if path == "cron":
        body = {"environment": MAIL, "note": ADDRESS, "customer_code": CODE, "order_number": CARD}
    rest = f"cron/{MAIL}/{KEY}/" if path == "cron" else f"{path}/"
    status, _, _ = Client(tmp_path).one(
        f"/api/42/{rest}", json.dumps(body).encode(), query=f"sentry_key={KEY}&status=ok"
    )
    assert status in (200, 201, 202)
    text = _stored()
    assert [gone for gone in GONE if gone in text] == []


def test_without_wishes_they_stay(project: ErrorProject, tmp_path: Path) -> None:
    assert Client(tmp_path).one("/api/42/envelope/", _envelope(), AUTH)[0] == 200
    text = _stored()
    assert all(word in text for word in GONE)
    assert CARD not in text


def test_what_waits_on_disk_was_scrubbed_as_the_project_wants_it(wishes: None, tmp_path: Path) -> None:
    away = Client(tmp_path, database_url=NOWHERE)
    assert away.one("/api/42/envelope/", _envelope(), AUTH)[0] == 200
    (path,) = tmp_path.glob("*.jsonl")
    part = Spool(tmp_path).take(path)
    assert part is not None
    text = json.dumps([unpacked(row.body) for row in part.rows])
    part.release()
    assert len(part.rows) == 3
    assert [gone for gone in GONE if gone in text] == []
    assert text.count(CARD) == 2


def test_a_door_costs_one_query_and_a_known_one_none(wishes: None, tmp_path: Path) -> None:
    with CaptureQueriesContext(connection) as queries:
        door = look_up(42, KEY)
    assert len(queries) == 1
    assert door is not None
    assert (door.scrubbing.emails, door.scrubbing.never) == (True, frozenset({"order_number"}))
    assert look_up(42, "0" * 32) is None
    assert look_up(43, KEY) is None
