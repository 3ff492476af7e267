"""Real templates: what a forked agent is and has, what cannot be forked, and what the death of each part means."""

import ast
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime import agentdoc
from supervision.runtime.exits import observe
from supervision.runtime.exits_file import ExitsFile
from supervision.runtime.identity import read_stat
from supervision.runtime.processes import all_pids, read_mark
from supervision.runtime.template_order import Forked, kill
from tests.supervision.runtime.forking import Answer, Yard, end, order_for
from tests.supervision.runtime.spawning import await_readable

LOOK = """
(__import__("json").dumps({
    "session": os.getsid(0) == os.getpgid(0) == os.getpid(),
    "open": [os.readlink(f"/proc/self/fd/{fd}") for fd in sorted(os.listdir("/proc/self/fd"))
             if os.path.lexists(f"/proc/self/fd/{fd}")],
    "environment": dict(os.environ),
    "cwd": os.getcwd(),
    "umask": os.umask(0),
    "nofile": __import__("resource").getrlimit(__import__("resource").RLIMIT_NOFILE),
    "core": __import__("resource").getrlimit(__import__("resource").RLIMIT_CORE),
    "nice": os.getpriority(os.PRIO_PROCESS, 0),
    "random": __import__("random").random(),
    "key": __import__("multiprocessing").current_process().authkey.hex(),
    "default": [int(n) for n in __import__("signal").valid_signals()
                if __import__("signal").getsignal(n) not in (0, None)],
    "masked": [int(n) for n in __import__("signal").pthread_sigmask(0, ())],
    "gc": __import__("gc").isenabled(),
    "argv": sys.argv,
}))
"""
UNTIDY = """
import multiprocessing, os, random, signal
os.umask(0o777)
os.chdir("/")
signal.signal(signal.SIGTERM, lambda *_: None)
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
random.seed(1)
"""


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    made = Yard(tmp_path, {"untidy": UNTIDY})
    yield made
    made.close()


def speak(yard: Yard, code: str, name: str = "t/a", *modules: str, **more: Any) -> Answer:
    """An order for an agent that prints what `code` is."""
    told = {"OVERSTORY_AGENT_ARGUMENTS": json.dumps({"code": code.strip()})}
    own = {**told, **more.pop("own", {})}
    return order_for(yard.directory, yard.key(*modules), name, entry_point="shop:Speaks", own=own, **more)


def said(yard: Yard, answer: Answer) -> str:
    """What the agent printed, once it has ended."""
    yard.until(lambda: answer.is_there)
    process = answer.process
    await_readable(process.pidfd)
    end(process)
    assert not Path(answer.order.plan.stderr).read_text()
    return Path(answer.order.plan.stdout).read_text().strip()


def start(yard: Yard, *answers: Answer) -> None:
    for answer in answers:
        yard.templates.start(answer.order)
    yard.until(lambda: all(answer.is_there for answer in answers))


def exec_and_look(directory: Path) -> dict[str, Any]:
    """What the same agent sees when it is a program of its own."""
    told = {"OVERSTORY_AGENT_ARGUMENTS": json.dumps({"code": LOOK.strip()}), "OVERSTORY_SOCKET": "/run/x"}
    command = [sys.executable, agentdoc.RUN, "shop:Speaks"]
    done = subprocess.run(command, cwd=directory, env=told, capture_output=True, text=True, check=True)
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@pytest.mark.parametrize("spares", [0, 1])
def test_a_forked_agent_begins_like_a_program_of_its_own(yard: Yard, spares: int) -> None:
    if spares:
        first = order_for(yard.directory, yard.key("untidy", "shop"), "t/first", spares=1)
        start(yard, first)
        yard.wait_spares(1)
        end(first.process)
    answer = speak(
        yard,
        LOOK,
        "t/agent-with-a-long-name",
        "untidy",
        "shop",
        umask=0o27,
        soft_limits={resource.RLIMIT_CORE: 0},
        own={"OVERSTORY_SOCKET": "/run/x", "MINE": "yes"},
    )
    yard.templates.start(answer.order)
    seen = json.loads(said(yard, answer))
    assert answer.process.source == ("spare" if spares else "template")
    assert seen["session"]
    plan = answer.order.plan
    assert seen["open"][:3] == ["/dev/null", plan.stdout, plan.stderr]
    exec_d = exec_and_look(yard.directory)
    assert [kind.partition(":")[0] for kind in seen["open"][3:]] == [
        kind.partition(":")[0] for kind in exec_d["open"][3:]
    ]  # what the SDK waits with
    assert seen["cwd"] == str(yard.directory)
    assert seen["umask"] == 0o27
    assert seen["core"][0] == 0
    assert seen["nofile"] == list(resource.getrlimit(resource.RLIMIT_NOFILE))
    assert seen["argv"] == ["shop:Speaks"]
    assert seen["gc"]
    assert seen["default"] == exec_d["default"]
    assert seen["masked"] == []
    environment = seen["environment"]
    assert environment["OVERSTORY_CHILD"] == "t/agent-with-a-long-name"
    assert (environment["OVERSTORY_SOCKET"], environment["MINE"]) == ("/run/x", "yes")
    assert not {"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"} & set(environment)


