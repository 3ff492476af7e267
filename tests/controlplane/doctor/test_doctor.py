"""Each check of `doctor`, where it is well and where it is not."""

import errno
import fcntl
import json
import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane.doctor import disk, installation, kernel, life, limits, places
from controlplane.doctor.checks import CHECKS
from controlplane.doctor.findings import Check, Finding, Host, Verdict, counts, examine
from supervision.runtime import linux
from supervision.runtime.cgroups import NodeCgroup
from supervision.runtime.clock import ManualClock, SystemClock
from supervision.runtime.journal import Journal
from supervision.runtime.paths import Paths
from tests.support.command_line import manage
from tests.support.fake_node import FakeNode
from tests.support.fake_rows import child, supervisor, tree


@pytest.fixture
def paths(data_dir: Path) -> Paths:
    data_dir.mkdir(mode=0o700)
    runtime_dir = data_dir.parent / f"r{data_dir.name}"
    runtime_dir.mkdir(mode=0o700)
    paths = Paths.from_environment()
    paths.runtime_json.write_text(json.dumps({"runtime_dir": str(runtime_dir)}))
    return paths


@pytest.fixture
def host(paths: Paths) -> Host:
    return Host(paths, {}, SystemClock())


@pytest.fixture
def node(paths: Paths) -> Iterator[FakeNode]:
    with FakeNode(paths.control_socket) as fake:
        yield fake


def find(host: Host, check: Check, name: str) -> Finding:
    return next(finding for finding in examine(host, [check]) if finding.check == name)


def test_every_finding_that_is_not_ok_says_what_to_do(host: Host) -> None:
    findings = examine(host, CHECKS)
    assert len({finding.check for finding in findings}) == len(findings)
    for finding in findings:
        assert finding.text
        assert finding.advice or finding.verdict is Verdict.OK, finding
    assert sum(counts(findings).values()) == len(findings)


def test_a_check_that_cannot_be_made_is_a_finding(host: Host) -> None:
    def broken(_host: Host) -> list[Finding]:
        raise OSError(errno.EIO, "no")

    (finding,) = examine(host, [broken])
    assert finding.verdict is Verdict.FAIL
    assert "could not be checked" in finding.text


def test_the_command_ends_with_one_only_when_something_fails(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = manage("doctor", "--json").json
    assert body["ok"] == (body["counts"]["fail"] == 0)
    monkeypatch.setenv("OVERSTORY_PORT", "eighty")
    ran = manage("doctor")
    assert ran.code == 1
    assert "fail  ports.web" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


def test_an_old_kernel_fails(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux, "kernel_version", lambda: (4, 19))
    assert find(host, kernel.version, "kernel.version").verdict is Verdict.FAIL


def test_missing_facilities_warn_unless_they_are_needed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linux, "supports", lambda: {"pidfd inode": True})
    verdicts = {finding.check: finding.verdict for finding in examine(host, [kernel.facilities])}
    assert verdicts == {
        "kernel.pidfd": Verdict.FAIL,
        "kernel.pidfd_info": Verdict.WARN,
        "kernel.pidfs": Verdict.OK,
        "kernel.group_signal": Verdict.WARN,
        "kernel.children": Verdict.FAIL,
    }


def test_every_facility_that_linux_tells_of_is_checked() -> None:
    assert set(kernel.FACILITIES) == set(linux.supports())


