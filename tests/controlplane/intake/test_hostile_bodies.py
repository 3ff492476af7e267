"""What nobody means well with, sent as /store/, /cron/ and /security/: a 4xx or a trimmed report, in bounded memory and
time, never a failure, and the process serves on."""

import json
import time
import tracemalloc
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import quote

import brotli
import pytest

from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorEvent, ErrorIntake, ErrorIssue, ErrorProject
from supervision.errors.store.monitor_models import CheckIn, Monitor
from tests.controlplane.intake.clients import KEY, NOW, Client
from tests.support.people import admin, browser

pytestmark = pytest.mark.django_db(transaction=True)
MIB = 1024 * 1024
STORE, SECURITY, CRON = "/api/42/store/", "/api/42/security/", f"/api/42/cron/nightly/{KEY}/"
QUERY = f"sentry_key={KEY}"
GOOD: dict[str, tuple[bytes, int]] = {
    STORE: (b'{"message":"after"}', 200),
    SECURITY: (b'{"csp-report":{"effective-directive":"img-src"}}', 201),
    CRON: (b"", 202),
}
WITHIN_S = 10.0
"""Of one request. They take milliseconds; a machine may be busy."""


def _sent(
    client: Client, path: str, body: bytes, headers: dict[str, str] | None = None, *, query: str = ""
) -> int:
    """What is answered; a good request afterwards is taken."""
    good, accepted = GOOD[STORE if "store" in path else SECURITY if "security" in path else CRON]

    async def both() -> tuple[int, int]:
        began = time.monotonic()
        first = await client.ask(path, body, headers, query=f"{QUERY}&{query or 'status=ok'}")
        assert time.monotonic() - began < WITHIN_S
        assert "detail" in first[1] or first[0] < 300
        second = await client.ask(path if accepted != 202 else CRON, good, query=f"{QUERY}&status=ok")
        return first[0], second[0]

    status, after = client.run(both)
    assert after == accepted
    while digest(now=NOW):
        pass
    assert not ErrorIntake.objects.exists(), "nothing failed"
    return int(status)


NO_JSON = [
    b'{"message":"late',
    b'{"a":[1,2',
    b"[" * 50_000,
    b'{"a":' * 50_000,
    b"[" * 50_000 + b"]" * 50_000,
    b"not json",
    b"\xff\xfe\x00",
    b"\x00",
    b"7",
    b'"x"',
    b"null",
    b"{} {}",
    b"\xef\xbb\xbf",
]


@pytest.mark.parametrize("path", [STORE, SECURITY, CRON])
def test_what_is_no_report_is_refused(path: str, project: ErrorProject, tmp_path: Path) -> None:
    for body in NO_JSON:
        too_large = path == CRON and len(body) > 100 * 1024
        assert _sent(Client(tmp_path), path, body) == (413 if too_large else 400), body[:40]


@pytest.mark.parametrize("path", [STORE, SECURITY])
def test_a_body_that_is_empty_is_no_report(path: str, project: ErrorProject, tmp_path: Path) -> None:
    assert _sent(Client(tmp_path), path, b"") == 400


def _deep(levels: int) -> bytes:
    return b'{"extra":' + b'{"a":' * levels + b"1" + b"}" * (levels + 1)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (_deep(900), 200),
        (b'{"message":"\\u0000 \\ud800","logger":"\\udfff","tags":{"\\u0000":"\\ud800"}}', 200),
        (b'{"message":"\xff\xfe\xc3"}', 200),
        (b'{"message":NaN,"extra":{"a":Infinity,"b":-Infinity,"c":1e999}}', 200),
        (b'{"message":1e308,"timestamp":1e308}', 200),
        (b'{"extra":{"a":' + b"9" * 4000 + b"}}", 200),
        (b'{"timestamp":' + b"9" * 400 + b"}", 200),
        (b'{"message":"a","message":"b","message":["c"]}', 200),
        (b'{"event_id":"' + b"f" * 500_000 + b'"}', 200),
        (b'{"event_id":7,"release":{"a":1},"environment":["x"]}', 200),
        (b"{" + b",".join(b'"k%d":%d' % (number, number) for number in range(60_000)) + b"}", 200),
        (b'{"tags":[' + b",".join([b'["a","b"]'] * 60_000) + b"]}", 200),
        (b'{"exception":[' + b",".join([b'{"type":"a","value":"b"}'] * 20_000) + b"]}", 200),
        (b'{"message":"' + b"password=" * 100_000 + b'"}', 200),
        (b'{"message":"' + b"'\\\\" * 200_000 + b'"}', 200),
        (b'{"message":"' + b"x" * MIB + b'"}', 413),
        (b" " * (MIB + 1), 413),
    ],
)
def test_events_of_any_shape(body: bytes, expected: int, project: ErrorProject, tmp_path: Path) -> None:
    assert _sent(Client(tmp_path), STORE, body) == expected
    assert ErrorEvent.objects.count() == (2 if expected == 200 else 1)
    pages = browser(admin())
    for issue in ErrorIssue.objects.all():
        assert pages.get(f"/errors/{issue.short_id}").status_code == 200


