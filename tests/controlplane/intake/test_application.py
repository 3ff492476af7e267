"""The intake as a client sees it, over a real database; and without one."""

import asyncio
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from supervision.errors.store.bodies import unpacked
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import (
    ErrorDiscard,
    ErrorEvent,
    ErrorIntake,
    ErrorIssue,
    ErrorKey,
    ErrorProject,
)
from supervision.errors.store.monitor_models import CheckIn, Monitor
from supervision.errors.store.release_models import ErrorAttachment
from supervision.errors.store.transaction_models import ErrorTransactionHour
from tests.controlplane.intake.clients import AUTH, KEY, NOW, NOWHERE, Client
from tests.controlplane.intake.loops import until, waiting_on_disk

CAPTURED = Path(__file__).parents[2] / "data" / "sentry_envelopes"
pytestmark = pytest.mark.django_db(transaction=True)


def _envelope(event: dict[str, Any], number: int = 1) -> bytes:
    return (
        json.dumps({"event_id": f"{number:032x}"}).encode()
        + b'\n{"type":"event"}\n'
        + json.dumps(event).encode()
    )


@pytest.mark.parametrize("name", sorted(path.stem for path in CAPTURED.glob("*.json")))
def test_captured_requests_do_what_they_should(name: str, project: ErrorProject, tmp_path: Path) -> None:
    facts = json.loads((CAPTURED / f"{name}.json").read_text())
    body, expected = (CAPTURED / f"{name}.body").read_bytes(), facts["expect"]
    assert hashlib.sha256(body).hexdigest() == facts["sha256"]
    client = Client(tmp_path)

    async def twice() -> list[tuple[int, Any, dict[str, str]]]:
        return [await client.ask(facts["path"], body, facts["headers"]) for _ in range(2)]

    for status, told, _ in client.run(twice):
        assert status in expected["status"]
        assert told.get("id") == facts["envelope_event_id"] or "check" in name
    while digest(now=NOW):
        pass
    assert ErrorEvent.objects.count() == expected["events"]
    assert ErrorIssue.objects.count() == expected.get("issues_created", expected["events"])
    everything = str([bytes(row.data) for row in ErrorEvent.objects.all()]) + str(
        list(ErrorIssue.objects.values())
    )
    for row in ErrorEvent.objects.all():
        everything += json.dumps(unpacked(row.data))
    assert not [secret for secret in expected.get("must_not_store", ()) if secret in everything]
    for issue in ErrorIssue.objects.all():
        _check_issue(issue, expected)
    if "monitor_slug" in expected:
        monitor = Monitor.objects.get(slug=expected["monitor_slug"])
        assert (monitor.schedule["value"], monitor.timezone) == (expected["schedule"], expected["timezone"])
        assert CheckIn.objects.get().status == expected["checkin_status"]
    if "transactions_accepted_or_counted" in expected:
        counted = sum(ErrorTransactionHour.objects.values_list("count", flat=True))
        assert counted == expected["transactions_accepted_or_counted"]
    files = ErrorAttachment.objects.filter(event_id=facts["envelope_event_id"]).order_by("pk")
    assert list(files.values_list("name", flat=True)) == expected.get("attachments", [])


def _check_issue(issue: ErrorIssue, expected: dict[str, Any]) -> None:
    assert issue.stat.count == 1
    assert issue.type == expected["issue_type"]
    assert expected.get("title_contains", "") in issue.title
    assert expected.get("transaction_contains", expected.get("transaction", "")) in issue.culprit
    event = ErrorEvent.objects.get(issue_id=issue.pk)
    for name, value in (
        ("environment", event.environment),
        ("release", event.release),
        ("user_id", event.user),
    ):
        assert expected.get(name, value) == value


def test_a_report_is_in_the_database_when_the_client_hears_so(project: ErrorProject, tmp_path: Path) -> None:
    status, told, headers = Client(tmp_path).one("/api/42/envelope/", _envelope({"message": "late"}), AUTH)
    assert (status, told) == (200, {"id": f"{1:032x}"})
    assert headers["access-control-allow-origin"] == "*"
    assert ErrorIntake.objects.get().event_id == f"{1:032x}"


