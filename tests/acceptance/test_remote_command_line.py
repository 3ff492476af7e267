"""From another machine: a whole instance, logged into by its link, then driven over REST by the command line."""

import http.cookiejar
import json
import re
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.support.command_line import manage, spawn
from tests.support.foreground import RUNNING, Up
from tests.support.stores import short_directory
from tests.support.waiting import wait_for

SHOP = """\
version: 1
tree: shop
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


@pytest.fixture(scope="module")
def instance() -> Iterator[tuple[str, str]]:
    """Its address, and an admin's token."""
    with short_directory() as directory:
        up = Up(directory / "d", "--no-examples")
        try:
            link = up.until("/login/link/").strip()
            up.until(RUNNING)
            url = link.partition("/login/")[0]
            yield url, log_in(link, url)
            up.stop()
        finally:
            if up.process.poll() is None:
                up.process.kill()
            up.process.communicate()


def test_the_first_hour_from_another_machine(
    instance: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, token = instance
    monkeypatch.setenv("OVERSTORY_URL", url)
    monkeypatch.setenv("OVERSTORY_TOKEN", token)
    file = tmp_path / "shop.yaml"
    file.write_text(SHOP)

    assert "system" in manage("tree").out
    assert manage("plan", str(file), "--detailed-exitcode").code == 2
    applied = manage("apply", str(file), "--yes", "--timeout", "2s", "-m", "from afar", "--json")
    assert applied.json["revision"] == 1
    assert manage("start", "shop/web").code == 0

    restarted = manage("restart", "shop/web", "--json")
    assert restarted.code == 0, restarted
    target = restarted.json["targets"][0]
    assert target["after"]["incarnation"] > target["before"]["incarnation"]

    with spawn("logs", "-f", "shop/web") as following:
        assert "hello from" in following.line()
        assert manage("restart", "shop/web").code == 0
        following.until("hello from")

    def told() -> str:
        said = manage("explain", "shop/mail").out
        return said if "ValueError: boom" in said else ""

    assert "exit code 3" in wait_for(told, timeout=30, what="explain names the cause")
    assert manage("stop", "shop/web").code == 0
    why = manage("explain", "shop/web").out
    assert "stopped by" in why
    assert "token ci" in why
    assert any(record["k"] == "command" for record in manage("events", "--json", "--key", "shop/web").records)
    assert manage("delete", "shop", "--yes").code == 0
    assert manage("tree", "shop").code == 3
