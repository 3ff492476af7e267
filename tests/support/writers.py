"""Many who write over REST at once, and what they were told."""

import http.client
import json
import os
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.foreground import ROOT

MAKE_TOKEN = """
import django, datetime
django.setup()
from django.contrib.auth.models import User
from django.utils import timezone
from controlplane.access.models import Grant, Token
from controlplane.access.credentials import new_token, digest
user = User.objects.create_user("chaos")
Grant.objects.create(user=user, role="admin", tree="")
text, now = new_token(), timezone.now()
Token.objects.create(
    user=user, name="t", token_hash=digest(text), prefix=text[:10], scopes=["admin"], created_at=now,
    expires_at=now + datetime.timedelta(hours=5),
)
print(text)
"""


def make_token(data: Path) -> str:
    """A token of a new admin called `chaos`."""
    environment = {
        **os.environ,
        "OVERSTORY_DATA_DIR": str(data),
        "DJANGO_SETTINGS_MODULE": "controlplane.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", MAKE_TOKEN],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@dataclass(slots=True)
class Told:
    """What one writer was told."""

    accepted: list[int] = field(default_factory=list)
    """Revisions, in the order of their acknowledgements."""
    refused: list[str] = field(default_factory=list)
    """Connections that were refused: there must be none."""
    statuses: dict[int, int] = field(default_factory=dict)
    broken: int = 0
    """Answers that did not come: the process that had the request was killed."""


class Writers:
    """Each writes revisions of a tree of its own, one after the other, until told to stop."""

    def __init__(self, port: int, token: str, count: int = 20, pause_s: float = 0.3) -> None:
        self._port, self._token, self._pause_s = port, token, pause_s
        self.told = {f"w{number}": Told() for number in range(count)}
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(name,)) for name in self.told]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive(), "a writer hangs"

    def ask(self, method: str, path: str, body: Any = None, timeout_s: float = 60) -> tuple[int, Any]:
        """Status and body of one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout_s)
        try:
            headers = {
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                "If-Match": "*",
            }
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
            is_json = "json" in (answer.headers.get("Content-Type") or "")
            return answer.status, json.loads(text) if is_json and text else text
        finally:
            connection.close()

    def _write(self, name: str) -> None:
        told = self.told[name]
        chance = random.Random(name)
        while not self._ended.is_set():
            try:
                status, body = self.ask(
                    "PUT", f"/api/v1/trees/{name}", document(name, chance.randrange(3, 10**6))
                )
            except ConnectionRefusedError as error:
                told.refused.append(repr(error))
            except (OSError, http.client.HTTPException):
                told.broken += 1
            else:
                told.statuses[status] = told.statuses.get(status, 0) + 1
                if status in (200, 201):
                    told.accepted.append(int(body["revision"]))
            time.sleep(self._pause_s * (0.5 + chance.random()))


def document(name: str, intensity: int) -> dict[str, Any]:
    """A tree whose revisions differ in what restarts nothing."""
    return {
        "version": 1,
        "tree": name,
        "supervisor": {
            "intensity": intensity,
            "children": [{"id": "a", "process": {"command": ["/bin/sleep", "100000"]}}],
        },
    }
