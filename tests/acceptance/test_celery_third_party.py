"""Somebody else's Celery project and tools, from PyPI, in an interpreter of theirs: django-post_office, Flower beside us."""

import base64
import json
import os
import signal
import socket
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.celery_lab import SDK, CeleryLab, celery_lab
from tests.support.engine import Engine, tree
from tests.support.third_party import PROGRAMS, third_party_python
from tests.support.waiting import wait_for

SLOW = 120
MAILS = 30
BATCH = 2
TASK = "post_office.tasks.send_queued_mail"


@dataclass(slots=True)
class Project:
    """Two workers of a tree, the project's files, and its interpreter."""

    lab: CeleryLab
    engine: Engine
    python: Path

    @property
    def environment(self) -> dict[str, str]:
        return {
            "BROKER": self.lab.broker, "PROJECT_DIR": str(self.lab.directory), "PYTHONWARNINGS": "ignore",
            "DJANGO_SETTINGS_MODULE": "project_settings",
        }  # fmt: skip

    def run(self, *arguments: str) -> None:
        """The project's own program, outside the tree."""
        subprocess.run(
            [str(self.python), str(PROGRAMS / "project.py"), *arguments], check=True, timeout=SLOW,
            env={**os.environ, **self.environment, "PYTHONPATH": f"{SDK}:{PROGRAMS}"}, cwd=self.lab.directory,
        )  # fmt: skip

    def sent(self) -> Counter[str]:
        """How often each mail was sent."""
        path = self.lab.directory / "sent"
        return (
            Counter(line.split()[0] for line in path.read_text().splitlines()) if path.exists() else Counter()
        )


@pytest.fixture
def project() -> Iterator[Project]:
    """Made anew for each attempt: mails that were sent in one are not sent again."""
    python = third_party_python()
    with celery_lab() as lab, Engine() as engine:
        made = Project(lab, engine, python)
        made.run("migrate")
        section = {
            "app": "project", "cwd": str(PROGRAMS), "python": str(python), "queues": ["mail"], "concurrency": 2,
            "arguments": ["--task-events"], "environment": made.environment,
        }  # fmt: skip
        engine.apply(tree("post", {"id": "w", "instances": 2, "celery_worker": section}, intensity=100))
        for number in (1, 2):
            engine.wait_state(f"post/w@{number}", "running", timeout=SLOW)
        yield made


@pytest.fixture
def flower(project: Project) -> Iterator[str]:
    """Its address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    log = project.lab.directory / "flower.log"
    with log.open("ab") as out:
        process = subprocess.Popen(
            [str(project.python), "-m", "celery", f"--broker={project.lab.broker}", "flower", f"--port={port}",
             "--address=127.0.0.1", "--basic-auth=ada:secret"],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=project.lab.directory,
        )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(
            lambda: asked(address, "/api/workers") is not None, timeout=SLOW, every=0.2, what="Flower answers"
        )
        yield address
    finally:
        process.terminate()
        process.wait()


def asked(address: str, path: str) -> dict[str, Any] | None:
    """What Flower answers; None while it does not."""
    secret = base64.b64encode(b"ada:secret").decode()
    request = urllib.request.Request(address + path, headers={"Authorization": f"Basic {secret}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except OSError:
        return None


def test_post_office_sends_every_mail_though_a_worker_dies_and_flower_watches(
    project: Project, flower: str
) -> None:
    before = {number: project.engine.child(f"post/w@{number}")["incarnation"] for number in (1, 2)}
    wait_for(
        lambda: len(asked(flower, "/api/workers?refresh=1") or {}) == 2,
        timeout=SLOW,
        every=0.5,
        what="both workers",
    )

    project.run(str(MAILS))
    wait_for(lambda: len(project.sent()) > BATCH, timeout=SLOW, what="it sends")
    sender = (project.lab.directory / "sent").read_text().splitlines()[-1].split()[1]
    held = {key.rpartition("/")[0] for key in map(bytes.decode, project.lab.redis.hvals("overstory.holders"))}
    assert held
    worker = next(
        number for number in (1, 2)
        if int(sender) in children_of(int(project.engine.child(f"post/w@{number}")["pid"]))
    )  # fmt: skip
    os.kill(project.engine.child(f"post/w@{worker}")["pid"], signal.SIGKILL)

    wait_for(lambda: len(project.sent()) == MAILS, timeout=SLOW, what=f"every mail is sent: {project.sent()}")
    wait_for(lambda: not left(project), timeout=SLOW, what=f"nothing is left: {project.lab.left}")
    # What its own loop had sent and not yet noted it sends again: of one batch, and once.
    again = [count - 1 for count in project.sent().values() if count > 1]
    assert len(again) <= BATCH
    project.engine.wait_incarnation(f"post/w@{worker}", before[worker], timeout=SLOW)
    assert project.engine.child(f"post/w@{3 - worker}")["incarnation"] == before[3 - worker]

    wait_for(
        lambda: states_of(flower) == {"SUCCESS": MAILS},
        timeout=SLOW,
        every=0.5,
        what="Flower has seen all end",
    )
    project.engine.wait_state(f"post/w@{worker}", "running", timeout=SLOW)
    wait_for(lambda: len(living(flower)) == 2, timeout=SLOW, every=0.5, what="Flower sees both again")


def children_of(pid: int) -> set[int]:
    return {int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def left(project: Project) -> bool:
    return bool(project.lab.redis.llen("mail")) or any(project.lab.left.values())


def states_of(address: str) -> Counter[str]:
    """What Flower says of the project's tasks."""
    return Counter(
        str(task["state"]) for task in (asked(address, f"/api/tasks?taskname={TASK}") or {}).values()
    )


def living(address: str) -> list[str]:
    """Workers that answer Flower."""
    found = asked(address, "/api/workers?refresh=1&status=1") or {}
    return [name for name, is_alive in found.items() if is_alive]
