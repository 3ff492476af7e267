"""Secrets that are planted in everything a program can send are found nowhere afterwards: neither in the stores, on disk, in
logs, on pages nor in answers; with PostgreSQL there, and while it is away."""

import base64
import contextlib
import json
import logging
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client as Browser

from controlplane.access.policy import Scope
from supervision.errors.store.bodies import unpacked
from supervision.errors.store.digesting import digest
from supervision.errors.store.models import ErrorEvent, ErrorIntake, ErrorIssue, ErrorProject
from supervision.errors.store.monitor_models import CheckIn, Monitor
from supervision.errors.store.release_models import ErrorAttachment
from supervision.errors.store.transaction_models import ErrorTransactionHour
from tests.controlplane.intake import planted as plants
from tests.controlplane.intake.clients import AUTH, KEY, NOW, NOWHERE, Client
from tests.controlplane.intake.loops import until, waiting_on_disk
from tests.controlplane.intake.planted import FORMS, Planted
from tests.support import people

pytestmark = pytest.mark.django_db(transaction=True)
BATCH = 4
"""Events: one alone would be the only issue."""


async def _send_all(client: Client, planted: Planted) -> None:
    query = f"sentry_key={KEY}"
    child = f"shop/web password={planted.value('child')}"
    by_browser = f"&sentry_environment=password%3D{planted.value('environment')}"
    by_browser += f"&sentry_release=a token={planted.value('release')}"
    slug = f"nightly token={planted.value('slug')}"
    of_run = f"status=ok&environment={quote('password=' + planted.value('environment'))}"
    sent: list[tuple[str, bytes, dict[str, str], str]] = [
        ("/api/42/envelope/", plants.envelope(planted, 1), AUTH, ""),
        (f"/from/{child}/7/api/42/envelope/", plants.envelope(planted, 2), AUTH, ""),
        ("/api/42/envelope/", plants.others(planted, 3), AUTH, ""),
        ("/api/42/store/", json.dumps(plants.event(planted, 4)).encode(), {}, query),
        ("/api/42/security/", json.dumps(plants.of_browser(planted)).encode(), {}, query + by_browser),
        (f"/api/42/cron/{slug}/{KEY}/", json.dumps(plants.check_in(planted)).encode(), {}, of_run),
    ]
    names = planted.texts("transaction")
    for number, name in enumerate(names):
        sent.append(("/api/42/envelope/", plants.transaction(planted, 100 + number, name), AUTH, ""))
    for path, body, headers, asked in sent:
        status, told, _ = await client.ask(path, body, headers, query=asked)
        assert status in (200, 201, 202), (path, told)
        assert not planted.left_in(json.dumps(told))


def _tables() -> Iterator[tuple[str, str]]:
    """Everything in every column of every table of the error store, compressed bodies as what they say."""
    for model in apps.get_app_config("supervision").get_models():
        if not model.__name__.startswith(("Error", "Monitor", "CheckIn")):
            continue
        with connection.cursor() as cursor:
            cursor.execute(f'SELECT * FROM "{model._meta.db_table}"')
            for row in cursor.fetchall():
                for column, value in zip(cursor.description, row, strict=True):
                    yield f"{model._meta.db_table}.{column.name}", _said(value)


def _said(value: Any) -> str:
    """Any: of a column."""
    if isinstance(value, bytes | memoryview):
        data = bytes(value)
        with contextlib.suppress(zlib.error):
            data = zlib.decompress(data)
        return _readable(data)
    return str(value)


def _readable(data: bytes) -> str:
    """As UTF-8, as Latin-1 and as UTF-16, and what stands in it in base64."""
    text = data.decode("utf-8", "replace") + data.decode("latin-1") + data.decode("utf-16", "replace")
    try:
        body = json.loads(data)
    except ValueError:
        return text
    if isinstance(body, dict) and "data" in body and isinstance(body["data"], str):
        text += _readable(base64.b64decode(body["data"]))
    return text + json.dumps(body, ensure_ascii=False)


def _check_tables(planted: Planted) -> None:
    left = [(where, found) for where, said in _tables() if (found := planted.left_in(said))]
    assert not left