WRONG: list[Any] = [
    None, True, -1, 10**25, 1e308, "", "x" * 5000, [], [[]], {}, {"a": [None]}, [None, 1, "x"], [["a", "b"], ["c"]],
    "\0\ud800",
    {"values": 7}, {"values": [[], None, {"a": {}}]}, {"": ""}, {"frames": "x"}, "{{ default }}", "9999-99-99T99:99:99Z",
]  # fmt: skip
FIELDS = (
    "event_id", "timestamp", "platform", "level", "logger", "transaction", "server_name", "release", "dist", "tags",
    "environment",
    "modules", "extra", "fingerprint", "errors", "exception", "message", "logentry", "stacktrace", "threads", "breadcrumbs",
    "user", "request", "contexts", "sdk", "debug_meta", "_meta", "_overstory", "grouping", "culprit", "type",
    "transaction_info",
)  # fmt: skip
OF_EXCEPTION = ("type", "value", "module", "mechanism", "stacktrace", "thread_id")
OF_FRAME = (
    "module",
    "function",
    "abs_path",
    "filename",
    "lineno",
    "context_line",
    "pre_context",
    "post_context",
    "vars",
    "in_app",
)
OF_REQUEST = ("url", "method", "headers", "cookies", "data", "query_string", "env")


@pytest.mark.parametrize("place", range(len(WRONG)))
def test_any_type_in_every_field_of_an_event(place: int, project: ErrorProject, tmp_path: Path) -> None:
    wrong = WRONG[place]
    frame = dict.fromkeys(OF_FRAME, wrong)
    one = {**dict.fromkeys(OF_EXCEPTION, wrong), "stacktrace": {"frames": [frame, wrong]}}
    mechanism = dict.fromkeys(
        ("type", "handled", "exception_id", "parent_id", "source", "is_exception_group"), wrong
    )
    events = [
        dict.fromkeys(FIELDS, wrong),
        {
            "exception": {
                "values": [dict.fromkeys(OF_EXCEPTION, wrong), one, {**one, "mechanism": mechanism}, wrong]
            }
        },
        {
            "request": dict.fromkeys(OF_REQUEST, wrong),
            "breadcrumbs": {"values": [wrong, {"data": wrong, "message": wrong}]},
        },
        {
            "user": dict.fromkeys(("id", "email", "username", "ip_address"), wrong),
            "tags": {"a": wrong},
            "message": "x",
        },
        {
            "logentry": {"message": wrong, "params": wrong, "formatted": wrong},
            "contexts": {"trace": wrong, "a": {"b": wrong}},
        },
        {
            "_meta": {"a": {"": {"rem": wrong, "len": wrong}}},
            "_overstory": {"cut": wrong, "filtered": wrong},
            "message": "y",
        },
    ]
    client = Client(tmp_path)

    async def all_of_them() -> list[int]:
        return [(await client.ask(STORE, json.dumps(each).encode(), query=QUERY))[0] for each in events]

    assert client.run(all_of_them) == [200] * len(events)
    while digest(now=NOW):
        pass
    assert not ErrorIntake.objects.exists(), "nothing failed"
    pages = browser(admin())
    assert pages.get("/errors?q=").status_code == 200
    for issue in ErrorIssue.objects.all():
        for event in ErrorEvent.objects.filter(issue_id=issue.pk):
            assert pages.get(f"/errors/{issue.short_id}?event={event.event_id}").status_code == 200


CSP = (
    "document-uri", "referrer", "effective-directive", "violated-directive", "original-policy", "blocked-uri", "source-file",
    "line-number", "column-number", "script-sample", "disposition", "status-code",
)  # fmt: skip
REPORTING = (
    "documentURL", "referrer", "effectiveDirective", "originalPolicy", "blockedURL", "sourceFile", "lineNumber",
    "columnNumber",
    "sample", "disposition", "statusCode",
)  # fmt: skip