def test_a_report_of_a_child_names_it(project: ErrorProject, tmp_path: Path) -> None:
    Client(tmp_path).one("/from/shop/api@2/17/api/42/envelope/", _envelope({"message": "x"}), AUTH)
    row = ErrorIntake.objects.get()
    assert (row.child, row.incarnation) == ("shop/api@2", 17)


@pytest.mark.parametrize("child", ["shop/a\0b", "shop/a\ud800b"])
def test_a_path_that_no_database_takes_loses_nobodys_report(
    child: str, project: ErrorProject, tmp_path: Path
) -> None:
    client = Client(tmp_path)

    async def both() -> list[tuple[int, Any, dict[str, str]]]:
        answers = await asyncio.gather(
            client.ask("/api/42/envelope/", _envelope({"message": "x"}, 1), AUTH),
            client.ask(f"/from/{child}/17/api/42/envelope/", _envelope({"message": "x"}, 2), AUTH),
            client.ask(f"/api/42/cron/{child[5:]}/{KEY}/", query="status=ok&environment=a%00b", method="GET"),
        )
        return list(answers)

    assert [status for status, _, _ in client.run(both)] == [200, 200, 202]
    assert not waiting_on_disk(tmp_path)
    assert sorted(ErrorIntake.objects.values_list("kind", "child")) == [
        ("check_in", ""),
        ("event", ""),
        ("event", "shop/a\N{REPLACEMENT CHARACTER}b"),
    ]


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/trees", "/api/42", "/api/x/envelope/", "/api/42/envelope/more", "/from/api/42"]
)
def test_everything_else_goes_on_to_the_pages(path: str, tmp_path: Path) -> None:
    client = Client(tmp_path)
    client.one(path)
    assert client.passed_on == [path]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/42/envelope/", {}),
        ("/api/42/envelope/", {"X-Sentry-Auth": f"Sentry sentry_key={KEY[::-1]}"}),
        ("/api/43/envelope/", AUTH),
    ],
)
def test_a_wrong_key_and_a_wrong_project_hear_the_same(
    path: str, headers: dict[str, str], project: ErrorProject, tmp_path: Path
) -> None:
    status, told, _ = Client(tmp_path).one(path, _envelope({"message": "x"}), headers)
    assert (status, told["detail"]) == (403, "no project is open to this key")
    assert not ErrorIntake.objects.exists()


def test_a_body_is_read_only_with_a_key_that_opens_something(project: ErrorProject, tmp_path: Path) -> None:
    wrong = {"X-Sentry-Auth": f"Sentry sentry_key={KEY[::-1]}", "Content-Encoding": "gzip"}
    assert Client(tmp_path).one("/api/42/envelope/", b"no gzip at all", wrong)[0] == 403


def test_a_key_may_stand_in_the_envelope_of_a_small_body(project: ErrorProject, tmp_path: Path) -> None:
    header = json.dumps({"dsn": f"https://{KEY}@errors.example/42"}).encode()
    small, large = b'{"message":"x"}', b'{"message":"' + b"x" * 3_000_000 + b'"}'
    bodies = [header + b'\n{"type":"event"}\n' + event for event in (small, large)]
    assert [Client(tmp_path).one("/api/42/envelope/", body)[0] for body in bodies] == [200, 413]


def test_a_revoked_key_opens_nothing(project: ErrorProject, tmp_path: Path) -> None:
    ErrorKey.objects.update(revoked_at=NOW)
    assert Client(tmp_path).one("/api/42/envelope/", _envelope({"message": "x"}), AUTH)[0] == 403