def test_no_agent_can_guess_what_another_draws(yard: Yard) -> None:
    answers = [speak(yard, LOOK, f"t/a{number}", "untidy", "shop") for number in range(3)]
    start(yard, *answers)
    seen = [json.loads(said(yard, answer)) for answer in answers]
    assert len({each["random"] for each in seen}) == len({each["key"] for each in seen}) == 3


def test_a_forked_agent_shows_whose_it_is(yard: Yard) -> None:
    answer = order_for(yard.directory, yard.key(), "tree/agent-with-a-long-name")
    start(yard, answer)
    pid = answer.process.pid
    yard.until(lambda: read_mark(pid) == "01234567:tree/agent-with-a-long-name:1:main")
    yard.until(lambda: (stat := read_stat(pid)) is not None and stat.comm == "agent-with-a-lo")
    assert b"tree/agent-with-a-long-name" in Path(f"/proc/{pid}/cmdline").read_bytes()
    end(answer.process)


def test_an_agent_is_in_its_control_group_before_it_becomes_one(yard: Yard, tmp_path: Path) -> None:
    group = tmp_path / "group"  # as far as the node can tell
    group.mkdir()
    (group / "cgroup.procs").write_text("")
    order = order_for(yard.directory, yard.key(), cgroup=str(group))
    members: list[str] = []

    def forked(process: Forked) -> None:
        members.append((group / "cgroup.procs").read_text())
        order.forked.append(process)

    order.order.on_forked = forked
    yard.templates.start(order.order)
    yard.until(lambda: order.is_there)
    assert members == [str(order.process.pid)]
    end(order.process)


def test_what_the_process_may_not_do_itself_is_done_to_it_before_it_begins(yard: Yard) -> None:
    limits = (64, 80)
    first = speak(yard, LOOK, nice=7, hard_limits={resource.RLIMIT_NOFILE: limits})
    yard.templates.start(first.order)
    seen = json.loads(said(yard, first))
    assert seen["nice"] == 7
    assert seen["nofile"] == list(limits)


def test_an_agent_that_cannot_begin_says_why(yard: Yard) -> None:
    answer = order_for(yard.directory, yard.key(), cwd=str(yard.directory / "gone"))
    start(yard, answer)
    yard.until(lambda: answer.broken)
    assert "FileNotFoundError" in answer.broken[0]
    await_readable(answer.process.pidfd)
    end(answer.process)


