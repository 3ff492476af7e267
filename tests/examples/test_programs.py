"""The example programs by themselves: they say when they are ready, do their work, and go cleanly when asked."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
import redis

from controlplane.embedded.connections import celery_url, postgres_url, redis_url
from controlplane.embedded.postgres_server import PostgresServer
from controlplane.embedded.privileges import choose
from controlplane.embedded.redis_server import RedisServer
from controlplane.foreground.examples import EXAMPLES_DIR
from tests.support.stores import running, short_directory
from tests.support.waiting import wait_for

pytestmark = pytest.mark.xdist_group("examples")
PROGRAMS = EXAMPLES_DIR / "programs"


@dataclass
class Supervisor:
    """A notify socket, and what was said on it."""

    base: Path
    sock: socket.socket
    heard: str = ""

    @contextlib.contextmanager
    def runs(self, *argv: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
        """The program, ready; asked to stop at the end, which it has to do at once and with status 0."""
        self.heard = ""
        process = subprocess.Popen(
            [sys.executable, *argv],
            cwd=PROGRAMS,
            env={**self.environment(), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            wait_for(
                lambda: self.said("READY=1") or process.poll() is not None,
                timeout=60,
                what=f"{argv} is ready",
            )
            assert process.poll() is None, process.communicate()
            yield process
            process.terminate()
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
        finally:
            process.kill()
            process.communicate()

    def said(self, word: str) -> bool:
        with contextlib.suppress(BlockingIOError):
            while True:
                self.heard += self.sock.recv(10_000).decode() + "\n"
        return word in self.heard

    def environment(self) -> Mapping[str, str]:
        """Ours without what the node keeps from its children."""
        inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
        said = {"NOTIFY_SOCKET": str(self.base / "notify"), "EXAMPLE_STATE_DIR": str(self.base / "state")}
        return {**inherited, **said}


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    with short_directory() as base, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(base / "notify"))
        sock.setblocking(False)
        yield Supervisor(base, sock)


def test_jobs_are_made_and_each_is_done_once(supervisor: Supervisor) -> None:
    base = supervisor.base
    server = PostgresServer.of(data_dir=base, socket_dir=base, privileges=choose("0" * 8, base / "postgres"))
    server.prepare()
    url = postgres_url(base, role="examples", database="examples")
    with running(server.child(), base / "log") as postgres:
        with (
            supervisor.runs("jobs.py", "producer", EXAMPLE_DATABASE_URL=url),
            supervisor.runs("jobs.py", "worker", EXAMPLE_DATABASE_URL=url),
            psycopg.connect(url, autocommit=True) as connection,
        ):
            done = "SELECT count(*) >= 3 AND count(*) = count(answer) FROM job WHERE done_at IS NOT NULL"
            wait_for(
                lambda: connection.execute(done).fetchone() == (True,), timeout=60, what="three jobs are done"
            )
        postgres.send_signal(signal.SIGINT)
        assert postgres.wait(60) == 0


def test_a_worker_whose_database_is_away_waits_and_still_goes_at_once(supervisor: Supervisor) -> None:
    nowhere = postgres_url(supervisor.base, role="examples", database="examples")
    environment = {**supervisor.environment(), "EXAMPLE_DATABASE_URL": nowhere}
    process = subprocess.Popen(
        [sys.executable, "jobs.py", "worker"],
        cwd=PROGRAMS,
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: supervisor.said("STATUS=waiting for PostgreSQL"), timeout=60)
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "waiting for PostgreSQL" in errors


def test_celery_works_and_its_beat_beats(supervisor: Supervisor) -> None:
    base = supervisor.base
    server = RedisServer.of(data_dir=base, socket_dir=base)
    server.prepare()
    with (
        running(server.child(), base / "log"),
        redis.Redis.from_url(redis_url(server.socket, db=1)) as client,
    ):
        broker = {"EXAMPLE_CELERY_BROKER_URL": celery_url(server.socket, db=1)}
        celery = ("-m", "celery", "--app=celery_app", "--quiet")

        with supervisor.runs(*celery, "beat", **broker):
            wait_for(lambda: client.llen("examples") == 1, timeout=60, what="the beat published a task")
        worker = ("worker", "--concurrency=1", "--without-mingle", "--without-gossip")
        with supervisor.runs(*celery, *worker, **broker):
            wait_for(
                lambda: client.llen("examples") == 0 and not client.hlen("unacked"),
                timeout=60,
                what="it is done",
            )


def test_the_service_answers_on_a_socket_it_did_not_open_and_the_follower_sees_the_visits(
    supervisor: Supervisor,
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        service = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "uvicorn",
                "--fd",
                str(listener.fileno()),
                "--no-access-log",
                "greeter:app",
            ],
            cwd=PROGRAMS,
            env=supervisor.environment(),
            pass_fds=[listener.fileno()],
        )
        try:
            with supervisor.runs("visitor.py", url), supervisor.runs("follower.py"):
                log = supervisor.base / "state/visits.log"
                wait_for(lambda: log.exists() and log.read_text().count("visit") >= 2, timeout=60)
        finally:
            service.terminate()
            assert service.wait(60) in (0, -signal.SIGTERM)


def test_the_crasher_crashes_with_words(supervisor: Supervisor) -> None:
    done = subprocess.run(
        [sys.executable, "trouble.py", "crash", "0.01"],
        cwd=PROGRAMS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "this bug is on purpose" in done.stderr


def test_the_leaker_grows_until_its_limit() -> None:
    done = subprocess.run(
        ["bash", "-c", 'ulimit -v 131072; exec "$0" trouble.py leak 200', sys.executable],
        cwd=PROGRAMS,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "MemoryError" in done.stderr


def test_without_its_store_a_program_says_what_is_missing() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EXAMPLE_")}
    command = [sys.executable, "jobs.py", "worker"]
    done = subprocess.run(command, cwd=PROGRAMS, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "EXAMPLE_DATABASE_URL is not set" in done.stderr


def test_a_program_goes_on_while_nobody_listens_to_it(tmp_path: Path) -> None:
    environment = {**os.environ, "NOTIFY_SOCKET": str(tmp_path / "gone")}
    process = subprocess.Popen([sys.executable, "trouble.py", "leak", "1"], cwd=PROGRAMS, env=environment)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2)  # it speaks at the start and each second
    process.terminate()
    assert process.wait(60) == 0