def bomb() -> bytes:
    """300 MiB in 300 KiB; the end, which nobody gets to, is missing. A block stands for itself again after a full flush."""
    packer, mebibyte = zlib.compressobj(9, zlib.DEFLATED, 31), b"0" * 1024 * 1024
    first, again = (packer.compress(mebibyte) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + 299 * again


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"not an envelope", {}, 400),
        (b'{}\n{"type":"event","length":99}\n{}', {}, 400),
        (b'{}\n{"type":"event"}\nnot json', {}, 400),
        (b'{}\n{"type":"event"}\n' + b"[" * 50_000, {}, 400),
        (b'{}\n{"type":"event"}\n' + b'{"a":"' + b"x" * 1_100_000 + b'"}', {}, 413),
        (bomb(), {"Content-Encoding": "gzip"}, 413),
        (b"\x1f\x8b broken", {"Content-Encoding": "gzip"}, 400),
        (b"{}", {"Content-Encoding": "lzma"}, 415),
        (b'{}\n{"type":"event"}\n{"message":"\\u0000 \\ud800"}', {}, 200),
        (b'{}\n{"type":"event"}\n{"message":NaN}', {}, 200),
        (b'{}\n{"type":"event"}\n' + b'{"extra":' + b'{"a":' * 900 + b"1" + b"}" * 901, {}, 200),
    ],
)
def test_hostile_bodies(
    body: bytes, headers: dict[str, str], status: int, project: ErrorProject, tmp_path: Path
) -> None:
    client = Client(tmp_path)

    async def and_then() -> tuple[int, int]:
        first = await client.ask("/api/42/envelope/", body, {**AUTH, **headers})
        second = await client.ask("/api/42/envelope/", _envelope({"message": "after"}, 77), AUTH)
        return first[0], second[0]

    assert client.run(and_then) == (status, 200)
    digest(now=NOW)
    assert ErrorEvent.objects.filter(event_id=f"{77:032x}").exists()
    assert not ErrorIntake.objects.exists()