def test_an_agents_exit_status_is_there_until_it_is_recorded(yard: Yard) -> None:
    own = {"OVERSTORY_AGENT_ARGUMENTS": json.dumps({"status": 7})}
    answer = order_for(yard.directory, yard.key(), entry_point="shop:Ends", own=own)
    start(yard, answer)
    process = answer.process
    await_readable(process.pidfd)
    seen = observe(process.pid, process.pidfd, None, ExitsFile(str(yard.directory)))
    assert (seen.status, seen.source) == (7 << 8, "stat")
    assert process.template is not None
    yard.templates.reap(process.template, process.pid)
    yard.until(lambda: read_stat(process.pid) is None)
    os.close(process.pidfd)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import threading\nthreading.Thread(target=threading.Event().wait, name='beat', daemon=True).start()\n",
         "importing guilty starts the thread beat"),
        ("import socket\nkept = socket.socket()\n", "importing guilty opens socket:["),
        ("import asyncio\nloop = asyncio.new_event_loop()\n", "importing guilty opens anon_inode:[eventpoll]"),
        ("import subprocess\nkept = subprocess.Popen(['/bin/sleep', '60'])\n", "importing guilty starts a process ("),
        ("kept = open('/etc/hostname')\n", "importing guilty opens /etc/hostname"),
    ],
)  # fmt: skip
def test_a_module_that_cannot_be_forked_is_named_and_not_the_one_that_imports_it(
    tmp_path: Path, source: str, words: str
) -> None:
    yard = Yard(tmp_path, {"guilty": source, "innocent": "import guilty\n"})
    answer = order_for(tmp_path, yard.key("innocent", "shop"))
    start(yard, answer)
    assert words in answer.refused[0]
    assert yard.templates.why_exec(sys.executable, answer.order.key.modules) == answer.refused[0]
    assert words in next(r["why"] for r in yard.records if r["what"] == "template")
    yard.close()


def test_what_an_import_opened_and_closed_again_does_not_matter(tmp_path: Path) -> None:
    tidy = "import threading\nt = threading.Thread(target=print)\nt.start()\nt.join()\nopen('/etc/hostname').close()\n"
    yard = Yard(tmp_path, {"tidy": tidy})
    answer = order_for(tmp_path, yard.key("tidy", "shop"))
    start(yard, answer)
    end(answer.process)
    yard.close()


@pytest.mark.parametrize("source", ["import no_such_module\n", "raise SystemExit(3)\n", "broken syntax\n"])
def test_a_module_that_cannot_be_imported_is_left_to_the_agent_to_fail_by(
    tmp_path: Path, source: str
) -> None:
    yard = Yard(tmp_path, {"broken": source})
    answer = order_for(tmp_path, yard.key("broken"))
    start(yard, answer)
    assert answer.refused[0].startswith("its template failed: ")
    assert yard.logs()  # the traceback
    yard.close()


# -- deaths -------------------------------------------------------------------------------------------------------------


def template_pid(yard: Yard) -> int:
    return int(yard.pool()["pid"])


def test_a_template_that_dies_is_replaced_and_its_agents_live_on_as_our_own(yard: Yard) -> None:
    first = order_for(yard.directory, yard.key())
    start(yard, first)
    old = template_pid(yard)
    os.kill(old, signal.SIGKILL)
    yard.until(lambda: yard.table.ended == [old])
    second = order_for(yard.directory, yard.key(), "t/b")
    start(yard, second)
    assert template_pid(yard) != old
    stat = read_stat(first.process.pid)
    assert stat is not None
    assert not stat.is_zombie
    end(first.process)
    end(second.process)


def test_a_spare_outlives_its_template(yard: Yard) -> None:
    first = order_for(yard.directory, yard.key(), spares=1)
    start(yard, first)
    yard.wait_spares(1)
    os.kill(template_pid(yard), signal.SIGKILL)
    yard.until(lambda: yard.table.ended)
    second = order_for(yard.directory, yard.key(), "t/b")
    assert yard.templates.start(second.order)
    assert (second.process.source, second.process.template) == ("spare", None)
    end(first.process)
    end(second.process)


