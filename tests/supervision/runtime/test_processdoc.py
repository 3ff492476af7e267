"""The driver's view of a `process` section."""

import os
import resource
import signal
from typing import Any

import pytest

from supervision.runtime.launch_errors import LaunchError
from supervision.runtime.processdoc import (
    Command,
    Completed,
    Limit,
    Notify,
    OutputLimits,
    Probe,
    ProcessBody,
    SocketSpec,
)
from supervision.runtime.treedoc import DocumentErrors, parse_tree
from tests.supervision.runtime.tree_documents import FULL, child, tree

UNLIMITED = resource.RLIM_INFINITY


def body(**fields: Any) -> ProcessBody:
    return ProcessBody.from_body({"kind": "process", "process": {"command": ["/bin/true"], **fields}})


def test_has_defaults_for_what_a_body_does_not_say() -> None:
    found = body()
    assert found.command == ("/bin/true",)
    assert (found.cwd, found.user, found.group, found.umask, found.nice) == ("/", None, None, None, None)
    assert (found.stop_signal, found.reload, found.reload_signal) == (signal.SIGTERM, "none", signal.SIGHUP)
    assert (found.descendants, found.pre_start, found.post_stop) == ("kill", (), ())
    assert (found.readiness, found.readiness_deadline_s, found.probe) == (None, None, None)
    assert (found.watchdog_s, found.sockets, found.output) == (None, (), None)
    assert (found.limits, found.memory_max) == ((), None)
    assert found.environment_source.is_constant


def test_has_every_field_typed() -> None:
    found = ProcessBody.from_body(parse_tree(FULL).spec.children[0].body)
    assert found.command == ("/bin/sleep", "10")
    assert (found.cwd, found.user, found.group, found.umask, found.nice) == (
        "/srv",
        "nobody",
        "nogroup",
        0o27,
        5,
    )
    assert (found.stop_signal, found.reload, found.reload_signal) == (signal.SIGINT, "notify", signal.SIGUSR1)
    assert found.descendants == "keep"
    assert found.pre_start == (Command(("/bin/true",), 60), Command(("/bin/true", "x"), 5))
    assert found.post_stop == (Command(("/bin/true",), 60),)
    status = [200, "2xx", "300-302"]
    assert (
        found.readiness
        == found.probe
        == Probe("http", {"url": "http://localhost:80/", "status": status}, 2, 3, 1)
    )
    assert found.readiness_deadline_s is None
    assert found.watchdog_s == 10
    assert found.output == OutputLimits(2**20, 3)
    assert found.memory_max == 256 * 2**20
    assert found.sockets == (
        SocketSpec("http", "tcp", "[::1]:8080", 10),
        SocketSpec("local", "unix", "/run/x.sock", 2048),
    )
    assert Limit(resource.RLIMIT_NOFILE, 1024, None) in found.limits
    assert Limit(resource.RLIMIT_NPROC, 10, 20) in found.limits
    assert Limit(resource.RLIMIT_DATA, UNLIMITED, None) in found.limits
    assert Limit(resource.RLIMIT_FSIZE, 2**30, 2**30) in found.limits
    assert Limit(resource.RLIMIT_CPU, 3600, None) in found.limits
    assert found.environment_source.tree == {"T": "tree", "A": "overridden"}


@pytest.mark.parametrize(
    ("readiness", "becomes", "deadline"),
    [
        ({"notify": True}, Notify(), 90),
        ({"notify": True, "deadline": "infinity"}, Notify(), None),
        ({"completed": True}, Completed(), None),
        ({"completed": True, "deadline": "1h"}, Completed(), 3600),
        ({"tcp": {"port": 80}}, Probe("tcp", {"host": "127.0.0.1", "port": 80}, 1, 5, 0), 90),
        ({"exec": {"command": ["x"]}, "deadline": 5}, Probe("exec", {"command": ["x"]}, 1, 5, 0), 5),
    ],
)
def test_has_the_readiness_and_its_deadline(readiness: Any, becomes: object, deadline: float | None) -> None:
    found = body(readiness=readiness)
    assert found.readiness == becomes
    assert found.readiness_deadline_s == deadline
    assert found.probe is (becomes if isinstance(becomes, Probe) else None) or found.probe == becomes


def test_hands_a_probe_on_as_it_stands_in_the_document() -> None:
    probe = body(readiness={"tcp": {"port": 80}, "timeout": "2s"}).probe
    assert probe is not None
    assert probe.to_json() == {
        "tcp": {"host": "127.0.0.1", "port": 80},
        "interval": 1,
        "timeout": 2,
        "start_period": 0,
    }


