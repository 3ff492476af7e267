"""`--upload`: one request with the whole report; the server's ratchet decides the exit status."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from supervision.audit import cli

TAKEN = {"number": 7, "verdict": "same", "passes": True, "new": 0, "gone": 0, "grown": {}}


class Server:
    """Answers every POST with `answer`, and keeps what came."""

    def __init__(self) -> None:
        self.status, self.answer = 201, dict(TAKEN)
        self.came: list[tuple[str, str, Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.came.append((self.path, self.headers["Authorization"], json.loads(body)))
                said = json.dumps(outer.answer).encode()
                self.send_response(outer.status)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the base's name
                pass

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/ops/"

    def stop(self) -> None:
        self.http.shutdown()
        self.thread.join(10)
        self.http.server_close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("OVERSTORY_TOKEN", "ovs_ci")
    found = Server()
    yield found
    found.stop()


@pytest.fixture
def code(tmp_path: Path) -> str:
    (tmp_path / "a.py").write_text("import threading\nthreading.Thread(target=print).start()\n")
    return str(tmp_path)


def test_the_whole_report_is_handed_in_with_source_lines(
    server: Server, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([code, "--upload", server.url, "--project", "shop", "--revision", "abc 1"]) == 0
    ((path, authorization, body),) = server.came
    assert path == "/ops/api/v1/audit_projects/shop/runs?revision=abc%201"
    assert authorization == "Bearer ovs_ci"
    assert body["summary"]["whole"] is True
    assert body["findings"][0]["context"]["lines"] == [
        "import threading",
        "threading.Thread(target=print).start()",
    ]
    assert "run 7 of shop: same" in capsys.readouterr().err


def test_more_than_before_fails_the_job_and_says_of_what(
    server: Server, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answer |= {"verdict": "more", "passes": False, "grown": {"SUP101": [1, 2]}}
    assert cli.main([code, "--upload", server.url, "--project", "shop"]) == 1
    assert "SUP101: 2 findings, 1 before" in capsys.readouterr().err


def test_a_report_that_is_not_taken_is_no_success(
    server: Server, code: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server.status, server.answer = 403, {"detail": "this needs the permission upload"}
    assert cli.main([code, "--upload", server.url, "--project", "shop"]) == 2
    assert "403 this needs the permission upload" in capsys.readouterr().err
    assert cli.main([code, "--upload", "http://127.0.0.1:9", "--project", "shop"]) == 2
    assert cli.main([code, "--upload", "ftp://x", "--project", "shop"]) == 2
    monkeypatch.delenv("OVERSTORY_TOKEN")
    assert cli.main([code, "--upload", server.url, "--project", "shop"]) == 2
    assert len(server.came) == 1


@pytest.mark.parametrize(
    "more", [[], ["--project", "p", "--level", "high"], ["--project", "p", "--select", "SUP1"]]
)
def test_a_report_that_would_leave_something_out_is_not_handed_in(
    server: Server, code: str, more: list[str]
) -> None:
    assert cli.main([code, "--upload", server.url, *more]) == 2
    assert not server.came
