"""Programs and their gateway on a real node: whose a connection is, what arrives whatever is killed, what is pushed."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime.journal_reader import read
from supervision.runtime.paths import SAMPLER_SOCKET
from tests.support.engine import Engine, child, tree
from tests.support.talker import SDK, Talker, talker_argv
from tests.support.waiting import wait_for


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as started:
        path = started.data_dir / "talker"
        started.apply(
            tree("t", child("a", talker_argv(path)), child("b"), child("c"), intensity=1000, period=1)
        )
        Talker(path).wait()
        yield started


@pytest.fixture
def talker(engine: Engine) -> Talker:
    return Talker(engine.data_dir / "talker")


def helper(engine: Engine, name: str) -> int:

    def pid() -> int | None:
        return next((each["pid"] for each in engine.call("status")["helpers"] if each["name"] == name), None)

    return int(wait_for(pid, timeout=10))


def told(engine: Engine, kind: str) -> list[Any]:
    """Bodies of the events in the spool, as a courier would find them."""
    records = read(engine.paths.spool_dir)
    return [record["body"] for record in records if record["k"] == "event" and record["what"] == kind]


def say_hello(engine: Engine) -> dict[str, Any]:
    """What this process, which is nobody's child, is answered."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(engine.paths.agent_socket))
        sock.sendall(
            b'{"op":"hello","v":1,"stream":"0123456789abcdef"}\n{"op":"event","n":1,"kind":"no.no"}\n'
        )
        answer: dict[str, Any] = json.loads(sock.makefile("rb").readline())
        return answer


def test_a_process_that_is_no_childs_is_refused_whatever_it_says(engine: Engine) -> None:
    assert say_hello(engine)["code"] == "not_a_child"
    assert told(engine, "no.no") == []


def test_a_child_and_what_descends_from_it_speak_in_its_name(engine: Engine, talker: Talker) -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(SDK)!r}); from overstory import channel; c = channel.default();"
        "c.event('descendant.said', {'n': 1}); print(c.flush(10))"
    )
    argv = [sys.executable, "-I", "-S", "-c", program]
    said = talker.ask(f"__import__('subprocess').run({argv!r}, capture_output=True, text=True).stdout")
    assert said == "True\n"
    records = [record for record in read(engine.paths.spool_dir) if record.get("what") == "descendant.said"]
    assert [(record["key"], record["incarnation"]) for record in records] == [("t/a", 1)]
    assert records[0]["pid"] != talker.ask("os.getpid()")


def test_an_end_is_pushed_with_all_that_descended_gone_and_a_position(engine: Engine, talker: Talker) -> None:
    assert talker.ask("hear('ended')")
    wait_for(lambda: talker.ask("pushes"), timeout=10)
    before = engine.child("t/b")
    node = engine.node_id()
    os.kill(before["pid"], signal.SIGKILL)
    wanted = ["ended", False, {"node": node, "key": "t/b", "incarnation": before["incarnation"]}]
    wait_for(lambda: wanted in talker.ask("pushes"), timeout=10)
    lives = [
        (node, "t/b", before["incarnation"]),
        (node, "t/b", before["incarnation"] + 1),
        (node, "t/x", 1),
        ("m", "t/b", 1),
    ]
    assert talker.ask(f"channel.lives({lives!r})") == ["ended", "running", "unknown", "unknown"]


def has_other_node(engine: Engine, old: int) -> bool:
    """A killed guardian's node goes on as the guardian, with another node below it."""
    return bool(engine.wait_answer()["pid"] != old)


def test_events_arrive_once_and_in_order_whoever_is_killed(engine: Engine, talker: Talker) -> None:
    sent = 0

    def say(count: int = 200) -> None:
        nonlocal sent
        talker.ask(
            f"[channel.event('storm.said', {{'n': n}}) for n in range({sent}, {sent + count})] and None"
        )
        sent += count

    for victim in ("gateway", "gateway", "rotator", "node", "gateway", "guardian", "gateway"):
        say()
        if victim in ("node", "guardian"):
            old = engine.node_pid()
            os.kill(old if victim == "node" else engine.guardian_pid() or 0, signal.SIGKILL)
            wait_for(partial(has_other_node, engine, old), timeout=30)
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(helper(engine, victim), signal.SIGKILL)
        say()
    say()
    assert talker.ask("channel.flush(30)", timeout_s=40)
    assert [body["n"] for body in told(engine, "storm.said")] == list(range(sent))


