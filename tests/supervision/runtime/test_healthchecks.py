"""Health checks of real children by a real node: what is asked, what follows, and what delays nobody."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.support.database import TestStores
from tests.support.engine import Engine, child, python, tree
from tests.support.waiting import wait_for

QUICK = {"interval": "100ms", "timeout": "1s", "rise": 1, "fall": 2}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as started:
        yield started


def check(engine: Engine, key: str, name: str) -> dict[str, Any] | None:
    checks = engine.call("health", since=0)["checks"]
    return next((one for one in checks if (one["key"], one["name"]) == (key, name)), None)


def wait_state(engine: Engine, key: str, name: str, *states: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found = check(engine, key, name)
        return found if found is not None and found["state"] in states else None

    return wait_for(look, timeout=60, what=f"{name} of {key} is {states}: {check(engine, key, name)}")


def test_each_kind_is_asked_and_answers(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "def fine():\n    return 'all is well'\ndef bad():\n    raise ValueError('no stock')\n"
    )
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    beats = python(
        "import os, socket, time\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "while True: s.sendto(b'WATCHDOG=1', os.environ['NOTIFY_SOCKET']); time.sleep(0.1)"
    )
    health = [
        {"heartbeat": {"within": "20s"}, **QUICK},
        {"tcp": {"port": port}, **QUICK},
        {"exec": {"command": ["/bin/sh", "-c", "echo $GREETING"]}, **QUICK},
        {"python": {"call": "shop:fine"}, **QUICK},
        {"name": "stock", "python": {"call": "shop:bad"}, **QUICK},
        {"name": "nobody", "redis": {"port": 1}, **QUICK},
        {"name": "mute", "postgres": {"port": port}, **QUICK, "timeout": "200ms"},
    ]
    process = {"cwd": str(tmp_path), "environment": {"GREETING": "hello"}, "health": health}
    engine.apply(tree("kinds", child("a", beats, process=process)))
    for name, words in (
        ("heartbeat", "last heartbeat"),
        ("tcp", "accepts"),
        ("exec", "hello"),
        ("python", "all is well"),
    ):
        assert words in wait_state(engine, "kinds/a", name, "healthy")["detail"]
    assert "no stock" in wait_state(engine, "kinds/a", "stock", "unhealthy")["detail"]
    assert wait_state(engine, "kinds/a", "nobody", "unhealthy")["failures"] >= 2
    assert "no answer within" in wait_state(engine, "kinds/a", "mute", "unresponsive")["detail"]
    assert engine.child("kinds/a")["incarnation"] == 1  # on_unhealthy is none
    listening.close()


def test_real_stores_are_healthy_silent_while_they_stand_still_and_healthy_again(
    engine: Engine, stores: TestStores
) -> None:
    with redis.Redis.from_url(stores.redis_url) as client:
        path = client.connection_pool.connection_kwargs["path"]
        health = [
            {
                "postgres": {"socket": str(next(stores.directory.rglob(".s.PGSQL.5432")))},
                **QUICK,
                "timeout": "300ms",
            },
            {"redis": {"socket": path}, **QUICK, "timeout": "300ms"},
        ]
        engine.apply(tree("stores", child("a", process={"health": health})))
        assert wait_state(engine, "stores/a", "postgres", "healthy")["detail"] == "takes connections"
        assert wait_state(engine, "stores/a", "redis", "healthy")["detail"] == "answers"
        postmaster = int(next(stores.directory.rglob("postmaster.pid")).read_text().split()[0])
        os.kill(postmaster, signal.SIGSTOP)  # audit: ignore[SUP303] the session has it running
        try:
            client.execute_command("CLIENT", "PAUSE", "1500", "ALL")
            for name in ("postgres", "redis"):
                assert "no answer within" in wait_state(engine, "stores/a", name, "unresponsive")["detail"]
        finally:
            os.kill(postmaster, signal.SIGCONT)  # audit: ignore[SUP303] as above
        for name in ("postgres", "redis"):
            wait_state(engine, "stores/a", name, "healthy")


def test_fall_failures_are_one_restart_through_the_supervisor(engine: Engine, tmp_path: Path) -> None:
    sick = tmp_path / "sick"
    health = [
        {"exec": {"command": ["/bin/sh", "-c", f"test ! -e {sick}"]}, **QUICK, "on_unhealthy": "restart"}
    ]
    engine.apply(tree("once", child("a", process={"health": health}), child("b")))
    wait_state(engine, "once/a", "exec", "healthy")
    sick.touch()
    wait_for(lambda: engine.child("once/a")["incarnation"] == 2, timeout=60)
    sick.unlink()
    wait_state(engine, "once/a", "exec", "healthy")
    shown = engine.child("once/a")
    assert (shown["incarnation"], shown["restarts"], shown["last_exit"]["reason"]) == (2, 1, "unhealthy")
    assert engine.child("once")["window_used"] == 1
    assert engine.child("once/b")["incarnation"] == 1


def test_past_the_intensity_the_supervisor_gives_up_as_for_any_other_end(engine: Engine) -> None:
    health = [{"exec": {"command": ["/bin/false"]}, **QUICK, "fall": 1, "on_unhealthy": "restart"}]
    engine.apply(
        tree(
            "ill",
            child("a", process={"health": health}),
            intensity=1,
            period="1h",
            on_failure={"action": "stay_down"},
        )
    )
    wait_for(lambda: engine.child("ill")["state"] == "failed", timeout=60)
    assert engine.child("ill/a")["incarnation"] == 2
    assert check(engine, "ill/a", "exec") is None


def test_escalating_makes_the_supervisor_fail_and_the_one_above_counts_it(
    engine: Engine, tmp_path: Path
) -> None:
    sick = tmp_path / "sick"
    health = [
        {
            "exec": {"command": ["/bin/sh", "-c", f"! rm {sick}"]},
            **QUICK,
            "fall": 1,
            "on_unhealthy": "escalate",
        }
    ]
    children = [child("a", process={"health": health}), child("b")]
    group = {"id": "group", "supervisor": {"children": children}}
    engine.apply(tree("above", group, child("c")))
    wait_state(engine, "above/group/a", "exec", "healthy")
    sick.touch()
    wait_for(lambda: engine.child("above/group/b")["incarnation"] == 2, timeout=60)
    wait_for(lambda: engine.child("above/group/a")["incarnation"] == 2, timeout=60)
    assert engine.child("above/c")["incarnation"] == 1
    assert engine.child("above/group")["restarts"] == 1
    reports = [
        action[1:4]
        for record in engine.records("step")
        if record["tree"] == "above"
        for action in record["actions"]
        if action[0] == "report" and action[1] in ("escalated", "restart", "shutdown")
    ]
    assert reports == [["escalated", "above/group", "a"], ["restart", "above", "group"]]


def test_a_check_that_hangs_delays_no_other(engine: Engine) -> None:
    hanging = {"name": "hangs", "exec": {"command": ["/bin/sleep", "60"]}, **QUICK, "timeout": "1m"}
    quick = {"exec": {"command": ["/bin/true"]}, **QUICK}
    children = [child(f"h{n}", process={"health": [hanging]}) for n in range(20)]
    engine.apply(tree("slow", *children, child("a", process={"health": [quick]})))
    first = wait_state(engine, "slow/a", "exec", "healthy")
    again = wait_for(
        lambda: (one := check(engine, "slow/a", "exec")) and one["successes"] >= first["successes"] + 5,
        timeout=60,
    )
    assert again
    one = check(engine, "slow/h0", "hangs")
    assert one is not None
    assert (one["state"], one["failures"]) == ("unknown", 0)
    engine.call("delete", tree="slow")


def test_a_monitor_that_is_stopped_is_replaced_and_no_child_is_blamed(engine: Engine) -> None:
    health = [{"exec": {"command": ["/bin/true"]}, **QUICK, "fall": 1, "on_unhealthy": "restart"}]
    engine.apply(tree("watched", child("a", process={"health": health})))
    wait_state(engine, "watched/a", "exec", "healthy")
    helpers = engine.call("status")["helpers"]
    pid = next(one["pid"] for one in helpers if one["name"] == "checkers")
    os.kill(pid, signal.SIGSTOP)
    stopped = time.time()

    def again() -> bool:
        one = check(engine, "watched/a", "exec")
        return one is not None and one["checked_at"] is not None and one["checked_at"] > stopped + 1.5

    wait_for(again, timeout=60)
    new = next(one["pid"] for one in engine.call("status")["helpers"] if one["name"] == "checkers")
    assert new != pid
    shown = engine.child("watched/a")
    assert (shown["incarnation"], shown["state"]) == (1, "running")


def test_an_adopted_child_is_watched_again(engine: Engine) -> None:
    health = [{"exec": {"command": ["/bin/true"]}, **QUICK}]
    engine.apply(tree("kept", child("a", process={"health": health})))
    before = wait_state(engine, "kept/a", "exec", "healthy")
    pid = engine.child("kept/a")["pid"]
    os.kill(engine.call("status")["pid"], signal.SIGKILL)
    engine.wait_answer()
    after = wait_for(
        lambda: (
            (one := check(engine, "kept/a", "exec"))
            and one["checked_at"]
            and one["checked_at"] > before["checked_at"]
            and one
        ),
        timeout=60,
    )
    assert after["state"] == "healthy"
    assert engine.child("kept/a")["pid"] == pid


def test_stores_are_asked_in_their_own_words() -> None:
    import asyncio

    from supervision.runtime import probe_stores

    def serve(answer: bytes) -> int:
        listening = socket.create_server(("127.0.0.1", 0))

        def one() -> None:
            with listening, listening.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(answer)

        threading.Thread(target=one, daemon=True).start()
        return int(listening.getsockname()[1])

    def error(code: bytes) -> bytes:
        fields = b"SFATAL\0C" + code + b"\0Mno\0\0"
        return b"E" + (len(fields) + 4).to_bytes(4, "big") + fields

    for answer, ok in (
        (b"R\0\0\0\x08\0\0\0\x03", True),
        (error(b"28P01"), True),
        (error(b"57P03"), False),
        (error(b"53300"), False),
        (b"HTTP/1.1 400", False),
        (b"", False),
    ):
        assert asyncio.run(probe_stores.postgres({"port": serve(answer)}))[0] is ok, answer
    for answer, ok in (
        (b"+PONG\r\n", True),
        (b"-NOAUTH no\r\n", True),
        (b"-LOADING\r\n", False),
        (b"", False),
    ):
        assert asyncio.run(probe_stores.redis({"port": serve(answer)}))[0] is ok, answer