@pytest.mark.parametrize(
    "wrong", [*WRONG, "http://[::1", "//:99999999/", "https://a:b:c/", "data:" + "x" * 5000, "\u202e\u0661"]
)
def test_any_type_in_every_field_of_a_browsers_report(
    wrong: Any, project: ErrorProject, tmp_path: Path
) -> None:
    old = {**dict.fromkeys(CSP, wrong), "effective-directive": "img-src"}
    new = {**dict.fromkeys(REPORTING, wrong), "effectiveDirective": "img-src"}
    body = {"type": "csp-violation", "body": new, "url": wrong, "user_agent": wrong, "age": wrong}
    for report in ({"csp-report": old}, [body, {**body, "body": dict.fromkeys(REPORTING, wrong)}, wrong]):
        query = "sentry_environment=" + quote("x" * 5000) + "&sentry_release=%00%ff"
        assert _sent(Client(tmp_path), SECURITY, json.dumps(report).encode(), query=query) == 201
    refused = {"csp-report": wrong} if not isinstance(wrong, dict) else [[]]
    assert _sent(Client(tmp_path), SECURITY, json.dumps(refused).encode()) in (201, 400)


def test_many_reports_of_a_browser_are_some(project: ErrorProject, tmp_path: Path) -> None:
    many = [
        {"type": "csp-violation", "body": {"effectiveDirective": f"d{number}"}} for number in range(10_000)
    ]
    assert _sent(Client(tmp_path), SECURITY, json.dumps(many).encode()) == 201
    assert ErrorIssue.objects.count() == 51


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=perhaps", 400),
        ("status=", 400),
        ("status=OK", 400),
        ("status=missed", 400),
        ("x=1", 400),
        ("status=ok&duration=x", 400),
        ("status=ok&duration=", 202),
        ("status=ok&duration=-5", 202),
        ("status=ok&duration=nan", 202),
        ("status=ok&duration=-inf", 202),
        ("status=ok&duration=1e999", 202),
        ("status=ok&duration=" + "9" * 5000, 202),
        ("status=ok&check_in_id=" + "f" * 20_000, 202),
        ("status=ok&check_in_id=%00%ff", 202),
        ("status=ok&environment=" + "x" * 20_000, 202),
        ("status=ok&environment=%00%ed%a0%80", 202),
        ("status=ok&" + "&".join(f"a{number}=1" for number in range(5000)), 202),
        ("status=ok&%ff=%ff&=&&&==", 202),
    ],
)
def test_queries_of_a_check_in(query: str, expected: int, project: ErrorProject, tmp_path: Path) -> None:
    assert _sent(Client(tmp_path), CRON, b"", query=query) == expected
    for run in CheckIn.objects.all():
        assert run.duration_s is None or 0 <= run.duration_s < 10**9


SLUGS = (
    "x" * 200, "\ufffd\ufffd", "\udcff", "a\0b", "..", "%2e%2e", "a\nb", " ",
    "\u202eabc", "\U0001f600" * 50, "'; DROP", "<b>",
)  # fmt: skip


def test_slugs_of_any_letters(project: ErrorProject, tmp_path: Path) -> None:
    for slug in SLUGS:
        assert _sent(Client(tmp_path), f"/api/42/cron/{slug}/{KEY}/", b"") == 202, slug
    assert Monitor.objects.count() > len(SLUGS) - 3
    text = browser(admin()).get("/monitors")
    assert text.status_code == 200
    assert b"<b></" not in text.content


def test_a_slug_that_is_too_long_is_no_check_in(tmp_path: Path) -> None:
    client = Client(tmp_path)
    client.one(f"/api/42/cron/{'x' * 201}/{KEY}/", b"", query="status=ok")
    assert client.passed_on, "it goes on to the pages, where nothing is"


SCHEDULES: list[Any] = [
    *WRONG,
    {"type": "crontab", "value": 7},
    {"type": "crontab", "value": "*/0 * * * *"},
    {"type": "crontab", "value": "99 99 99 99 99"},
    {"type": "crontab", "value": "0 0 31 2 *"},
    {"type": "crontab", "value": "* " * 40_000},
    {"type": "crontab", "value": ",".join(["1"] * 20_000) + " * * * *"},
    {"type": "interval", "value": 10**25, "unit": "year"},
    {"type": "interval", "value": 10**15, "unit": "minute"},
    {"type": "interval", "value": -1, "unit": "hour"},
    {"type": "interval", "value": 0, "unit": "hour"},
    {"type": "interval", "value": True, "unit": "hour"},
    {"type": "interval", "value": 1e300, "unit": "hour"},
    {"type": "interval", "value": 1, "unit": []},
    {"type": [], "value": {}, "unit": {}},
]