def test_the_nodes_own_word_on_its_control_group_counts(
    host: Host, node: FakeNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find(host, kernel.control_group, "cgroup.writable").verdict is Verdict.OK
    node.handlers["status"] = lambda _: {"cgroup": False}
    assert find(host, kernel.control_group, "cgroup.writable").verdict is Verdict.WARN


def test_no_control_group_says_why(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NodeCgroup, "open", classmethod(lambda *_: None))
    monkeypatch.setattr(NodeCgroup, "why_not", "our group may not be written")
    finding = find(host, kernel.control_group, "cgroup.writable")
    assert finding.text == "our group may not be written"
    assert "Delegate=yes" in finding.advice


@pytest.mark.parametrize(("hard", "verdict"), [(128, Verdict.FAIL), (512, Verdict.WARN), (4096, Verdict.OK)])
def test_few_descriptors_are_few_children(
    host: Host, monkeypatch: pytest.MonkeyPatch, hard: int, verdict: Verdict
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (hard, hard))
    assert find(host, limits.descriptors, "limits.nofile").verdict is verdict


def test_few_processes_warn_an_ordinary_user(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(resource, "getrlimit", lambda _: (50, 50))
    assert find(host, limits.processes, "limits.nproc").verdict is Verdict.WARN


def test_a_data_directory_of_somebody_else_or_open_to_others_is_told(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find(host, disk.directory, "disk.directory").verdict is Verdict.OK
    host.paths.data_dir.chmod(0o755)
    assert find(host, disk.directory, "disk.directory").verdict is Verdict.WARN
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000)
    assert find(host, disk.directory, "disk.directory").verdict is Verdict.FAIL


def test_a_data_directory_that_is_still_to_come_is_fine(tmp_path: Path) -> None:
    host = Host(Paths(tmp_path / "a" / "b"), {}, SystemClock())
    findings = examine(host, disk.CHECKS)
    assert {finding.verdict for finding in findings if finding.check != "disk.space"} == {Verdict.OK}


@pytest.mark.parametrize(
    ("free", "verdict"), [(1 << 20, Verdict.FAIL), (1 << 30, Verdict.WARN), (9 << 30, Verdict.OK)]
)
def test_little_space_is_told(
    host: Host, monkeypatch: pytest.MonkeyPatch, free: int, verdict: Verdict
) -> None:
    seen = os.statvfs_result(
        (4096, 4096, 1 << 24, free // 4096, free // 4096, 1 << 20, 1 << 20, 1 << 20, 0, 255)
    )
    monkeypatch.setattr(os, "statvfs", lambda _: seen)
    assert find(host, disk.space, "disk.space").verdict is verdict


def test_a_file_system_without_holes_warns(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "no")

    monkeypatch.setattr(disk, "punch_hole", refuse)
    finding = find(host, disk.features, "disk.punch_hole")
    assert (finding.verdict, "truncated" in finding.advice) == (Verdict.WARN, True)
    assert not any(host.paths.data_dir.glob("tmp*")), "what was tried is removed"


def test_a_network_file_system_warns(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_type_of", lambda _: "nfs4")
    assert find(host, disk.file_system, "disk.filesystem").verdict is Verdict.WARN


def test_a_runtime_directory_too_deep_for_sockets_fails(paths: Paths) -> None:
    paths.runtime_json.write_text(json.dumps({"runtime_dir": "/run/" + "x" * 100}))
    host = Host(paths, {}, SystemClock())
    assert find(host, places.runtime_directory, "runtime.length").verdict is Verdict.FAIL


def test_a_runtime_directory_open_to_others_fails(host: Host) -> None:
    host.paths.runtime_dir.chmod(0o755)
    assert find(host, places.runtime_directory, "runtime.permissions").verdict is Verdict.FAIL


def test_a_port_that_is_taken_is_told(paths: Paths) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        host = Host(paths, {"OVERSTORY_PORT": str(taken.getsockname()[1])}, SystemClock())
        assert find(host, places.web_port, "ports.web").verdict is Verdict.WARN
    assert find(host, places.web_port, "ports.web").verdict is Verdict.OK


@pytest.mark.parametrize("port", ["eighty", "0", "70000"])
def test_a_port_that_is_none_fails(paths: Paths, port: str) -> None:
    assert (
        find(Host(paths, {"OVERSTORY_PORT": port}, SystemClock()), places.web_port, "ports.web").verdict
        is Verdict.FAIL
    )


def test_a_clock_in_the_past_or_behind_the_journal_warns(paths: Paths) -> None:
    assert (
        find(Host(paths, {}, ManualClock(wall=1_000_000)), places.clocks, "clock.wall").verdict
        is Verdict.WARN
    )
    paths.journal_dir.mkdir()
    journal = Journal.open(paths.journal_dir, clock=SystemClock(wall_offset=3600))
    journal.append("node", {"what": "started"})
    journal.close()
    finding = find(Host(paths, {}, SystemClock()), places.clocks, "clock.wall")
    assert (finding.verdict, "behind the journal" in finding.text) == (Verdict.WARN, True)


def test_given_stores_are_not_asked(paths: Paths) -> None:
    host = Host(paths, {"DATABASE_URL": "postgresql://secret@x/", "REDIS_URL": "redis://x"}, SystemClock())
    findings = examine(host, [installation.stores])
    assert {finding.verdict for finding in findings} == {Verdict.OK}
    assert not any("secret" in finding.text for finding in findings)


def test_a_shim_that_is_not_built_fails(host: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(installation, "ROOT", tmp_path)
    assert find(host, installation.exec_shim, "install.shim").verdict is Verdict.FAIL


def test_nothing_running_is_a_warning_with_how_to_start(host: Host) -> None:
    finding = find(host, life.life, "life.guardian")
    assert (finding.verdict, "make run" in finding.advice) == (Verdict.WARN, True)


def test_a_guardian_whose_node_does_not_answer_fails(host: Host) -> None:
    with host.paths.guardian_lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert find(host, life.life, "life.guardian").verdict is Verdict.OK
        assert find(host, life.life, "life.node").verdict is Verdict.FAIL


def test_a_node_without_a_guardian_fails_and_what_needs_attention_is_told(host: Host, node: FakeNode) -> None:
    assert find(host, life.life, "life.guardian").verdict is Verdict.FAIL
    node.trees = [tree(supervisor("t", child("t/a", "failed"), child("t/b")))]
    node.strays = [{"pid": 1}]
    status = node.op_status({}) | {"journal_short": True, "helpers": [{"name": "rotator", "pid": None}]}
    status["templates"] = [{"modules": ["shop"], "why_exec": "importing shop opens socket:[1]"}]
    node.handlers["tree"] = lambda _: {"node": status, "trees": node.trees}
    verdicts = {finding.check: finding.verdict for finding in examine(host, [life.life])}
    assert verdicts["life.node"] is Verdict.OK
    assert verdicts["life.journal"] is Verdict.FAIL
    assert {verdicts[f"life.{name}"] for name in ("helpers", "templates", "strays", "children")} == {
        Verdict.WARN
    }
