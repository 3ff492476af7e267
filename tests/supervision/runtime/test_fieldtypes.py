"""Every field of a process: what it becomes, and in which words it is refused."""

from typing import Any

import pytest

from supervision.runtime.fieldtypes import bytes_of, duration_text, seconds_of, size_text
from supervision.runtime.treedoc import parse_tree
from tests.supervision.runtime.tree_documents import child, faults, section, tree

PROCESS = "/supervisor/children/0/process"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (5, 5), (0, 0), (0.5, 0.5), (5.0, 5), ("5s", 5), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("1d", 86400),
        ("1m30s", 90), ("1.5h", 5400), ("0s", 0), ("0.1s", 0.1), ("1ms", 0.001),
        ("5", None), ("s", None), ("", None), ("5 s", None), ("-5s", None), ("5S", None), ("1:30", None), ("5s\n", None),
        ("٣s", None), ("9" * 13 + "s", None), (True, None), (None, None), (float("nan"), None), (float("inf"), None),
        ([], None),
    ],
)  # fmt: skip
def test_a_duration(written: Any, seconds: float | None) -> None:
    assert seconds_of(written) == seconds
    if seconds is not None:
        assert type(seconds_of(written)) is type(seconds)
        assert seconds_of(duration_text(seconds)) == seconds


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (0, 0), (1, 1), (1.0, 1), ("1B", 1), ("1KiB", 1024), ("64MiB", 64 * 2**20), ("1.5GiB", 3 * 2**29), ("1 TiB", 2**40),
        ("1KB", None), ("1kib", None), ("1", None), ("", None), ("1.5B", None), (1.5, None), (True, None), ("-1B", None),
    ],
)  # fmt: skip
def test_a_size(written: Any, size: int | None) -> None:
    assert bytes_of(written) == size
    if size is not None:
        assert bytes_of(size_text(size)) == size


@pytest.mark.parametrize(
    ("field", "written", "becomes"),
    [
        ("command", ["a", 1, "", "x y"], ["a", "1", "", "x y"]),
        ("command", ("a", "b"), ["a", "b"]),
        ("cwd", "/srv/../srv//x/", "/srv/x"),
        ("cwd", "//srv", "/srv"),
        ("user", 1000, "1000"),
        ("user", "www-data", "www-data"),
        ("umask", "022", "0022"),
        ("umask", 22, "0022"),
        ("umask", "0o27", "0027"),
        ("umask", 0, "0000"),
        ("nice", -20, -20),
        ("stop_signal", "SIGINT", "INT"),
        ("stop_signal", "QUIT", "QUIT"),
        (
            "environment",
            {"PORT": 8080, "EMPTY": "", "X.y-z": "a=b\nc"},
            {"PORT": "8080", "EMPTY": "", "X.y-z": "a=b\nc"},
        ),
        ("environment", {"A": {"secret": "B", "secret_file": None}}, {"A": {"secret": "B"}}),
        ("environment_files", ["/a"], [{"path": "/a", "optional": False}]),
        (
            "limits",
            {"cpu": "1m", "as": "1KiB", "core": {"hard": 0}},
            {"cpu": 60, "as": 1024, "core": {"hard": 0}},
        ),
        ("pre_start", [["a"]], [{"command": ["a"], "timeout": 60}]),
        ("output", {}, {"max_bytes": 64 * 2**20, "segments": 8}),
        (
            "sockets",
            [{"name": "a", "address": ":80"}],
            [{"name": "a", "type": "tcp", "address": "127.0.0.1:80", "backlog": 2048}],
        ),
        (
            "sockets",
            [{"name": "a", "type": "udp", "address": "[0:0::1]:053"}],
            [{"name": "a", "type": "udp", "address": "[::1]:53", "backlog": 2048}],
        ),
        (
            "sockets",
            [{"name": "a", "type": "unix", "address": "/run/a b"}],
            [{"name": "a", "type": "unix", "address": "/run/a b", "backlog": 2048}],
        ),
        ("readiness", {"notify": True}, {"notify": True, "interval": 1, "timeout": 5, "start_period": 0}),
        (
            "readiness",
            {"http": {"url": "https://[::1]:8443/x?y"}, "deadline": "infinity"},
            {
                "http": {"url": "https://[::1]:8443/x?y", "status": ["2xx", "3xx"]},
                "interval": 1,
                "timeout": 5,
                "start_period": 0,
                "deadline": "infinity",
            },
        ),
    ],
)
def test_becomes(field: str, written: Any, becomes: Any) -> None:
    fields = {field: written}
    assert section(field, **{"command": ["x"], **fields})[field] == becomes