def _check_pages(planted: Planted) -> None:
    browser = people.browser(people.admin())
    api = people.bearer(people.token(people.admin("api"), Scope.ADMIN))
    paths = [
        "/errors",
        "/errors?q=",
        "/errors/transactions",
        "/errors/releases",
        "/errors/owners",
        "/monitors",
    ]
    rest = [
        "error_issues", "error_projects", "error_projects/shop", "error_projects/shop/discards", "error_releases",
        "error_transactions", "monitors",
    ]  # fmt: skip
    for issue in ErrorIssue.objects.all():
        paths.append(f"/errors/{issue.short_id}")
        rest += [f"error_issues/{issue.short_id}{part}" for part in ("", "/events", "/history")]
        for event in ErrorEvent.objects.filter(issue_id=issue.pk):
            paths.append(f"/errors/{issue.short_id}?event={event.event_id}")
            rest.append(f"error_issues/{issue.short_id}/events/{event.event_id}")
    rest += [f"monitors/{monitor.pk}/check_ins" for monitor in Monitor.objects.all()]
    rest += [f"error_attachments/{file.pk}" for file in ErrorAttachment.objects.all()]
    seen = [path for path in paths if _looked(browser, path, planted)]
    assert seen == paths
    assert all(_looked(api, f"/api/v1/{path}", planted) for path in rest)


def _looked(browser: Browser, path: str, planted: Planted) -> bool:
    """Whether there is such a page; nothing is left in it."""
    answer = browser.get(path)
    said = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]  # of such an answer
    assert not planted.left_in(_readable(said)), path
    return answer.status_code == 200


def _check_all(planted: Planted, caplog: pytest.LogCaptureFixture) -> None:
    _check_tables(planted)  # what waits
    assert ErrorIntake.objects.count() > 20
    while digest(now=NOW):
        pass
    assert not ErrorIntake.objects.exists(), "nothing failed"
    assert ErrorEvent.objects.count() == BATCH
    assert ErrorAttachment.objects.count() == 6
    assert Monitor.objects.count() == CheckIn.objects.count() == 1
    assert sum(ErrorTransactionHour.objects.values_list("count", flat=True)) > 10
    _check_tables(planted)
    ErrorProject.objects.update(tree="shop")
    _check_pages(planted)
    said = "\n".join(f"{record.getMessage()} {record.exc_text or ''}" for record in caplog.records)
    assert not planted.left_in(said)


def test_what_is_planted_is_found_nowhere(
    project: ErrorProject, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    planted = Planted()
    client = Client(tmp_path)
    ErrorProject.objects.update(events_per_minute=100_000)
    client.run(lambda: _send_all(client, planted))
    assert len(planted.values) > 10 * len(FORMS)
    _check_all(planted, caplog)


def test_nor_while_postgresql_is_away(
    project: ErrorProject, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    planted = Planted()
    ErrorProject.objects.update(events_per_minute=100_000)
    away = Client(tmp_path, database_url=NOWHERE)
    away.run(lambda: _send_all(away, planted))
    assert not ErrorIntake.objects.exists()
    files = list(tmp_path.glob("*.jsonl"))
    assert files
    lines = 0
    for path in files:
        assert not planted.left_in(path.read_text())
        for line in path.read_text().splitlines():
            lines += 1
            body = unpacked(base64.b64decode(json.loads(line)[3]))
            assert not planted.left_in(_readable(json.dumps(body).encode()))
    assert lines > 20
    back = Client(tmp_path)

    async def taken_back() -> None:
        back.intake.start()
        await until(lambda: not waiting_on_disk(tmp_path), "what is on disk is taken back")

    back.run(taken_back)
    _check_all(planted, caplog)


def test_the_test_finds_what_is_not_taken_out(
    project: ErrorProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it could not fail: each planted value is to be seen in some column where nothing is scrubbed."""
    from supervision.errors.protocol import accepting
    from supervision.errors.scrubbing.values import Scrubbed

    monkeypatch.setattr(accepting, "scrub", lambda value, options: Scrubbed(value))
    planted = Planted()
    body = plants.event(planted, 1)
    client = Client(tmp_path)
    client.one("/api/42/store/", json.dumps(body).encode(), query=f"sentry_key={KEY}")
    found: dict[str, str] = {}
    for _, said in _tables():
        found |= planted.left_in(said)
    unseen = {value: where for value, where in planted.values.items() if value not in found}
    assert not unseen
