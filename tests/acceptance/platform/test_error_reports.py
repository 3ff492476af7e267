"""An unmodified program with a bare `sentry_sdk.init()` under a tree: its errors name the very life they came from."""

import http.client
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from controlplane.embedded.connections import Connections
from supervision.runtime.paths import Paths
from tests.acceptance.platform.instance import Platform
from tests.support.stores import short_directory
from tests.support.waiting import wait_for

CRASHES = """
import json, os, time
import sentry_sdk
sentry_sdk.init()
life = os.environ["OVERSTORY_INCARNATION"]
open(f"environment-{life}.new", "w").write(json.dumps(dict(os.environ)))
os.rename(f"environment-{life}.new", f"environment-{life}")
def load(order):
    raise KeyError(order)
while not os.path.exists(f"go-{life}"):
    time.sleep(0.02)
load("order 7")
"""
SAYS = """
import json, os, time
name = os.environ["OVERSTORY_CHILD"].replace("/", "-")
open(f"{name}.new", "w").write(json.dumps(dict(os.environ)))
os.rename(f"{name}.new", name)
time.sleep(100000)
"""
EVENTS = """
SELECT e.child, e.incarnation, e.release, e.environment, i.type FROM supervision_errorevent e
JOIN supervision_errorissue i ON i.id = e.issue_id JOIN supervision_errorproject p ON p.id = i.project_id
WHERE p.tree = 'reports' ORDER BY e.id
"""
TOLD_TWICE = """
SELECT coalesce(sum(count), 0) FROM supervision_errordiscard d JOIN supervision_errorproject p ON p.id = d.project_id
WHERE d.reason = 'duplicate' AND p.tree = 'reports'
"""
COUNTS = """
SELECT s.count FROM supervision_errorissuestat s JOIN supervision_errorissue i ON i.id = s.issue_id
JOIN supervision_errorproject p ON p.id = i.project_id WHERE p.tree = 'reports'
"""


@dataclass(slots=True)
class Place:
    """The running instance, and the directory its programs work in."""

    platform: Platform
    cwd: Path

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        url = Connections.from_environment(Paths(self.platform.data), {}).database_url
        with psycopg.connect(url) as connection:
            return connection.execute(query).fetchall()

    def environment(self, name: str) -> dict[str, str]:
        path = self.cwd / name
        wait_for(path.exists, timeout=120, what=name)
        told: dict[str, str] = json.loads(path.read_text())
        return told

    def tree(self, name: str, *children: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {
            "version": 1,
            "tree": name,
            **more,
            "supervisor": {"intensity": 1000, "children": list(children)},
        }

    def child(self, name: str, code: str, **process: Any) -> dict[str, Any]:
        return {
            "id": name,
            "process": {"command": [sys.executable, "-c", code], "cwd": str(self.cwd), **process},
        }


@pytest.fixture(scope="module")
def place(platform: Platform) -> Iterator[Place]:
    with short_directory() as cwd:
        yield Place(platform, cwd)
        for tree in ("reports", "mixed", "silent"):
            platform.ask("DELETE", f"/api/v1/trees/{tree}")


def _applied(place: Place, tree: dict[str, Any]) -> None:
    """By REST, as a new tree: its first lives are told where to report already."""
    connection = http.client.HTTPConnection("127.0.0.1", place.platform.port, timeout=60)
    headers = {
        "Authorization": f"Bearer {place.platform.token}",
        "Content-Type": "application/json",
        "If-None-Match": "*",
    }
    connection.request("PUT", f"/api/v1/trees/{tree['tree']}", json.dumps(tree), headers)
    answer = connection.getresponse()
    assert answer.status == 201, answer.read()
    connection.close()


def test_a_program_without_a_dsn_reports_each_crash_once_from_the_life_that_had_it(place: Place) -> None:
    _applied(place, place.tree("reports", place.child("api", CRASHES)))
    first = place.environment("environment-1")
    assert "/from/reports/api/1/" in first["SENTRY_DSN"]
    assert first["SENTRY_RELEASE"].startswith("reports@")
    assert not any(name in first for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY"))
    (place.cwd / "go-1").touch()
    assert "/from/reports/api/2/" in place.environment("environment-2")["SENTRY_DSN"]
    (place.cwd / "go-2").touch()
    place.environment("environment-3")
    wait_for(
        lambda: place.ask(TOLD_TWICE) == [(2,)],
        timeout=120,
        what="what the node read in the output is told twice",
    )
    release = first["SENTRY_RELEASE"]
    assert place.ask(EVENTS) == [
        ("reports/api", 1, release, "production", "KeyError"),
        ("reports/api", 2, release, "production", "KeyError"),
    ]
    assert place.ask(COUNTS) == [(2,)]


def test_what_says_another_place_keeps_it_and_a_tree_may_decline(place: Place) -> None:
    away = place.child("away", SAYS, environment={"SENTRY_DSN": "https://k@elsewhere.example/1"})
    none = place.child("none", SAYS, environment={"SENTRY_DSN": ""})
    (place.cwd / "file.env").write_text("SENTRY_DSN=https://k@file.example/1\n")
    file = place.child("file", SAYS, environment_files=[str(place.cwd / "file.env")])
    told = place.child("told", SAYS)
    spec = place.tree("mixed", away, none, file, told)
    _applied(place, spec)
    assert place.environment("mixed-away")["SENTRY_DSN"] == "https://k@elsewhere.example/1"
    assert "SENTRY_RELEASE" not in place.environment("mixed-away")
    assert place.environment("mixed-none")["SENTRY_DSN"] == ""
    assert place.environment("mixed-file")["SENTRY_DSN"] == "https://k@file.example/1"
    assert "/from/mixed/told/1/" in place.environment("mixed-told")["SENTRY_DSN"]
    [note] = [
        each for each in place.platform.control("plan", spec=spec)["findings"] if each["severity"] == "note"
    ]
    assert note["message"].startswith("errors of 1 process come")
    assert "3 with a SENTRY_DSN of their own" in note["message"]

    _applied(place, place.tree("silent", place.child("quiet", SAYS), report_errors=False))
    assert "SENTRY_DSN" not in place.environment("silent-quiet")
