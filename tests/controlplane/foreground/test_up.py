"""`manage.py up`, whole: real guardian, node, PostgreSQL, Redis and examples."""

import os
import re
import signal
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from controlplane.embedded.connections import Connections, redis_url
from controlplane.foreground.examples import load_examples
from supervision.runtime.client import ControlClient
from supervision.runtime.paths import Paths
from tests.support.foreground import FIRST, RUNNING, Up, up
from tests.support.given_stores import PASSWORD, given_stores
from tests.support.leftovers import processes_of
from tests.support.made_stores import bring_database
from tests.support.stores import short_directory
from tests.support.waiting import wait_for

pytestmark = pytest.mark.xdist_group("up")


@pytest.fixture
def instance() -> Iterator[Path]:
    """A data directory; `Up` brings a database with our tables into it, so that no test waits for one to be made."""
    with short_directory() as base:
        yield base / "a data dir"


def test_everything_starts_after_a_first_try_that_was_interrupted_and_a_second_start_finds_the_data() -> None:
    """Neither the Ctrl-C nor the SIGTERM that ends them leaves a process; a killed child returns, alone."""
    with short_directory() as base:
        data = base / "data"
        interrupt_while_the_database_is_made(data)
        start_everything(data)
        with up(data, "--no-examples") as started:
            assert "database found" in started.until("PostgreSQL")
            started.until(RUNNING)
            left = {tree.name: tree.message for tree in started.observed().trees}
            assert set(left) == {"system", "trouble"}, "what was applied by hand stays, the other examples go"
            assert left["trouble"] == "mine"
            assert_kept(data)
            for key in ("system/postgres", "system/redis", "system/web@1"):
                kill_and_see_it_return(started, key)
            assert_kept(data)
            started.stop(signal.SIGTERM)


def keep_something(data: Path) -> None:
    """In each store."""
    paths = Paths(data)
    url = Connections.from_environment(paths, {}).database_url
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1")
    with redis.Redis.from_url(redis_url(paths.runtime_dir / "redis.sock", db=0)) as client:
        client.set("kept", 1)


def assert_kept(data: Path) -> None:
    """What `keep_something` left is there."""
    paths = Paths(data)
    with psycopg.connect(Connections.from_environment(paths, {}).database_url) as connection:
        assert connection.execute("SELECT * FROM kept").fetchall() == [(1,)]
    with redis.Redis.from_url(redis_url(paths.runtime_dir / "redis.sock", db=0)) as client:
        assert client.get("kept") == b"1"


def interrupt_while_the_database_is_made(data: Path) -> None:
    """It leaves nothing half done."""
    with up(data, "--no-examples", FIRST) as started:
        wait_for(lambda: (data / "postgres.new/base").exists(), timeout=60)
        started.stop()
    assert not (data / "postgres").exists()


def start_everything(data: Path) -> None:
    with up(data, FIRST) as started:
        started.until(RUNNING)
        observed = started.observed()
        assert {tree.name for tree in observed.trees} == {
            "system",
            "agents",
            "celery",
            "jobs",
            "site",
            "trouble",
        }
        settled = {child.key: child.state for child in observed.processes()}
        restless = {"trouble/crasher", "system/migrate"}
        assert {key for key, state in settled.items() if state != "running"} <= restless, settled
        port = re.search(r"http://127\.0\.0\.1:(\d+)/livez", started.output)
        assert port is not None
        with urllib.request.urlopen(port.group(), timeout=10) as reply:
            assert reply.read() == b"ok\n"
        assert data.stat().st_mode & 0o777 == 0o700
        with ControlClient(Paths(data).control_socket) as client:
            for example in load_examples():
                if f"example {example.name}: port" in started.output:
                    continue  # somebody else on this machine has the port that its file names
                plan = client.call("plan", spec=example.document)
                assert plan["changes"] == 0, f"{example.name} runs as its file says: {plan}"
            document = client.call("spec", tree="trouble")["document"]
            document["supervisor"]["children"] = document["supervisor"]["children"][-1:]
            client.call("apply", spec=document, message="mine")
        keep_something(data)
        started.stop()
        assert "no process left" in started.output


SECRETS = (PASSWORD.encode(), b"k" * 50)


