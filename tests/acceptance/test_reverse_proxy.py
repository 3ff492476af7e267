"""Behind a reverse proxy with TLS, below a path, whether the proxy takes the path off or not."""

import os
import re
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import pytest
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.support.foreground import ROOT, RUNNING, up
from tests.support.stores import short_directory
from tests.support.tls_proxy import tls_proxy
from tests.support.writers import make_token

HOST = "localhost"


def test_pages_the_api_and_the_socket_work_behind_a_proxy_that_takes_the_path_off_or_does_not() -> None:
    with short_directory() as base:
        data = base / "d"
        settings = {
            "OVERSTORY_PUBLIC_URL": f"https://{HOST}/ops",
            "OVERSTORY_TRUSTED_PROXIES": "127.0.0.1",
        }
        with up(data, "--no-examples", **settings) as started:
            started.until(RUNNING)
            port = re.search(r"http://127\.0\.0\.1:(\d+)/livez", started.output)
            assert port is not None
            token = make_token(data)
            for number, strip in enumerate(("", "/ops")):
                proxy = base / str(number)
                proxy.mkdir()
                printed = started.output if number == 0 else manage(data, "login_link", **settings)
                link = re.search(rf"https://{HOST}/ops/login/link/\S+", printed)
                assert link is not None, "the printed link is the one people type"
                with tls_proxy(proxy, host=HOST, backend_port=int(port[1]), strip=strip) as public:
                    look(proxy, public, link.group(), token)
            started.stop()


def manage(data: Path, *arguments: str, **environment: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    environment = {**inherited, "OVERSTORY_DATA_DIR": str(data), **environment}
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout


def look(base: Path, public: int, link: str, token: str) -> None:
    context = ssl.create_default_context(cafile=str(base / "cert.pem"))
    site = f"https://{HOST}:{public}/ops"
    cookies = CookieJar()
    browser = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=context), urllib.request.HTTPCookieProcessor(cookies)
    )
    assert browser.open(f"{site}/livez").status == 200
    page = browser.open(link.replace(f"https://{HOST}/ops", site))
    text = page.read().decode()
    assert page.status == 200
    assert 'href="/ops/static/' in text, "what a page refers to is below the path too"
    asset = re.search(r'href="(/ops/static/[^"]+\.css)"', text)
    assert asset is not None
    assert browser.open(f"https://{HOST}:{public}{asset[1]}").status == 200
    assert cookies, "a cookie was set"
    assert all(cookie.secure and cookie.path == "/ops" for cookie in cookies)
    headers = {"Authorization": f"Bearer {token}"}
    assert browser.open(urllib.request.Request(f"{site}/api/v1/me", headers=headers)).status == 200
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{site}/api/v1/me", context=context, timeout=30)
    assert refused.value.code == 401
    refused.value.close()
    with connect(
        f"wss://{HOST}:{public}/ops/ws/live",
        ssl=context,
        additional_headers=headers,
        origin=Origin(f"https://{HOST}"),
    ) as live:
        assert live.response is not None
        assert live.response.status_code == 101