@pytest.mark.parametrize(
    ("fields", "pointer", "words"),
    [
        ({"command": "sleep 10"}, "command", "a command is a list, never a shell line: [sleep, 10]"),
        ({"command": []}, "command", "a list of 0: it holds 1 to 4096"),
        ({"command": [""]}, "command/0", "the name of the program is empty"),
        ({"command": ["a", 1.5]}, "command/1", "1.5 is no text; write it in quotes"),
        ({"command": ["a", True]}, "command/1", "true is no text; write it in quotes"),
        ({"command": ["a", None]}, "command/1", "nothing (null) is no text"),
        ({"command": ["a\0b"]}, "command/0", "holds a NUL character"),
        ({"command": ["a", "x" * 131072]}, "command/1", "131072 characters: at most 131071"),
        ({"cwd": "app"}, "cwd", "'app' is no absolute path"),
        ({"cwd": ""}, "cwd", "is empty"),
        ({"cwd": "~/x"}, "cwd", "'~/x' is no absolute path"),
        ({"user": "a b"}, "user", "'a b' is no name or number of a user"),
        ({"user": -1}, "user", "'-1' is no name or number"),
        ({"umask": "999"}, "umask", "'999' is not a umask: octal digits"),
        ({"umask": 18}, "umask", "18 is not a umask"),
        ({"umask": "1777"}, "umask", "'1777' is not a umask"),
        ({"nice": 20}, "nice", "20 is no whole number, -20 to 19"),
        ({"nice": 1.5}, "nice", "1.5 is no whole number"),
        (
            {"stop_signal": "TREM"},
            "stop_signal",
            "'TREM' is not the name of a signal, such as `TERM`; did you mean 'TERM'?",
        ),
        ({"stop_signal": "STOP"}, "stop_signal", "'STOP' is not the name of a signal"),
        ({"stop_signal": 15}, "stop_signal", "15 is not the name of a signal"),
        ({"environment": []}, "environment", "a list is no mapping of variable"),
        ({"environment": {"A B": "x"}}, "environment/A B", "'A B' is no variable"),
        ({"environment": {"A=B": "x"}}, "environment/A=B", "is no variable"),
        (
            {"environment": {"NOTIFY_SOCKET": "x"}},
            "environment/NOTIFY_SOCKET",
            "NOTIFY_SOCKET is set by Overstory itself",
        ),
        ({"environment": {"A": True}}, "environment/A", "true is no text; write it in quotes"),
        ({"environment": {"A": 1.1}}, "environment/A", "1.1 is no text; write it in quotes"),
        ({"environment": {"A": None}}, "environment/A", "nothing (null)"),
        ({"environment": {"A": {}}}, "environment/A", "exactly one of secret, secret_file: none is given"),
        (
            {"environment": {"A": {"secret": "x", "secret_file": "/y"}}},
            "environment/A",
            "secret and secret_file are given",
        ),
        ({"environment": {"A": {"secrte": "x"}}}, "environment/A/secrte", "did you mean 'secret'?"),
        ({"environment_files": ["a"]}, "environment_files/0", "'a' is no absolute path"),
        ({"limits": {"nofiles": 1}}, "limits/nofiles", "did you mean 'nofile'?"),
        (
            {"limits": {"nofile": "many"}},
            "limits/nofile",
            "'many' is no `unlimited` or `{soft, hard}` or whole number",
        ),
        ({"limits": {"nofile": "unlimitted"}}, "limits/nofile", "did you mean 'unlimited'?"),
        ({"limits": {"as": {}}}, "limits/as", "neither soft nor hard is given"),
        (
            {"limits": {"as": {"soft": 2, "hard": 1}}},
            "limits/as/soft",
            "the soft limit 2 is above the hard one 1",
        ),
        ({"limits": {"as": {"soft": "unlimited", "hard": 1}}}, "limits/as/soft", "is above the hard one"),
        ({"limits": {"cpu": "1500ms"}}, "limits/cpu", "1.5 s: a limit of CPU time has whole seconds"),
        ({"limits": {"memory_max": "1KiB"}}, "limits/memory_max", "'1KiB' is out of bounds: size, 1MiB to"),
        ({"reload": "hup"}, "reload", "'hup' is not one of none, signal, notify"),
        ({"reload_signal": "HUP"}, "reload_signal", "has no effect: write `reload: signal`"),
        ({"descendants": "adopt"}, "descendants", "'adopt' is not one of kill, keep"),
        (
            {"pre_start": ["a b"]},
            "pre_start/0",
            "'a b' is no list of arguments, the program first or `{command, timeout}`",
        ),
        ({"pre_start": [{"timeout": 5}]}, "pre_start/0", "`command` is missing"),
        (
            {"pre_start": [{"command": ["a"], "timeout": "0s"}]},
            "pre_start/0/timeout",
            "out of bounds: duration, 100ms to 1d",
        ),
        ({"readiness": {}}, "readiness", "exactly one of notify, exec, tcp, http, completed: none is given"),
        ({"readiness": {"notify": True, "tcp": {"port": 1}}}, "readiness", "notify and tcp are given"),
        ({"readiness": {"notify": False}}, "readiness/notify", "write true, or leave `readiness` out"),
        ({"readiness": {"notify": "yes"}}, "readiness/notify", "'yes' is neither true nor false; write true"),
        ({"readiness": {"tcp": {"port": 0}}}, "readiness/tcp/port", "0 is no whole number, 1 to 65535"),
        ({"readiness": {"http": {"url": "localhost:80"}}}, "readiness/http/url", "begins with http://HOST"),
        (
            {"readiness": {"http": {"url": "http://u:p@h/"}}},
            "readiness/http/url",
            "no user name and password",
        ),
        ({"readiness": {"http": {"url": "http://h:99999/"}}}, "readiness/http/url", "is not a URL"),
        (
            {"readiness": {"http": {"url": "http://h/ x"}}},
            "readiness/http/url",
            "is not a URL a probe can ask",
        ),
        (
            {"readiness": {"http": {"url": "http://h/", "status": []}}},
            "readiness/http/status",
            "it holds 1 to 100",
        ),
        (
            {"readiness": {"http": {"url": "http://h/", "status": "6xx"}}},
            "readiness/http/status",
            "'6xx' is no HTTP status",
        ),
        (
            {"readiness": {"notify": True, "start_period": "2m"}},
            "readiness/start_period",
            "no probe would begin before the deadline of 90 s",
        ),
        ({"watchdog": "1ms"}, "watchdog", "out of bounds: duration, 50ms to 1d"),
        ({"sockets": [{"name": "a", "address": "80"}]}, "sockets/0/address", "'80' is not HOST:PORT"),
        (
            {"sockets": [{"name": "a", "address": "*:80"}]},
            "sockets/0/address",
            "for all addresses write 0.0.0.0 or [::]",
        ),
        (
            {"sockets": [{"name": "a", "address": "example.com:80"}]},
            "sockets/0/address",
            "the host is an IP address",
        ),
        (
            {"sockets": [{"name": "a", "address": "::1:80"}]},
            "sockets/0/address",
            "brackets stand around an IPv6 address",
        ),
        ({"sockets": [{"name": "a", "address": "1.2.3.4:0"}]}, "sockets/0/address", "is not HOST:PORT"),
        ({"sockets": [{"name": "a", "address": "1.2.3.4:70000"}]}, "sockets/0/address", "is not HOST:PORT"),
        (
            {"sockets": [{"name": "a", "type": "unix", "address": "x"}]},
            "sockets/0/address",
            "'x' is not an absolute path",
        ),
        (
            {"sockets": [{"name": "a", "type": "unix", "address": "/" + "ä" * 60}]},
            "sockets/0/address",
            "a path of 121 bytes: a unix socket has at most 107",
        ),
        ({"sockets": [{"name": "a:b", "address": ":1"}]}, "sockets/0/name", "'a:b' is no name"),
        (
            {"sockets": [{"name": "a", "address": ":1"}, {"name": "a", "address": ":2"}]},
            "sockets/1/name",
            "another socket is called 'a'",
        ),
        ({"output": {"segments": 1}}, "output/segments", "1 is no whole number, 2 to 1000"),
        ({"comand": ["x"]}, "comand", "unknown key 'comand' in `process`; did you mean 'command'?"),
    ],
)
def test_refuses(fields: dict[str, Any], pointer: str, words: str) -> None:
    found = faults(tree(child(process=fields)))
    at = f"{PROCESS}/{pointer}"
    assert at in found, found
    assert words in found[at]
    assert len(found) == 1


