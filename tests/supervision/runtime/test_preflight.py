"""What stands in the way of a tree on this host, each with its place in the document."""

import os
import resource
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime.kinds import RUNNABLE
from supervision.runtime.nodesettings import AllowList
from supervision.runtime.preflight import Finding, preflight
from supervision.runtime.treedoc import parse_tree
from tests.supervision.runtime.tree_documents import FULL, child, supervisor, tree

P = "/supervisor/children/0/process"
ANYTHING = AllowList(root_children=True)
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's rights, which only root can")


def found(
    *children: dict[str, Any],
    allow: AllowList = ANYTHING,
    root: bool = True,
    environment: dict[str, str] | None = None,
    tree_environment: dict[str, Any] | None = None,
    why_no_memory: Callable[[], str] = lambda: "",
) -> list[Finding]:
    document = parse_tree(tree(*children) | {"environment": tree_environment or {}})
    given = {"PATH": "/usr/bin:/bin"} if environment is None else environment
    return preflight(document, allow=allow, as_root=root, environment=given, why_no_memory=why_no_memory)


def only(findings: list[Finding]) -> tuple[str, str]:
    """Pointer and message of the one finding there is, an error."""
    assert len(findings) == 1, findings
    assert findings[0].severity == "error"
    return findings[0].pointer, findings[0].message


def test_nothing_stands_in_the_way_of_a_program_that_is_there() -> None:
    assert found(child(), child("b", process={"command": ["sh"]})) == []


def test_a_program_that_is_not_there_is_named() -> None:
    assert only(found(child(process={"command": ["/no/such"]}))) == (
        f"{P}/command/0",
        "/no/such does not exist",
    )


