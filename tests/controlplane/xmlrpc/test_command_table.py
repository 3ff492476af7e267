"""Each row of supervisorctl's commands, run by the real client against programs in memory."""

from collections.abc import Iterator

import pytest

from tests.support.memory_programs import MemoryBackend, program, served, supervisorctl


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend(
        program("shop/api@1"),
        program("shop/api@2", "stopped"),
        program("shop/stores/db", "failed", last_exit="exit(2)", pid=None),
        program("solo/solo"),
    )


@pytest.fixture
def url(backend: MemoryBackend) -> Iterator[str]:
    with served(backend) as made:
        yield made


def test_status_shows_every_process_and_its_exit_code_says_that_some_do_not_run(url: str) -> None:
    code, text = supervisorctl(url, "status")
    assert code == 3
    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines()}
    assert lines["shop:api@1"][:3] == ["RUNNING", "pid", "123,"]
    assert lines["shop:api@1"][3:] == ["uptime", "0:01:40"]
    assert lines["shop:api@2"] == ["STOPPED", "Not", "started"]
    assert lines["shop/stores:db"][0] == "FATAL"
    assert lines["solo"][0] == "RUNNING", "a process that is called as its group is shown by one name"


def test_status_of_named_ones(url: str) -> None:
    assert supervisorctl(url, "status", "shop:api@1")[0] == 0
    assert supervisorctl(url, "status", "solo:*")[0] == 0
    code, text = supervisorctl(url, "status", "nobody")
    assert (code, text.strip()) == (4, "nobody: ERROR (no such process)")


def test_pid(url: str) -> None:
    assert supervisorctl(url, "pid")[1].strip() == "4711"
    assert supervisorctl(url, "pid", "shop:api@1")[1].strip() == "123"
    assert "0" in supervisorctl(url, "pid", "all")[1].split()


def test_start_waits_until_it_runs(url: str, backend: MemoryBackend) -> None:
    assert supervisorctl(url, "start", "shop:api@2") == (0, "shop:api@2: started\n")
    assert backend.commands == [("start", "shop/api@2", {})]


def test_start_of_one_that_runs_and_of_one_that_is_not_there(url: str) -> None:
    code, text = supervisorctl(url, "start", "shop:api@1")
    assert (code, text) == (0, "shop:api@1: ERROR (already started)\n")
    code, text = supervisorctl(url, "start", "shop:nobody")
    assert code in (1, 2)
    assert "no such process" in text


def test_start_of_one_that_does_not_come_up(url: str, backend: MemoryBackend) -> None:
    backend.broken.add("shop/api@2")
    code, text = supervisorctl(url, "start", "shop:api@2")
    assert code != 0
    assert "ERROR (spawn error)" in text


def test_start_and_stop_of_a_group_and_of_all(url: str, backend: MemoryBackend) -> None:
    assert supervisorctl(url, "start", "shop:*") == (0, "shop:api@2: started\n")
    code, text = supervisorctl(url, "stop", "all")
    assert code == 0
    assert text.splitlines() == ["shop:api@1: stopped", "shop:api@2: stopped", "solo: stopped"]
    assert supervisorctl(url, "start", "all")[0] == 0
    assert {each.state for each in backend.all} == {"running"}


def test_stop_and_stop_again(url: str) -> None:
    assert supervisorctl(url, "stop", "shop:api@1") == (0, "shop:api@1: stopped\n")
    code, text = supervisorctl(url, "stop", "shop:api@1")
    assert (code, text) == (0, "shop:api@1: ERROR (not running)\n")


def test_restart_is_stop_and_start(url: str, backend: MemoryBackend) -> None:
    assert supervisorctl(url, "restart", "shop:api@1") == (0, "shop:api@1: stopped\nshop:api@1: started\n")
    assert [verb for verb, *_ in backend.commands] == ["stop", "start"]


def test_tail_shows_the_end_of_either_stream(url: str, backend: MemoryBackend) -> None:
    backend.logs["shop/api@1", "out"] = b"one\ntwo\x1b[0m\x00\nthree\n"
    backend.logs["shop/api@1", "err"] = b"oops\n"
    code, text = supervisorctl(url, "tail", "-6", "shop:api@1")
    assert (code, text.strip()) == (0, "three")
    assert supervisorctl(url, "tail", "shop:api@1", "stderr")[1].strip() == "oops"
    assert "two[0m" in supervisorctl(url, "tail", "shop:api@1")[1], "what XML cannot hold is left out"
    assert "no such process name" in supervisorctl(url, "tail", "nobody")[1]


def test_maintail(url: str) -> None:
    assert "the guardian's log" in supervisorctl(url, "maintail")[1]


def test_avail_names_every_process(url: str) -> None:
    code, text = supervisorctl(url, "avail")
    assert code == 0
    assert [line.split()[0] for line in text.splitlines()] == [
        "shop:api@1",
        "shop:api@2",
        "shop/stores:db",
        "solo",
    ]
    assert "in use" in text


def test_reread_and_update_have_nothing_to_do(url: str) -> None:
    assert supervisorctl(url, "reread") == (0, "No config updates to processes\n")
    assert supervisorctl(url, "update") == (0, "")


def test_add_and_remove_of_groups(url: str, backend: MemoryBackend) -> None:
    assert "already active" in supervisorctl(url, "add", "shop")[1]
    assert "no such process/group" in supervisorctl(url, "add", "nobody")[1]
    assert "process/group still running" in supervisorctl(url, "remove", "solo")[1]
    supervisorctl(url, "stop", "solo")
    assert supervisorctl(url, "remove", "solo") == (0, "solo: removed process group\n")
    assert backend.removed == ["solo"]


def test_signal(url: str, backend: MemoryBackend) -> None:
    assert supervisorctl(url, "signal", "HUP", "shop:api@1") == (0, "shop:api@1: signalled\n")
    assert backend.commands == [("signal", "shop/api@1", {"signal": "HUP"})]
    assert supervisorctl(url, "signal", "10", "shop:*")[0] == 0
    assert "bad signal name" in supervisorctl(url, "signal", "NONSENSE", "shop:api@1")[1]
    assert "not running" in supervisorctl(url, "signal", "HUP", "shop:api@2")[1]
    assert supervisorctl(url, "signal", "HUP", "all")[0] == 0


def test_clear(url: str, backend: MemoryBackend) -> None:
    backend.logs["shop/api@1", "out"] = b"old\n"
    assert supervisorctl(url, "clear", "shop:api@1") == (0, "shop:api@1: cleared\n")
    assert backend.logs == {}
    assert supervisorctl(url, "clear", "all")[0] == 0


def test_version_reload_and_shutdown(url: str, backend: MemoryBackend) -> None:
    assert supervisorctl(url, "version")[1].strip() == "0.1.0"
    assert supervisorctl(url, "reload")[0] == 0
    assert supervisorctl(url, "shutdown")[0] == 0
    assert backend.done == ["restart", "shutdown"]


def test_a_wrong_password_is_told_so(url: str) -> None:
    code, text = supervisorctl(url, "status", password="wrong")
    assert code == 4 or "authentication" in text


def test_what_the_caller_may_not_do_is_refused_with_the_reason(url: str, backend: MemoryBackend) -> None:
    backend.may_operate = False
    code, text = supervisorctl(url, "stop", "shop:api@1")
    assert code != 0
    assert "you may only look" in text
    assert backend.commands == []