def kill_and_see_it_return(started: Up, key: str) -> None:
    before = {child.key: child for child in started.observed().processes()}
    pid = before[key].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    def returned() -> bool:
        child = {child.key: child for child in started.observed().processes()}[key]
        last = child.last_exit
        return (
            child.state == "running" and child.pid != pid and last is not None and last.reason == "signal(9)"
        )

    wait_for(returned, timeout=60, what=f"{key} is back; {started.log}")
    now = {child.key: child.pid for child in started.observed().processes()}
    assert all(now[other] == child.pid for other, child in before.items() if other != key), (
        "only it was restarted"
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_asked_to_stop_after_any_line_it_leaves_no_process(instance: Path, number: signal.Signals) -> None:
    """From the very first line until it says that it runs."""
    lines = {signal.SIGINT: (0, 4), signal.SIGTERM: (2, 5), signal.SIGHUP: (1, 3)}[number]
    stop_after(instance, number, lines)


@pytest.mark.soak
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_asked_to_stop_after_each_of_its_lines(instance: Path, number: signal.Signals) -> None:
    stop_after(instance, number, range(14))


def stop_after(instance: Path, number: signal.Signals, lines: Iterable[int]) -> None:
    for count in lines:
        with up(instance, "--no-examples") as started:
            for _ in range(count):
                started.next_line()
            started.process.send_signal(number)
            while started.next_line() is not None:
                pass
            # before the first line there may be no handler yet: then the signal itself ends it, or Python's own start fails
            assert started.process.wait(60) in ((0, 1, -number) if count == 0 else (0,)), started.output
            assert not processes_of(str(instance)), started.output


def guardian_is_killed(started: Up) -> None:
    """Everything stops, and it says so."""
    guardian = started.observed().node.guardian_pid
    assert guardian is not None
    os.kill(guardian, signal.SIGKILL)
    started.ends(1)
    assert "the guardian ended (SIGKILL)" in started.output


def guardian_and_node_are_killed(started: Up) -> None:
    """Nothing stays either."""
    node = started.observed().node
    assert node.guardian_pid is not None
    os.kill(node.guardian_pid, signal.SIGSTOP)  # so that it does not replace the node in between
    os.kill(node.pid, signal.SIGKILL)
    os.kill(node.guardian_pid, signal.SIGKILL)
    started.ends(1)


def test_two_instances_run_side_by_side_and_neither_outlives_its_guardian(instance: Path) -> None:
    with short_directory() as base, up(instance, "--no-examples") as first:
        first.until(RUNNING)
        other = base / "data"
        bring_database(other)
        with up(base / "unused", "--no-examples", "--data-dir", str(other)) as second:
            second.data_dir = other
            second.until(RUNNING)
            urls = [re.search(r"http://127\.0\.0\.1:\d+/livez", each.output) for each in (first, second)]
            assert all(urls)
            assert len({url.group() for url in urls if url}) == 2
            assert not (base / "unused").exists()
            guardian_is_killed(second)
        assert "running" in {child.state for child in first.observed().processes()}, (
            "it is none of its concern"
        )
        guardian_and_node_are_killed(first)


def test_stores_that_are_given_are_not_started_and_their_passwords_appear_nowhere(instance: Path) -> None:
    with (
        short_directory() as base,
        given_stores(base) as given,
        up(instance, SECRET_KEY="k" * 50, **given.environment()) as started,
    ):
        started.until(RUNNING)
        children = {child.key: child for child in started.observed().processes()}
        assert children.keys() >= {"system/migrate", "system/web@1", "system/worker", "site/greeter"}
        assert not children.keys() & {"system/postgres", "system/redis"}
        for key, child in children.items():
            if child.pid is not None:
                seen = Path(f"/proc/{child.pid}/environ").read_bytes()
                assert not any(secret in seen for secret in SECRETS), f"{key} holds a secret of ours"
        assert "running" in {children["system/web@1"].state, children["system/web@2"].state}
        assert children["system/worker"].state == "running", "it reads its address from a file"
        assert "example jobs: left out" in started.output
        assert "example celery: left out" in started.output
        started.stop()
    for directory in ("journal", "desired", "logs"):
        for path in (instance / directory).rglob("*"):
            assert path.is_dir() or not any(secret in path.read_bytes() for secret in SECRETS), path
    for secret in SECRETS:
        assert secret.decode() not in started.output + started.log


def test_a_port_that_is_no_number_is_refused(instance: Path) -> None:
    with up(instance, OVERSTORY_PORT="eighty") as started:
        started.until("OVERSTORY_PORT is 'eighty'")
        started.ends(1)


def test_a_second_one_is_refused_and_children_that_outlived_the_first_are_adopted_by_the_next_start(
    instance: Path,
) -> None:
    with up(instance, "--no-examples") as first:
        first.until(RUNNING)
        is_refused_beside(first)
        observed = first.observed()
        node = observed.node
        assert node.guardian_pid is not None
        for pid in (first.process.pid, node.guardian_pid):
            os.kill(pid, signal.SIGSTOP)  # none may act on the death of another
        for pid in (node.pid, node.guardian_pid, first.process.pid):
            os.kill(pid, signal.SIGKILL)
        first.process.wait()
        first.is_second = True
        with up(instance, "--no-examples") as second:
            second.until(RUNNING)
            before = {child.key: child.pid for child in observed.processes()}
            assert {child.key: child.pid for child in second.observed().processes()} == before
            is_killed(second)


def is_refused_beside(first: Up) -> None:
    """And the first runs on."""
    with up(first.data_dir, "--no-examples") as second:
        second.is_second = True
        line = second.until("already runs here")
        assert f"pid {first.process.pid}" in line
        assert second.process.wait(60) == 1
    assert first.process.poll() is None


def is_killed(started: Up) -> None:
    """The guardian stops everything, those that it adopted too."""
    started.process.kill()
    started.process.wait()
    wait_for(
        lambda: not processes_of(str(started.data_dir)), timeout=60, what=f"nothing is left; {started.log}"
    )