def test_is_the_same_for_the_sparse_and_for_the_whole_section() -> None:
    found = parse_tree(tree(child(process={"watchdog": "5s"})))
    whole = found.document["supervisor"]["children"][0]["process"]
    sparse = found.spec.children[0].body
    assert ProcessBody.from_body({"kind": "process", "process": whole}) == ProcessBody.from_body(sparse)


@pytest.mark.parametrize(
    "faulty",
    [
        {},
        {"kind": "agent", "agent": {}},
        {"kind": "process"},
        {"kind": "process", "process": {"command": []}},
    ],
)
def test_refuses_a_body_it_does_not_understand(faulty: dict[str, Any]) -> None:
    with pytest.raises(DocumentErrors):
        ProcessBody.from_body(faulty)
    with pytest.raises(ValueError, match="/"):
        ProcessBody.from_body(faulty)


class TestTheEnvironment:
    def test_is_what_was_inherited_below_what_was_declared(self) -> None:
        found = body(environment={"A": "1", "S": {"secret": "X"}})
        made = found.spawn_environment({"A": "0", "PATH": "/bin"}, {"OVERSTORY_SECRET_X": "hush"})
        assert made == {"A": "1", "PATH": "/bin", "S": "hush"}

    def test_of_another_user_has_his_home(self) -> None:
        made = body(user="nobody").spawn_environment({"HOME": "/root", "USER": "root"}, {})
        assert (made["USER"], made["LOGNAME"]) == ("nobody", "nobody")
        assert made["HOME"] != "/root"

    def test_may_say_another_home(self) -> None:
        assert body(user="nobody", environment={"HOME": "/x"}).spawn_environment({}, {})["HOME"] == "/x"

    def test_of_a_body_never_shows_a_secret(self) -> None:
        found = body(environment={"S": {"secret": "X"}})
        found.spawn_environment({}, {"OVERSTORY_SECRET_X": "hush"})
        assert "hush" not in repr(found)


class TestTheLaunchPlan:
    def plan(self, found: ProcessBody, **given: Any) -> Any:
        return found.launch_plan(environment={"PATH": "/usr/bin:/bin"}, stdout="/o", stderr="/e", **given)

    def test_says_everything_a_launch_needs(self) -> None:
        found = body(
            user="nobody",
            nice=3,
            umask="077",
            cwd="/tmp",
            limits={"core": 0, "nproc": {"soft": 1, "hard": 2}},
        )
        plan = self.plan(found, cgroup="/g", sockets=(("http", 9),))
        assert plan.argv == ["/bin/true"]
        assert plan.executable == "/bin/true"
        assert (plan.cwd, plan.nice, plan.umask, plan.cgroup, plan.sockets) == (
            "/tmp",
            3,
            0o77,
            "/g",
            (("http", 9),),
        )
        assert plan.user is not None
        assert plan.user.name == "nobody"
        assert plan.soft_limits == {resource.RLIMIT_CORE: 0}
        assert plan.hard_limits == {resource.RLIMIT_NPROC: (1, 2)}
        assert (plan.stdout, plan.stderr) == ("/o", "/e")

    def test_of_a_command_runs_in_the_same_place(self) -> None:
        plan = self.plan(body(cwd="/tmp"), argv=("sh", "-c", "true"))
        assert plan.argv == ["sh", "-c", "true"]
        assert plan.executable.endswith("/sh")
        assert plan.cwd == "/tmp"

    def test_raises_the_hard_limit_with_a_soft_one_above_it(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        plan = self.plan(body(limits={"nofile": hard + 1}))
        assert plan.hard_limits == {resource.RLIMIT_NOFILE: (hard + 1, hard + 1)}
        assert plan.soft_limits == {}
        assert self.plan(body(limits={"nofile": soft})).soft_limits == {resource.RLIMIT_NOFILE: soft}

    def test_names_a_program_that_is_not_there(self) -> None:
        with pytest.raises(LaunchError, match="nope is not in PATH"):
            self.plan(body(command=["nope"]))

    def test_names_a_user_that_is_not_there(self) -> None:
        with pytest.raises(LaunchError, match="user nope does not exist"):
            self.plan(body(user="nope"))

    def test_looks_things_up_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        found = body(command=["true"], user="nobody")
        first = self.plan(found)
        monkeypatch.setattr(os, "access", lambda *args, **kwargs: pytest.fail("looked again"))
        monkeypatch.setattr("pwd.getpwnam", lambda name: pytest.fail("looked again"))
        assert self.plan(found) == first