def test_a_program_is_looked_for_in_the_path_of_the_child(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("#!/bin/sh\n")
    (tmp_path / "mine").chmod(0o755)
    path = {"PATH": str(tmp_path)}
    assert found(child(process={"command": ["mine"], "environment": path})) == []
    assert found(child(process={"command": ["mine"]}), tree_environment=path) == []
    assert found(child(process={"command": ["mine"]}), environment=path) == []
    assert only(found(child(process={"command": ["mine"]}))) == (
        f"{P}/command/0",
        "mine is not in PATH (/usr/bin:/bin)",
    )


def test_a_relative_program_is_looked_for_in_the_directory_of_the_child(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("#!/bin/sh\n")
    (tmp_path / "mine").chmod(0o755)
    assert found(child(process={"command": ["./mine"], "cwd": str(tmp_path)})) == []


def test_every_program_of_a_child_is_looked_at() -> None:
    process = {
        "pre_start": [["/bin/true"], ["/no/one"]],
        "post_stop": [["/no/two"]],
        "readiness": {"exec": {"command": ["/no/three"]}},
    }
    assert [finding.pointer for finding in found(child(process=process))] == [
        f"{P}/pre_start/1/command/0",
        f"{P}/post_stop/0/command/0",
        f"{P}/readiness/exec/command/0",
    ]


def test_a_directory_that_is_not_there_is_named() -> None:
    assert only(found(child(process={"cwd": "/no/such"}))) == (f"{P}/cwd", "/no/such does not exist")
    assert only(found(child(process={"cwd": "/etc/passwd"}))) == (
        f"{P}/cwd",
        "/etc/passwd is not a directory",
    )


def test_a_user_and_a_group_that_are_not_there_are_named() -> None:
    assert only(found(child(process={"user": "no-one-here"}))) == (
        f"{P}/user",
        "user no-one-here does not exist",
    )
    assert only(found(child(process={"group": "no-such"}))) == (f"{P}/group", "group no-such does not exist")


def test_a_root_node_demands_a_user_that_is_not_root() -> None:
    pointer, message = only(found(child(), allow=AllowList()))
    assert (pointer, "names no user" in message) == (P, True)
    pointer, message = only(found(child(process={"user": "root"}), allow=AllowList()))
    assert (pointer, "would run as root" in message) == (f"{P}/user", True)
    assert found(child(process={"user": "nobody"}), allow=AllowList()) == []


def test_the_allow_list_names_programs_and_users() -> None:
    allow = AllowList(("/usr/bin/env",), ("nobody",))
    findings = found(child(process={"user": "daemon"}), allow=allow)
    assert [finding.pointer for finding in findings] == [f"{P}/user", f"{P}/command/0"]
    assert all("allow-list of this node" in finding.message for finding in findings)


@as_root
def test_a_program_and_a_directory_are_looked_at_with_the_rights_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("#!/bin/sh\n")
    (tmp_path / "mine").chmod(0o755)
    tmp_path.chmod(0o700)
    process = {"command": [str(tmp_path / "mine")], "cwd": str(tmp_path / "."), "user": "nobody"}
    messages = {finding.pointer: finding.message for finding in found(child(process=process))}
    assert messages[f"{P}/command/0"] == f"user nobody may not execute {tmp_path}/mine"
    assert f"{P}/cwd" in messages
    assert os.geteuid() == 0


def test_a_secret_the_node_does_not_hold_is_named_but_never_shown() -> None:
    process = {"environment": {"A": {"secret": "GONE"}, "B": {"secret": "HERE"}}}
    pointer, message = only(
        found(child(process=process), environment={"PATH": "/bin", "OVERSTORY_SECRET_HERE": "hush"})
    )
    assert pointer == f"{P}/environment/A"
    assert message == "A: the node's environment does not hold OVERSTORY_SECRET_GONE"


def test_a_secret_of_the_tree_is_named_once() -> None:
    secret = {"A": {"secret": "GONE"}}
    assert only(found(child("a"), child("b"), tree_environment=secret))[0] == "/environment/A"


def test_environment_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("A=1\nB\n")
    files = ["/no/such", {"path": "/no/such", "optional": True}, str(tmp_path / "bad")]
    assert [(f.pointer, f.message) for f in found(child(process={"environment_files": files}))] == [
        (f"{P}/environment_files/0", "environment file /no/such does not exist"),
        (f"{P}/environment_files/2", f"{tmp_path}/bad:2: not NAME=value"),
    ]


def test_a_memory_limit_needs_a_controller() -> None:
    limited = child(process={"limits": {"memory_max": "1GiB"}})
    asked: list[int] = []

    def why() -> str:
        asked.append(1)
        return "no controller here"

    assert only(found(limited, why_no_memory=why)) == (f"{P}/limits/memory_max", "no controller here")
    assert found(limited) == []
    asked.clear()
    assert found(child(), why_no_memory=why) == []
    assert not asked


def test_limits_above_our_own_need_root() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    raised = child(process={"limits": {"nofile": {"hard": hard + 1}}})
    assert found(raised) == []
    pointer, message = only(found(raised, root=False))
    assert pointer == f"{P}/limits/nofile"
    assert f"hard limit of {hard}" in message
    assert found(child(process={"limits": {"nofile": hard}}), root=False) == []


def test_a_low_nice_value_needs_root() -> None:
    if resource.getrlimit(resource.RLIMIT_NICE)[0] >= 40:
        pytest.skip("anybody may take any nice value here")
    assert only(found(child(process={"nice": -20}), root=False))[0] == f"{P}/nice"
    assert found(child(process={"nice": 19}), root=False) == []


def test_a_low_port_needs_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supervision.runtime.preflight._first_free_port", lambda: 1024)
    low = child(process={"sockets": [{"name": "a", "address": "[::1]:80"}]})
    assert only(found(low, root=False)) == (
        f"{P}/sockets/0/address",
        "port 80 needs root: an ordinary user may bind from 1024 on",
    )
    assert found(low) == []


def test_a_unix_socket_needs_its_directory_and_nothing_in_its_place(tmp_path: Path) -> None:
    def at(path: Path) -> dict[str, Any]:
        return child(process={"sockets": [{"name": "a", "type": "unix", "address": str(path)}]})

    (tmp_path / "file").touch()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
        assert found(at(tmp_path / "socket")) == []
    assert found(at(tmp_path / "new")) == []
    assert only(found(at(tmp_path / "file")))[1] == f"{tmp_path}/file exists and is no socket"
    assert only(found(at(tmp_path / "gone" / "new")))[1] == f"{tmp_path}/gone is not a directory"


def test_a_shared_socket_with_two_backlogs_is_a_warning() -> None:
    first = child("a", process={"sockets": [{"name": "x", "address": ":80", "backlog": 5}]})
    second = child("b", process={"sockets": [{"name": "y", "address": "127.0.0.1:80", "backlog": 6}]})
    findings = found(first, second)
    assert [(f.pointer, f.severity) for f in findings] == [
        ("/supervisor/children/1/process/sockets/0/backlog", "warning")
    ]
    assert "shared with a, whose backlog of 5" in findings[0].message


def test_kinds_that_do_not_run_here_are_named() -> None:
    task = {"id": "t", "celery_task": {"app": "a", "task": "b"}}
    findings = preflight(
        parse_tree(tree(supervisor("s", task))),
        allow=ANYTHING,
        as_root=True,
        kinds=RUNNABLE - {"celery_task"},
    )
    assert only(findings) == (
        "/supervisor/children/0/supervisor/children/0/celery_task",
        "this node does not run children of kind celery_task",
    )


def test_what_stands_for_a_celery_task_needs_its_applications_interpreter() -> None:
    section = {"app": "a", "task": "b"}
    assert found({"id": "t", "celery_task": {**section, "python": sys.executable}}) == []
    missing = only(found({"id": "t", "celery_task": {**section, "python": "/no/such/python"}}))
    assert missing[0] == "/supervisor/children/0/celery_task/python"


def agent(**fields: Any) -> dict[str, Any]:
    return {"id": "a", "agent": {"entry_point": "shop.agents:Buyer", **fields}}


def test_nothing_stands_in_the_way_of_an_agent_of_an_interpreter_that_is_there() -> None:
    assert found(agent()) == found(agent(python=sys.executable, limits={"nofile": 100})) == []


def test_an_interpreter_that_is_not_there_and_a_user_who_is_not_there_are_named() -> None:
    assert only(found(agent(python="/venv/bin/python"))) == (
        "/supervisor/children/0/agent/python",
        "/venv/bin/python does not exist",
    )
    assert only(found(agent(user="nobody-here")))[0] == "/supervisor/children/0/agent/user"


def test_an_agent_whose_config_is_not_filled_in_cannot_run_here() -> None:
    pointer, message = only(found({"id": "a", "agent": {"config": "shop/buyer"}}))
    assert pointer == "/supervisor/children/0/agent/config"
    assert message.startswith("the config 'shop/buyer' is not filled in")


def test_a_user_who_cannot_read_what_starts_agents_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supervision.runtime.agentdoc.RUN", str(tmp_path / "closed" / "_run.py"))
    pointer, message = only(found(agent()))
    assert pointer == "/supervisor/children/0/agent"
    assert "may not read" in message


def test_a_thousand_children_are_looked_at_once_for_each_question(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = os.access

    def access(path: Any, mode: int, **kwargs: Any) -> bool:
        asked.append(str(path))
        return real(path, mode, **kwargs)

    monkeypatch.setattr(os, "access", access)
    assert found(*(child(f"c{number}") for number in range(1000))) == []
    assert len(asked) < 10


def test_the_full_document_is_answered_whatever_stands_in_the_way() -> None:
    document = parse_tree(FULL)
    for root in (True, False):
        assert preflight(document, allow=AllowList((), ()), as_root=root, environment={})