def test_a_gateway_that_stands_still_is_replaced_and_nothing_is_lost(engine: Engine, talker: Talker) -> None:
    pid = helper(engine, "gateway")
    os.kill(pid, signal.SIGSTOP)
    assert talker.ask("channel.event('still.said', {'n': 1})")
    assert talker.ask("channel.flush(20)", timeout_s=30)
    assert helper(engine, "gateway") != pid
    assert told(engine, "still.said") == [{"n": 1}]


def test_after_a_gateway_died_subscribers_are_told_to_look_and_hear_again(
    engine: Engine, talker: Talker
) -> None:
    talker.ask("hear('ended')")
    os.kill(helper(engine, "gateway"), signal.SIGKILL)
    talker.ask("pushes.clear()")
    wait_for(lambda: ["ended", True, {}] in talker.ask("pushes"), timeout=10)
    before = engine.child("t/c")
    os.kill(before["pid"], signal.SIGKILL)
    wanted = ["ended", False, {"node": engine.node_id(), "key": "t/c", "incarnation": before["incarnation"]}]
    wait_for(lambda: wanted in talker.ask("pushes"), timeout=10)


def test_a_question_without_a_store_fails_by_name_at_once(engine: Engine, talker: Talker) -> None:
    with pytest.raises(AssertionError, match="no courier runs here"):
        talker.ask("channel.ask('program.self')")


def test_gauges_reach_the_samples_and_outlive_sampler_and_gateway(engine: Engine, talker: Talker) -> None:
    def sampled() -> dict[str, float] | None:
        with contextlib.suppress(OSError, ValueError), socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(5)
            sock.connect(str(engine.paths.runtime_dir / SAMPLER_SOCKET))
            sock.sendall(b'{"op":"follow"}\n')
            frame = json.loads(sock.makefile("rb").readline())
            return dict(zip(frame["key"], frame["gauges"], strict=True)).get("t/a")
        return None

    talker.ask("channel.gauges({'queue_length': 12, 'rate': 0.5})")
    wait_for(lambda: sampled() == {"queue_length": 12.0, "rate": 0.5}, timeout=15)
    os.kill(helper(engine, "sampler"), signal.SIGKILL)
    wait_for(lambda: sampled() == {"queue_length": 12.0, "rate": 0.5}, timeout=15)
    talker.ask("channel.gauges({'queue_length': 13})")
    wait_for(lambda: sampled() == {"queue_length": 13.0, "rate": 0.5}, timeout=15)


def test_counters_reach_the_samples_never_go_back_and_begin_anew_with_each_life(
    engine: Engine, talker: Talker
) -> None:
    def sampled() -> dict[str, float]:
        with contextlib.suppress(OSError, ValueError), socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(5)
            sock.connect(str(engine.paths.runtime_dir / SAMPLER_SOCKET))
            sock.sendall(b'{"op":"follow"}\n')
            frame = json.loads(sock.makefile("rb").readline())
            found = dict(zip(frame["key"], frame["gauges"], strict=True)).get("t/a") or {}
            return {name: value for name, value in found.items() if name in ("orders", "late")}
        return {}

    for _ in range(5):
        talker.ask("channel.count({'orders': 2})")
    wait_for(lambda: sampled() == {"orders": 10}, timeout=15)
    other = (
        "import sys; sys.path.insert(0, sys.argv[1]); from overstory import channel; "
        "channel.default().count({'orders': 5})"  # it ends at once, and what it counted stays
    )
    argv = [sys.executable, "-I", "-S", "-c", other, str(SDK)]
    assert talker.ask(f"__import__('subprocess').run({argv!r}).returncode") == 0
    wait_for(lambda: sampled() == {"orders": 15}, timeout=15)
    os.kill(helper(engine, "gateway"), signal.SIGKILL)
    talker.ask("channel.count({'late': 1})")
    wait_for(lambda: sampled() == {"orders": 15, "late": 1}, timeout=15)
    os.kill(helper(engine, "sampler"), signal.SIGKILL)
    talker.ask("channel.count({'late': 1})")
    wait_for(lambda: sampled().get("late") == 2, timeout=15)
    with pytest.raises(AssertionError, match="never goes back"):
        talker.ask("channel.count({'orders': -1})")
    before = engine.child("t/a")
    os.kill(before["pid"], signal.SIGKILL)
    engine.wait_incarnation("t/a", before["incarnation"])
    talker.wait()
    talker.ask("channel.count({'orders': 1})")
    wait_for(lambda: sampled() == {"orders": 1}, timeout=15)


