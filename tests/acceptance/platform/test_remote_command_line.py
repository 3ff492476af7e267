"""From another machine: a whole instance, logged into by its link, then driven over REST by the command line."""

import http.cookiejar
import json
import re
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.acceptance.platform.instance import Platform
from tests.support.command_line import manage, spawn
from tests.support.waiting import wait_for

KIOSK = """\
version: 1
tree: kiosk
supervisor:
  children:
  - id: web
    process: {command: [/bin/sh, -c, "echo hello from $$; exec sleep 3600"]}
  - id: mail
    backoff: {initial: 600s, cap: 600s, jitter: 0}
    process: {command: [/bin/sh, -c, "echo 'ValueError: boom' >&2; exit 3"]}
"""


def log_in(link: str, url: str) -> str:
    """Spend the link as a browser would, and make a token; its text."""
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    page = browser.open(link).read().decode()
    match = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert match is not None
    form = urlencode({"csrfmiddlewaretoken": match[1]}).encode()
    browser.open(urllib.request.Request(link, data=form, headers={"Origin": url, "Referer": link}))
    csrf = next(cookie.value for cookie in jar if cookie.name == "overstory_csrf")
    expires = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = json.dumps({"name": "ci", "scopes": ["admin"], "expires_at": expires}).encode()
    headers = {"Content-Type": "application/json", "X-CSRFToken": str(csrf), "Origin": url}
    answer = browser.open(urllib.request.Request(f"{url}/api/v1/tokens", data=body, headers=headers))
    return str(json.load(answer)["token"])


def test_the_first_hour_from_another_machine(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = re.search(r"http://\S+/login/link/\S+", platform.started.output)
    assert link is not None
    monkeypatch.setenv("OVERSTORY_URL", platform.url)
    monkeypatch.setenv("OVERSTORY_TOKEN", log_in(link.group(), platform.url))
    file = tmp_path / "kiosk.yaml"
    file.write_text(KIOSK)

    assert "system" in manage("tree").out
    assert manage("plan", str(file), "--detailed-exitcode").code == 2
    applied = manage("apply", str(file), "--yes", "--timeout", "2s", "-m", "from afar", "--json")
    assert applied.json["revision"] == 1
    assert manage("start", "kiosk/web").code == 0

    restarted = manage("restart", "kiosk/web", "--json")
    assert restarted.code == 0, restarted
    target = restarted.json["targets"][0]
    assert target["after"]["incarnation"] > target["before"]["incarnation"]

    with spawn("logs", "-f", "kiosk/web") as following:
        assert "hello from" in following.line()
        assert manage("restart", "kiosk/web").code == 0
        following.until("hello from")

    def told() -> str:
        said = manage("explain", "kiosk/mail").out
        return said if "ValueError: boom" in said else ""

    assert "exit code 3" in wait_for(told, timeout=30, what="explain names the cause")
    assert manage("stop", "kiosk/web").code == 0
    why = manage("explain", "kiosk/web").out
    assert "stopped by" in why
    assert "token ci" in why
    assert any(
        record["k"] == "command" for record in manage("events", "--json", "--key", "kiosk/web").records
    )
    assert manage("delete", "kiosk", "--yes").code == 0
    assert manage("tree", "kiosk").code == 3
