"""The platform as a whole: restarts that nobody notices, an upgrade, supervisorctl, an alert that arrives, a proxy."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import psycopg

from controlplane.embedded.connections import Connections
from controlplane.operations.checks import FRESH_S
from controlplane.serving.database import GRACE_S, MOST, WAIT_S
from supervision.runtime.paths import Paths
from tests.acceptance.platform.instance import Platform
from tests.support.foreground import ROOT
from tests.support.http_sink import http_sink
from tests.support.memory_programs import supervisorctl
from tests.support.waiting import wait_for
from tests.support.writers import Writers

WEB_CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'overstory web'"


def test_up_shows_a_link_that_logs_in(platform: Platform) -> None:
    assert re.search(r"http://127\.0\.0\.1:\d+/login/link/\S{20,}", platform.started.output)


def test_requests_wait_while_the_web_restarts_and_none_fails(platform: Platform) -> None:
    statuses: list[int] = []
    faults: list[str] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", platform.port, timeout=60)
            try:
                connection.request("GET", "/livez")
                statuses.append(connection.getresponse().status)
            except (OSError, http.client.HTTPException) as error:
                faults.append(repr(error))
            finally:
                connection.close()

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for key in ("system/web@1", "system/web@2"):
            before = platform.pids()[key]
            platform.control("restart", key=key)
            wait_for(lambda key=key, before=before: platform.pids()[key] not in (None, before), timeout=60)  # type: ignore[misc]
        seen = len(statuses)
        wait_for(lambda: len(statuses) > seen + 20, timeout=60, what="answers after the restarts")
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert not faults
    assert set(statuses) == {200}


def test_three_hundred_requests_at_once_are_all_answered_over_a_few_connections(platform: Platform) -> None:
    url = Connections.from_environment(Paths(platform.data), {}).database_url
    gate, most = threading.Barrier(300), 0

    def ask(_number: int) -> int:
        gate.wait(60)
        return platform.ask("GET", "/api/v1/trees")[0]

    with ThreadPoolExecutor(300) as pool, psycopg.connect(url, autocommit=True) as looking:
        answers = [pool.submit(ask, number) for number in range(300)]
        while not all(answer.done() for answer in answers):
            row = looking.execute(WEB_CONNECTIONS).fetchone()
            assert row is not None
            most = max(most, int(row[0]))
            wait(answers, timeout=0.05)
    assert {answer.result() for answer in answers} == {200}
    assert 0 < most <= 2 * MOST, "two processes, each with its few"


def test_a_killed_web_process_refuses_no_connection(platform: Platform) -> None:
    pids = platform.pids()
    for key in ("system/web@1", "system/web@2"):
        pid = pids[key]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    assert platform.ask("GET", "/api/v1/me")[0] == 200, "it waited until one of them was back"


def test_while_the_database_is_away_every_request_is_told_so_at_once_and_its_return_is_noticed(
    platform: Platform,
) -> None:
    def ask(_number: int = 0) -> int:
        # Nobody waits for a connection, which would take WAIT_S: one that hangs is a TimeoutError here.
        return Writers(platform.port, platform.token, count=0).ask(
            "GET", "/api/v1/trees", timeout_s=WAIT_S / 2
        )[0]

    platform.control("hold", key="system/postgres")
    pid = platform.pids()["system/postgres"]
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    try:
        time.sleep(GRACE_S + FRESH_S)  # who comes sooner waits for a server that may only restart
        wait_for(lambda: platform.ask("GET", "/api/v1/trees")[0] == 503, timeout=60, what="it is missed")
        with ThreadPoolExecutor(20) as pool:
            assert set(pool.map(ask, range(60))) == {503}
    finally:
        platform.control("release", key="system/postgres")
    seen: list[int] = []
    wait_for(lambda: seen.append(ask()) or seen[-1] == 200, timeout=60, what="it is back")  # type: ignore[func-returns-value]
    assert set(seen) <= {200, 503}


def test_who_waits_for_a_database_that_was_stopped_is_told_so_and_its_return_is_noticed(
    platform: Platform,
) -> None:
    def ask(_number: int = 0) -> int:
        return Writers(platform.port, platform.token, count=0).ask("GET", "/api/v1/trees", timeout_s=60)[0]

    wait_for(lambda: ask() == 200, timeout=60)
    postmaster = psutil.Process(platform.pids()["system/postgres"])
    stopped = [postmaster, *postmaster.children(recursive=True)]
    with ThreadPoolExecutor(20) as pool:
        under_way = [pool.submit(ask, number) for number in range(20)]
        try:
            for process in stopped:
                with contextlib.suppress(psutil.NoSuchProcess):  # a backend whose client has just left
                    process.suspend()
            answers = {one.result() for one in [*under_way, *(pool.submit(ask) for _ in range(20))]}
        finally:
            for process in stopped:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()
    assert 503 in answers
    assert answers <= {200, 503}
    wait_for(lambda: ask() == 200, timeout=60, what="it is back")


def test_an_upgrade_touches_no_child(platform: Platform) -> None:
    wait_for(lambda: None not in [platform.pids()[f"system/web@{n}"] for n in (1, 2)], timeout=60)
    before = platform.pids()
    node = platform.started.observed().node
    platform.manage("reexec")
    wait_for(lambda: platform.control("status")["pid"] == node.pid, timeout=60)
    platform.manage("system")
    after = platform.pids()
    assert {key: pid for key, pid in after.items() if key.startswith("shop/")} == {
        key: pid for key, pid in before.items() if key.startswith("shop/")
    }
    stores = ("system/postgres", "system/redis")
    assert [after[key] for key in stores] == [before[key] for key in stores]


def test_supervisorctl_sees_acts_and_reads_logs(platform: Platform) -> None:
    code, text = platform.ctl("status", "shop:*")
    assert code == 0, text
    assert "shop:api" in text
    assert platform.ctl("stop", "shop:job") == (0, "shop:job: stopped\n")
    assert platform.ctl("start", "shop:job") == (0, "shop:job: started\n")
    assert platform.ctl("restart", "shop:job")[1] == "shop:job: stopped\nshop:job: started\n"
    assert platform.ctl("signal", "USR1", "nobody")[0] != 0
    assert platform.ctl("tail", "shop:api") == (0, "hello\n\n")
    assert "oops" in platform.ctl("tail", "shop:api", "stderr")[1]
    assert platform.ctl("clear", "shop:api")[1] == "shop:api: cleared\n"
    assert platform.ctl("tail", "shop:api")[1].strip() == ""
    assert platform.ctl("pid")[1].strip() == str(platform.started.observed().node.guardian_pid)
    assert "guardian" in platform.ctl("maintail", "-4000")[1]
    assert "authentication" in platform.ctl("status", password="ovs_wrong")[1]
    status, audit = platform.ask("GET", "/api/v1/audit?limit=50")
    assert status == 200
    assert {"child.stop", "child.start"} <= {entry["action"] for entry in audit["items"]}


def test_supervisorctl_over_the_unix_socket_and_following_a_log(platform: Platform, tmp_path: Path) -> None:
    socket = Paths(platform.data).runtime_dir / "web.sock"
    assert socket.stat().st_mode & 0o777 == 0o600
    code, text = supervisorctl(
        f"unix://{socket}", "status", "shop:api", user="chaos", password=platform.token
    )
    assert (code, "RUNNING" in text) == (0, True)
    written = tmp_path / "followed"
    with written.open("wb") as file:
        follower = subprocess.Popen(
            [sys.executable, "-u", "-m", "supervisor.supervisorctl", "-s", platform.url, "-u", "chaos", "-p",
             platform.token, "tail", "-f", "shop:api", "stderr"],
            stdout=file, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        wait_for(
            lambda: written.read_bytes().count(b"oops") > 3, timeout=60, what="what is written is followed"
        )
    finally:
        follower.kill()
        follower.wait()


def test_a_supervisor_that_gives_up_reaches_the_webhook(platform: Platform) -> None:
    with http_sink() as sink:
        body = {
            "name": "hook",
            "kind": "webhook",
            "target": f"{sink.url}/in",
            "kinds": ["supervisor_gave_up"],
        }
        status, _ = platform.ask("POST", "/api/v1/channels", body)
        assert status == 201
        crash = {
            "version": 1,
            "tree": "crash",
            "on_failure": {"action": "stay_down"},
            "supervisor": {"children": [{"id": "bad", "process": {"command": ["false"]}}]},
        }
        platform.control("apply", spec=crash, message="")
        wait_for(lambda: sink.received, timeout=90, what="the alert arrives")
        told = json.loads(sink.received[0].body)
        assert told["event"] == "alert.raised"
        assert told["alert"]["kind"] == "supervisor_gave_up"
        assert told["alert"]["tree"] == "crash"
        assert sink.received[0].headers["Overstory-Signature"].startswith("t=")
        status, listed = platform.ask("GET", "/api/v1/alerts?state=open&tree=crash")
        assert (status, len(listed["items"]), listed["items"][0]["count"]) == (200, 1, 1), "once"


def test_metrics_are_served_to_a_token(platform: Platform) -> None:
    status, text = platform.ask("GET", "/metrics")
    assert status == 200
    assert b'overstory_children{node="' in text
    assert b"overstory_leader" in text


def test_code_is_audited_by_the_schedule_and_by_a_ci_job(platform: Platform, tmp_path: Path) -> None:
    """The worker scans the path; a job with a token that may do nothing else hands its report in, and fails for more."""
    dropped = "import threading\ndef go(f):\n    threading.Thread(target=f).start()\n"
    (tmp_path / "a.py").write_text(dropped)
    where = "/api/v1/audit_projects"
    body = {"name": "shop", "tree": "shop", "path": str(tmp_path), "every_s": 3600}
    assert platform.ask("POST", where, body)[0] == 201
    ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    status, made = platform.ask(
        "POST", "/api/v1/tokens", {"name": "ci", "scopes": ["upload"], "expires_at": ends}
    )
    assert status == 201
    first = wait_for(
        lambda: platform.ask("GET", f"{where}/shop/runs")[1]["items"], timeout=150, what="the scheduled scan"
    )[0]
    assert (first["source"], first["total"], first["verdict"]) == ("scan", 1, "first")

    def job() -> tuple[int, str]:
        command = [sys.executable, "-m", "supervision.audit", str(tmp_path), "--upload", platform.url]
        done = subprocess.run(
            [*command, "--project", "shop", "--revision", "abc"],
            cwd=ROOT,
            env={**os.environ, "OVERSTORY_TOKEN": made["token"]},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode, done.stderr

    assert job()[0] == 0
    (tmp_path / "b.py").write_text(dropped)
    status, said = job()
    assert (status, "SUP101: 2 findings, 1 before" in said) == (1, True), said
    (tmp_path / "a.py").unlink()
    (tmp_path / "b.py").unlink()
    (tmp_path / "c.py").write_text("def go(f):\n    f()\n")
    assert job()[0] == 0
    closed = platform.ask("GET", "/api/v1/audit_findings?filter=project:shop")[1]["items"]
    assert {(item["state"], item["closed_by"]) for item in closed} == {("closed", "run 4")}
    reader = Writers(platform.port, made["token"], count=0)
    assert reader.ask("GET", "/api/v1/trees/shop")[0] == 404, "the job's token reads nothing"
    coverage = platform.ask("GET", f"{where}/shop/supervision_coverage")[1]
    assert coverage["declared"] == 2