@pytest.mark.parametrize("part", range(4))
def test_any_schedule_of_a_check_in(part: int, project: ErrorProject, tmp_path: Path) -> None:
    for wrong in SCHEDULES[part::4]:
        _schedule(wrong, tmp_path)
    assert browser(admin()).get("/monitors").status_code == 200


def _schedule(wrong: Any, tmp_path: Path) -> None:
    config = dict.fromkeys(
        ("timezone", "checkin_margin", "max_runtime", "failure_issue_threshold", "recovery_threshold"), wrong
    )
    fields = ("status", "environment", "release", "check_in_id", "duration", "contexts", "monitor_slug")
    for body in (
        {"monitor_config": {**config, "schedule": wrong}},
        {"monitor_config": wrong},
        {**dict.fromkeys(fields, wrong), "status": "ok"},
    ):
        assert _sent(Client(tmp_path), CRON, json.dumps(body).encode(), query="x=1&status=ok") in (202, 413)


def _gzip(window: int) -> bytes:
    """300 MiB, as far as anybody gets: its end is missing."""
    packer, mebibyte = zlib.compressobj(9, zlib.DEFLATED, window), b"0" * MIB
    first, again = (packer.compress(mebibyte) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + 299 * again


def _brotli() -> bytes:
    packer, mebibyte = brotli.Compressor(quality=1), b"0" * MIB
    parts: list[bytes] = [packer.process(mebibyte) for _ in range(300)]
    return b"".join([*parts, packer.finish()])


@pytest.mark.parametrize("path", [STORE, SECURITY, CRON])
@pytest.mark.parametrize(
    ("encoding", "body"),
    [("gzip", _gzip(31)), ("deflate", _gzip(15)), ("deflate", _gzip(-15)), ("br", _brotli())],
)
def test_a_bomb_is_put_out(
    path: str, encoding: str, body: bytes, project: ErrorProject, tmp_path: Path
) -> None:
    assert len(body) < 400_000
    # What a first request brings along is none of the bomb's.
    Client(tmp_path).one(CRON, b"", query="status=ok")
    tracemalloc.start()
    try:
        assert _sent(Client(tmp_path), path, body, {"Content-Encoding": encoding}) == 413
        assert tracemalloc.get_traced_memory()[1] < 32 * MIB
    finally:
        tracemalloc.stop()


LIES: list[tuple[dict[str, str], bytes, int]] = [
    ({"Content-Encoding": "gzip"}, b"\x1f\x8b broken", 400),
    ({"Content-Encoding": "gzip"}, zlib.compress(b"{}", wbits=31)[:-4], 400),
    ({"Content-Encoding": "gzip"}, b"{}", 400),
    ({"Content-Encoding": "br"}, b"\xff" * 100, 400),
    ({"Content-Encoding": "gzip, gzip"}, b"{}", 415),
    ({"Content-Encoding": "\xff"}, b"{}", 415),
    ({"Content-Length": "5"}, b"{" * 100_000, 400),
    ({"Content-Length": "999999999999"}, b"{", 400),
    ({"Content-Length": "-1"}, b"{", 400),
    ({"Content-Type": "\x00", "Content-Length": "x"}, b"{", 400),
]


@pytest.mark.parametrize("path", [STORE, SECURITY, CRON])
def test_headers_that_lie(path: str, project: ErrorProject, tmp_path: Path) -> None:
    for headers, body, expected in LIES:
        assert _sent(Client(tmp_path), path, body, headers) == expected, headers


@pytest.mark.parametrize("path", [STORE, SECURITY, CRON])
def test_who_goes_away_within_the_body_is_no_error(path: str, project: ErrorProject, tmp_path: Path) -> None:
    client = Client(tmp_path)
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": b'{"a":', "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    query = f"{QUERY}&status=ok".encode()
    scope = {"type": "http", "method": "POST", "path": path, "query_string": query, "headers": []}
    client.run(lambda: client.intake(scope, receive, send))
    assert sent[0]["status"] == 400
    assert not ErrorIntake.objects.exists()