def test_hostile_bytes_close_a_connection_and_nothing_else(engine: Engine, talker: Talker) -> None:
    hostile = [
        b"nonsense\n", b'{"op":"event","n":1,"kind":"x"}\n', b'{"op":"hello"}\n', b"\x00" * 4096 + b"\n",
        b'{"op":"hello","v":1,"stream":"../../etc"}\n', b"x" * 100_000,
    ]  # fmt: skip
    pid = helper(engine, "gateway")
    code = (
        "import socket, os\n"
        f"for data in {hostile!r}:\n"
        "    with socket.socket(socket.AF_UNIX) as sock:\n"
        "        sock.connect(os.environ['OVERSTORY_SOCKET'])\n"
        "        try:\n"
        "            sock.sendall(data); sock.settimeout(0.5); sock.recv(4096)\n"
        "        except OSError: pass\n"
    )
    done = talker.ask(
        f"__import__('subprocess').run({[sys.executable, '-I', '-S', '-c', code]!r}).returncode"
    )
    assert done == 0
    assert talker.ask("channel.event('after.said', {}) and channel.flush(5)")
    assert helper(engine, "gateway") == pid


def test_a_corrupt_checkpoint_gives_way_to_the_one_before_and_an_event_says_so(
    engine: Engine, talker: Talker
) -> None:
    first = talker.ask("checkpoints.save(channel, {'a': 1})")
    second = talker.ask("checkpoints.save(channel, {'a': 2})")
    newest = next((engine.paths.checkpoints_dir / "t/a").glob(f"{second:012d}-*.checkpoint"))
    newest.write_bytes(newest.read_bytes()[:-1])
    assert talker.ask("checkpoints.restore(channel).state") == {"a": 1}
    [said] = told(engine, "checkpoint.corrupt")
    assert (said["version"], said["fallback"]) == (second, first)
    assert talker.ask("checkpoints.save(channel, {'a': 3})") == second + 1


def test_a_state_of_an_older_schema_is_migrated_and_a_newer_one_refused(
    engine: Engine, talker: Talker
) -> None:
    talker.ask("checkpoints.save(channel, {'a': 1}, schema=2)")
    assert talker.ask("checkpoints.restore(channel, schema=3, migrate=lambda s, n: [s, n]).state") == [
        {"a": 1},
        2,
    ]
    with pytest.raises(AssertionError, match="SchemaTooNew"):
        talker.ask("checkpoints.restore(channel, schema=1)")


def test_a_child_that_is_removed_leaves_no_checkpoint_behind(engine: Engine, talker: Talker) -> None:
    version = talker.ask("checkpoints.save(channel, {'a': 1})")
    kept = engine.paths.checkpoints_dir / "t/a"
    assert list(kept.glob("*.checkpoint"))
    engine.apply(tree("t", child("b")))
    wait_for(lambda: not Path(kept).exists(), timeout=15)
    assert told(engine, "checkpoint.saved")[-1]["version"] == version, "it was carried before it went"


def test_nothing_of_ours_is_left_open_in_a_child(engine: Engine) -> None:
    pid = engine.child("t/b")["pid"]
    open_files = subprocess.run(
        ["ls", "-l", f"/proc/{pid}/fd"], capture_output=True, text=True, check=True
    ).stdout
    assert "socket:" not in open_files