@pytest.mark.parametrize(
    ("kind", "fields", "pointer", "words"),
    [
        ("agent", {}, "", "exactly one of entry_point, command, config: none is given"),
        ("agent", {"entry_point": "a.b"}, "/entry_point", "'a.b' is no `package.module:Class`"),
        ("agent", {"entry_point": "a:B", "revision": 1}, "/revision", "a revision is of a `config`"),
        ("agent", {"entry_point": "a:B", "metadata": {"x": "y" * 70_000}}, "/metadata", "at most 65536"),
        (
            "agent",
            {"entry_point": "a:B", "metadata": {"x": float("nan")}},
            "/metadata",
            "nan is not a number JSON can say",
        ),
        ("agent", {"entry_point": "a:B", "arguments": []}, "/arguments", "a list is no JSON object"),
        ("agent", {"entry_point": "a:B", "preload": ["a", "a"]}, "/preload/1", "'a' stands here twice"),
        ("celery_worker", {}, "", "`app` is missing"),
        ("celery_worker", {"app": "a", "queues": []}, "/queues", "it holds 1 to 100"),
        (
            "celery_worker",
            {"app": "a", "scale": {"min": 3, "max": 2}},
            "/scale/min",
            "3 is more than the maximum of 2",
        ),
        (
            "celery_worker",
            {"app": "a", "task_time_limit": 5, "task_soft_time_limit": 5},
            "/task_soft_time_limit",
            "the soft limit comes before `task_time_limit`",
        ),
        ("celery_worker", {"app": "a", "pool": "preforks"}, "/pool", "did you mean 'prefork'?"),
        ("celery_task", {"app": "a"}, "", "`task` is missing"),
        ("celery_task", {"app": "a", "task": "b", "args": {}}, "/args", "a mapping is no JSON list"),
        (
            "celery_task",
            {"app": "a", "task": "b", "sockets": []},
            "/sockets",
            "unknown key 'sockets'",
        ),
    ],
)
def test_refuses_in_other_kinds(kind: str, fields: dict[str, Any], pointer: str, words: str) -> None:
    found = faults(tree({"id": "a", kind: fields}))
    at = f"/supervisor/children/0/{kind}{pointer}"
    assert at in found, found
    assert words in found[at]
    assert len(found) == 1


def test_refuses_instances_where_scale_says_how_many() -> None:
    found = faults(tree({"id": "a", "instances": 2, "celery_worker": {"app": "a", "scale": {"max": 3}}}))
    assert found == {"/supervisor/children/0/instances": "`scale` says how many there are"}


def test_json_is_bounded_in_depth() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    found = faults(tree({"id": "a", "celery_task": {"app": "a", "task": "b", "args": [deep]}}))
    assert found == {"/supervisor/children/0/celery_task/args": "nested too deep: at most 32 levels"}


def test_json_keeps_its_numbers_as_they_are() -> None:
    document = tree({"id": "a", "celery_task": {"app": "a", "task": "b", "args": [5.0, 2.0**63, -0.0, 5]}})
    for _ in range(2):
        task = parse_tree(document).document["supervisor"]["children"][0]["celery_task"]
        assert [repr(each) for each in task["args"]] == ["5.0", "9.223372036854776e+18", "-0.0", "5"]
        document = parse_tree(document).document
