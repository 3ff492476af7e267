"""The Django project around the engine: what it serves, and what it keeps out of the supervising processes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client

ROOT = Path(__file__).resolve().parents[2]
KEPT_OUT = {"django", "psycopg", "redis", "celery", "channels", "yaml", "psutil", "hiredis", "kombu"}


def test_livez_answers_without_a_login_and_without_a_store(client: Client) -> None:
    response = client.get("/livez")
    assert (response.status_code, response.content) == (200, b"ok\n")
    assert client.post("/livez").status_code == 405


@pytest.mark.parametrize("path", ["/livez/", "/static/x", "/nothing"])
def test_nothing_else_is_served(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_an_unknown_host_is_refused(client: Client) -> None:
    assert client.get("/livez", headers={"host": "evil.example"}).status_code == 400


@pytest.mark.parametrize("role", ["guardian", "node", "rotator", "checkers"])
def test_the_supervising_processes_load_no_framework_and_no_store(role: str) -> None:
    """They run isolated, so a third-party module could not even be found; this asks what they ask for."""
    code = (
        f"import sys, json; sys.path.insert(0, {str(ROOT)!r}); import supervision.runtime.{role};"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout))
    assert not loaded & KEPT_OUT
    assert loaded - {"supervision", "__main__"} <= sys.stdlib_module_names


def test_loading_the_settings_writes_nothing(data_dir: Path) -> None:
    subprocess.run([sys.executable, "manage.py", "check"], cwd=ROOT, check=True, capture_output=True)
    assert not data_dir.exists()


def test_the_celery_application_takes_json_only() -> None:
    from controlplane.celery import app

    assert app.conf.accept_content == ["json"]
    assert app.conf.task_acks_late is True
    assert app.conf.worker_prefetch_multiplier == 1