@pytest.mark.parametrize(
    ("path", "most"),
    [
        ("/api/42/store/", 1024 * 1024),
        ("/api/42/security/", 1024 * 1024),
        (f"/api/42/cron/nightly/{KEY}/", 100 * 1024),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_body_that_is_one_item_may_be_as_large_as_an_item(
    path: str, most: int, packed: bool, project: ErrorProject, tmp_path: Path
) -> None:
    query = f"sentry_key={KEY}&status=ok"
    report: Any = {"message": "x"}
    if "security" in path:
        report = {"csp-report": {"effective-directive": "img-src"}}
    client = Client(tmp_path)

    async def both() -> list[tuple[int, Any, dict[str, str]]]:
        whole = json.dumps(report).encode()
        bodies = [whole + b" " * (most - len(whole) + more) for more in (0, 1)]
        if not packed:
            return [await client.ask(path, body, query=query) for body in bodies]
        gzip = {"Content-Encoding": "gzip"}
        return [await client.ask(path, zlib.compress(body, wbits=31), gzip, query=query) for body in bodies]

    fits, too_large = client.run(both)
    assert fits[0] in (200, 201, 202)
    assert (too_large[0], too_large[1]["detail"]) == (413, "too large")
    assert str(most) in too_large[1]["causes"][0]
    assert ErrorIntake.objects.count() == 1


def test_requests_that_hold_too_much_together_are_told_to_send_less(
    project: ErrorProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controlplane.intake.application.MOST_HELD", 200_000)
    client = Client(tmp_path)
    extra = {"extra": {str(number): "x" * 1000 for number in range(150)}}
    broken = _envelope(extra)[:-1]

    async def ask(number: int, body: bytes = b"") -> tuple[int, Any, dict[str, str]]:
        return await client.ask("/api/42/envelope/", body or _envelope(extra, number), AUTH)

    async def run() -> list[tuple[int, Any, dict[str, str]]]:
        first = await client.ask("/api/42/envelope/", _envelope({"message": "x"}, 1), AUTH)
        together = await asyncio.gather(*(ask(number) for number in (2, 3, 4)))
        after = [await ask(5, broken), await ask(6, broken), await ask(7)]
        return [first, *together, *after]

    answers = client.run(run)
    assert [status for status, _, _ in answers] == [200, 200, 429, 429, 400, 400, 200]
    assert answers[2][2]["x-sentry-rate-limits"] == "5:error;default:project:busy"
    assert answers[2][2]["retry-after"] == "5"


def test_too_much_is_told_by_category(project: ErrorProject, tmp_path: Path) -> None:
    ErrorProject.objects.update(events_per_minute=2)
    client = Client(tmp_path)

    async def four() -> list[tuple[int, Any, dict[str, str]]]:
        return [
            await client.ask("/api/42/envelope/", _envelope({"message": "x"}, number), AUTH)
            for number in range(4)
        ]

    answers = client.run(four)
    assert [status for status, _, _ in answers] == [200, 200, 429, 429]
    assert answers[-1][2]["x-sentry-rate-limits"].startswith("30:error;default:project:quota")
    assert int(answers[-1][2]["retry-after"]) > 0
    assert ErrorIntake.objects.count() == 2
    assert sum(ErrorDiscard.objects.filter(reason="quota").values_list("count", flat=True)) == 2


def test_far_more_than_usual_is_turned_away_counted_and_told_by_category(
    project: ErrorProject, tmp_path: Path
) -> None:
    ErrorProject.objects.update(spike_limit=3)
    client = Client(tmp_path)

    async def flood() -> list[tuple[int, Any, dict[str, str]]]:
        answers = [
            await client.ask("/api/42/envelope/", _envelope({"message": "x"}, number), AUTH)
            for number in range(8)
        ]
        client.clock.jump(60)
        answers.append(await client.ask("/api/42/envelope/", _envelope({"message": "x"}, 9), AUTH))
        answers.append(await client.ask(f"/api/42/cron/nightly/{KEY}/", query="status=ok", method="GET"))
        return answers

    answers = client.run(flood)
    assert [status for status, _, _ in answers] == [200] * 3 + [429] * 5 + [200, 202]
    assert answers[3][2]["x-sentry-rate-limits"] == "20:error;default:project:spike_protection"
    kept = ErrorIntake.objects.filter(kind="event").count()
    refused = ErrorDiscard.objects.get(reason="spike_protection").count
    assert (kept, refused) == (4, 5)


def test_files_of_an_event_that_is_turned_away_are_turned_away_too(
    project: ErrorProject, tmp_path: Path
) -> None:
    ErrorProject.objects.update(events_per_minute=1)
    file = b'\n{"type":"attachment","length":3,"filename":"a.txt"}\nabc'
    client = Client(tmp_path)

    async def two() -> list[int]:
        return [
            (await client.ask("/api/42/envelope/", _envelope({"message": "x"}, number) + file, AUTH))[0]
            for number in (1, 2)
        ]

    assert client.run(two) == [200, 429]
    assert sorted(ErrorIntake.objects.values_list("kind", "event_id")) == [
        ("attachment", f"{1:032x}"),
        ("event", f"{1:032x}"),
    ]
    assert ErrorDiscard.objects.get(category="attachment").reason == "quota"


def test_a_check_in_is_taken_while_errors_are_too_many(project: ErrorProject, tmp_path: Path) -> None:
    ErrorProject.objects.update(events_per_minute=1)
    client = Client(tmp_path)

    async def both() -> list[int]:
        for number in range(3):
            await client.ask("/api/42/envelope/", _envelope({"message": "x"}, number), AUTH)
        return [(await client.ask(f"/api/42/cron/nightly/{KEY}/", query="status=ok", method="GET"))[0]]

    assert client.run(both) == [202]


def test_check_ins_by_plain_http(project: ErrorProject, tmp_path: Path) -> None:
    client = Client(tmp_path)

    async def run() -> list[int]:
        config = json.dumps(
            {"monitor_config": {"schedule": {"type": "interval", "value": 1, "unit": "hour"}}}
        ).encode()
        began = await client.ask(f"/api/42/cron/backup/{KEY}/", config, query="status=in_progress")
        ended = await client.ask(
            f"/api/42/cron/backup/{KEY}/",
            query=f"status=ok&duration=2.5&check_in_id={began[1]['id']}",
            method="GET",
        )
        wrong = await client.ask(f"/api/42/cron/backup/{KEY}/", query="status=perhaps")
        return [began[0], ended[0], wrong[0]]

    assert client.run(run) == [202, 202, 400]
    digest(now=NOW)
    run_of = CheckIn.objects.get()
    assert (run_of.status, run_of.duration_s, run_of.monitor.slug) == ("ok", 2.5, "backup")


@pytest.mark.parametrize("given", ["", "&check_in_id=", "&check_in_id=" + "0" * 32, "&check_in_id=mine"])
@pytest.mark.parametrize("end", ["ok", "error"])
def test_a_check_in_without_an_id_ends_the_run_that_is_under_way(
    given: str, end: str, project: ErrorProject, tmp_path: Path
) -> None:
    client = Client(tmp_path)

    async def run() -> list[str]:
        path = f"/api/42/cron/backup/{KEY}/"
        said = ("in_progress", end, "in_progress", end, end)
        answers = [await client.ask(path, query=f"status={status}{given}", method="GET") for status in said]
        return [told["id"] for _, told, _ in answers]

    ids = client.run(run)
    assert len(set(ids)) == 5, "each is a report of its own"
    digest(now=NOW)
    runs = CheckIn.objects.order_by("pk").values_list("check_in_id", "status")
    assert list(runs) == [(ids[0], end), (ids[2], end), (ids[4], end)], "the last end had no beginning"


def test_an_old_clients_store_request(project: ErrorProject, tmp_path: Path) -> None:
    status, told, _ = Client(tmp_path).one(
        "/api/42/store/", b'{"message": "late"}', query=f"sentry_key={KEY}"
    )
    assert status == 200
    assert len(told["id"]) == 32
    digest(now=NOW)
    assert ErrorIssue.objects.get().title == "late"


def test_a_browser_asks_first(tmp_path: Path) -> None:
    status, _, headers = Client(tmp_path).one("/api/42/envelope/", method="OPTIONS")
    assert status == 200
    assert "X-Sentry-Auth" in headers["access-control-allow-headers"]


def test_other_methods_and_kinds(project: ErrorProject, tmp_path: Path) -> None:
    assert Client(tmp_path).one("/api/42/envelope/", method="GET")[0] == 405
    status, body, headers = Client(tmp_path).one("/api/42/minidump/", b"x")
    assert (status, body["status"], headers["content-type"]) == (501, 501, "application/problem+json")


def test_without_the_database_reports_wait_on_disk(project: ErrorProject, tmp_path: Path) -> None:
    away = Client(tmp_path, database_url=NOWHERE)

    async def some() -> list[int]:
        return [
            (await away.ask("/api/42/envelope/", _envelope({"message": "x"}, number), AUTH))[0]
            for number in range(3)
        ]

    assert away.run(some) == [200, 200, 200]
    assert not ErrorIntake.objects.exists()
    back = Client(tmp_path)

    async def then() -> None:
        await back.ask("/api/42/envelope/", _envelope({"message": "x"}, 9), AUTH)
        await until(lambda: not waiting_on_disk(tmp_path), "what is on disk is taken back")

    back.run(then)
    digest(now=NOW)
    assert ErrorIssue.objects.get().stat.count == 4


def test_with_the_disk_full_too_a_client_is_told_to_send_less(
    project: ErrorProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controlplane.intake.spool.MOST_BYTES", -1)
    status, _, headers = Client(tmp_path, database_url=NOWHERE).one(
        "/api/42/envelope/", _envelope({"message": "x"}), AUTH
    )
    assert status == 429
    assert headers["x-sentry-rate-limits"] == "5:error;default:project:busy"


def test_what_could_not_be_stored_anywhere_is_counted_when_the_database_is_back(
    project: ErrorProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controlplane.intake.spool.MOST_BYTES", -1)
    client = Client(tmp_path, database_url=NOWHERE)

    async def lost_and_back() -> int:
        status, _, _ = await client.ask("/api/42/envelope/", _envelope({"message": "x"}), AUTH)
        client.committer._url = Client(tmp_path).url
        return status

    assert client.run(lost_and_back) == 429
    counted = ErrorDiscard.objects.get()
    assert (counted.category, counted.reason, counted.count) == ("error", "busy", 1)
