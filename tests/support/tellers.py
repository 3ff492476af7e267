"""Programs that report errors by a real SDK while an instance is attacked, and what they were told was accepted."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.support.attacked import Platform
from tests.support.waiting import wait_for

PROGRAM = Path(__file__).parent / "sdk_programs" / "teller.py"
COUNT = 3
STORED = """
SELECT e.event_id FROM supervision_errorevent AS e
JOIN supervision_errorproject AS p ON p.id = e.project_id
WHERE p.slug = 'chaos'"""
COUNTED = """
SELECT sum(s.count)::bigint, (SELECT sum(h.count)::bigint FROM supervision_errorissuehour AS h
    JOIN supervision_errorissue AS j ON j.id = h.issue_id WHERE j.project_id = p.id)
FROM supervision_errorissuestat AS s
JOIN supervision_errorissue AS i ON i.id = s.issue_id
JOIN supervision_errorproject AS p ON p.id = i.project_id
WHERE p.slug = 'chaos' GROUP BY p.id"""
WAITING = "SELECT count(*) FROM supervision_errorintake"


def project_of(platform: Platform, slug: str) -> tuple[int, str]:
    """Number and key of a new project that nothing limits."""
    connection = http.client.HTTPConnection("127.0.0.1", platform.port, timeout=60)
    headers = {"Authorization": f"Bearer {platform.token}", "Content-Type": "application/json"}
    body = {"slug": slug, "events_per_minute": 10_000_000}
    connection.request("POST", "/api/v1/error_projects", json.dumps(body), headers)
    answer = connection.getresponse()
    made = json.loads(answer.read())
    connection.close()
    assert answer.status == 201, made
    return int(made["number"]), str(made["keys"][0]["public_key"])


class Tellers:
    """COUNT processes. `sent` and `accepted` are ids of events, as they said."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self.sent: list[str] = []
        self.accepted: list[str] = []
        self._processes: list[subprocess.Popen[str]] = []
        self._readers: list[threading.Thread] = []

    def start(self) -> None:
        project, key = project_of(self._platform, "chaos")
        dsn = f"http://{key}@127.0.0.1:{self._platform.port}/{project}"
        environment = {**os.environ, "SENTRY_DSN": dsn}
        for _ in range(COUNT):
            process = subprocess.Popen(
                [sys.executable, str(PROGRAM)], env=environment, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            reader = threading.Thread(target=self._read, args=(process,))
            reader.start()
            self._processes.append(process)
            self._readers.append(reader)

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            what, event = line.split()
            (self.sent if what == "sent" else self.accepted).append(event)

    def are_heard(self, when: str) -> None:
        """More reports are accepted from now on than there are tellers. Nothing limits how many are: a client that is
        not answered waits for 15 seconds, and then tells the same again."""
        before = len(self.accepted)
        wait_for(
            lambda: len(self.accepted) > before + COUNT, timeout=120, what=f"reports are accepted {when}"
        )

    def stop(self) -> None:
        """They end with what they are at."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
        for process, reader in zip(self._processes, self._readers, strict=True):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
            process.kill()
            process.wait()
            reader.join(60)
            assert process.stdout is not None
            process.stdout.close()

    def look(self) -> None:
        """Everything accepted is there once, nothing is that was not sent, and counts are those of the events."""
        rows = self._platform.rows
        wait_for(lambda: rows(WAITING) == [(0,)], timeout=120, what="everything accepted is digested")
        wait_for(
            lambda: set(self.accepted) <= {str(row[0]) for row in rows(STORED)},
            timeout=120,
            what="everything accepted is stored",
        )
        stored = [str(row[0]) for row in rows(STORED)]
        assert len(stored) == len(set(stored)), "an event is there twice"
        assert set(stored) <= set(self.sent), "an event that nobody sent"
        assert rows(COUNTED) == [(len(stored), len(stored))], "counts are exact"


@contextlib.contextmanager
def telling(platform: Platform) -> Iterator[Tellers]:
    tellers = Tellers(platform)
    try:
        tellers.start()
        tellers.are_heard("at first")
        yield tellers
        tellers.are_heard("in the end")
    finally:
        tellers.stop()