def test_a_template_that_dies_while_it_starts_is_not_waited_for_but_tried_again(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    yard = Yard(tmp_path, {"slow": f"open({str(gate)!r}).read()\n"})
    first = order_for(tmp_path, yard.key("slow", "shop"))
    assert not yard.templates.start(first.order)
    os.kill(template_pid(yard), signal.SIGKILL)
    yard.until(lambda: first.is_there)
    assert first.refused == ["its template died while it was starting"]
    yard.until(lambda: yard.pool()["state"] == "starting")  # a second later
    meanwhile = order_for(tmp_path, yard.key("slow", "shop"), "t/b")
    assert yard.templates.start(meanwhile.order)
    assert meanwhile.refused == first.refused
    gate.write_text("go")
    yard.until(lambda: yard.pool()["state"] == "ready")
    later = order_for(tmp_path, yard.key("slow", "shop"), "t/c")
    start(yard, later)
    end(later.process)
    yard.close()


def test_orders_of_a_template_that_dies_are_carried_out_by_the_next(yard: Yard) -> None:
    first = order_for(yard.directory, yard.key())
    start(yard, first)
    answers = [order_for(yard.directory, yard.key(), f"t/b{number}") for number in range(40)]
    for answer in answers:
        yard.templates.start(answer.order)
    os.kill(template_pid(yard), signal.SIGKILL)
    yard.until(lambda: all(answer.is_there for answer in answers))
    for answer in answers:  # each once, none twice
        end(answer.process)
    end(first.process)
    mine = b"t/b"
    yard.until(lambda: not any(_carries(pid, mine) for pid in all_pids()))


def _carries(pid: int, needle: bytes) -> bool:
    stat = read_stat(pid)
    mark = read_mark(pid, "01234567:")
    return stat is not None and not stat.is_zombie and mark is not None and needle in mark.encode()


def test_spares_that_die_are_replaced_and_there_are_never_more_than_asked_for(yard: Yard) -> None:
    first = order_for(yard.directory, yard.key(), spares=3)
    start(yard, first)
    yard.wait_spares(3)
    (pool,) = yard.templates.pools.values()
    for spare in list(pool.waiting):
        os.kill(spare.pid, signal.SIGKILL)
    yard.until(lambda: yard.pool()["spares"] < 3)
    yard.until(lambda: yard.pool()["spares"] == 3)
    fewer = order_for(yard.directory, yard.key(), spares=1)
    start(yard, fewer)
    yard.until(lambda: len(yard.table.beside) == 2)  # the template, one spare
    end(first.process)
    end(fewer.process)


def test_a_burst_takes_the_spares_there_are_and_forks_the_rest(yard: Yard) -> None:
    first = order_for(yard.directory, yard.key(), "t/a@0", spares=4)
    start(yard, first)
    yard.wait_spares(4)
    answers = [order_for(yard.directory, yard.key(), f"t/a@{number}", spares=4) for number in range(1, 21)]
    start(yard, *answers)
    sources = [answer.process.source for answer in answers]
    assert (sources.count("spare"), sources.count("template")) == (4, 16)
    yard.wait_spares(4)
    for answer in (first, *answers):
        end(answer.process)


def test_a_restarted_agent_runs_what_is_on_disk(yard: Yard) -> None:
    first = speak(yard, "__import__('shop').__dict__.get('VERSION')")
    start(yard, first)
    assert said(yard, first) == "None"
    module = yard.directory / "shop.py"
    module.write_text(module.read_text() + "VERSION = 2\n")
    second = speak(yard, "__import__('shop').__dict__.get('VERSION')", "t/b")
    start(yard, second)
    assert ast.literal_eval(said(yard, second)) == 2
    assert any(r.get("state") == "replaced" and "shop.py changed" in r["why"] for r in yard.records)


def test_a_template_that_nobody_needs_ends_with_its_spares_and_its_file(yard: Yard) -> None:
    first = order_for(yard.directory, yard.key(), spares=2)
    start(yard, first)
    yard.wait_spares(2)
    end(first.process)
    yard.templates.keep_only(lambda key: False)
    yard.until(lambda: not yard.table.beside)
    assert yard.templates.to_json() == []
    assert not list((yard.directory / "templates").iterdir())


def test_a_template_that_hangs_is_ended_and_what_it_was_asked_is_done_otherwise(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervision.runtime.template_process.FORK_LIMIT_S", 0.2)
    first = order_for(yard.directory, yard.key())
    start(yard, first)
    os.kill(template_pid(yard), signal.SIGSTOP)
    second = order_for(yard.directory, yard.key(), "t/b")
    yard.templates.start(second.order)
    yard.until(lambda: second.is_there)
    assert second.refused == ["its template failed: a fork took too long"]
    kill(first.process.pidfd)
    end(first.process)
