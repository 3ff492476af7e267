"""The fields of a `process` section: a program, what belongs to its start and end, and how it says that it is ready."""

from typing import Any

from supervision.runtime.fielddoc import REQUIRED, Field, Report, Section, held, shown
from supervision.runtime.fieldshapes import Either, ListOf, Short
from supervision.runtime.fieldtypes import NAME_TEXT, Count, Duration, Flag, Text, Word
from supervision.runtime.healthfields import check_names
from supervision.runtime.hostfields import HOST, SignalName
from supervision.runtime.probefields import ARGV, PROBE_FIELDS, PROBES

HOUR_S, DAY_S = 3600, 86400
INFINITY = "infinity"
READY_WITHIN_S = 90
"""Default deadline of a start; systemd's is the same."""
UNIX_PATH_MAX = 107
"""Linux: sun_path holds 108 bytes, the last of them NUL."""


COMMAND = Section(
    "command",
    (
        Field("command", ARGV, REQUIRED, "Program and arguments; never a shell line."),
        Field("timeout", Duration(0.1, DAY_S), "60s", "After this it and all its descendants are killed."),
    ),
)
COMMANDS = ListOf(
    Short(COMMAND, "command"), most=32, called="list of commands, each a list of arguments or the mapping"
)


def _check_readiness(values: dict[str, Any], at: str, report: Report) -> None:
    for name in ("notify", "completed"):
        if values.get(name) is False:
            report.add(f"{at}/{name}", "write true, or leave `readiness` out")
    start, deadline = held(values, "start_period"), held(values, "deadline") or READY_WITHIN_S
    if isinstance(start, int | float) and isinstance(deadline, int | float) and start >= deadline:
        report.add(f"{at}/start_period", f"no probe would begin before the deadline of {deadline:g} s")


READINESS = Section(
    "readiness",
    (
        Field("notify", Flag(), None, "true: the process sends READY=1 to NOTIFY_SOCKET (sd_notify)."),
        *PROBE_FIELDS,
        Field("completed", Flag(), None, "true: when it has ended normally, a job that others wait for."),
        Field("interval", Duration(0.01, HOUR_S), "1s", "Between the end of a probe and the next one."),
        Field("timeout", Duration(0.01, HOUR_S), "5s", "A probe that takes longer has failed."),
        Field("start_period", Duration(0, DAY_S), "0s", "No probe before this time after the start."),
        Field(
            "deadline",
            Either((Word((INFINITY,)), Duration(0.1, DAY_S))),
            None,
            "A start that is not ready by then has failed: the process is killed, and restarted as `restart` says. "
            "Default: 90 s; with `completed`, infinity.",
        ),
    ),
    one_of=("notify", *PROBES, "completed"),
    checks=(_check_readiness,),
)


def _check_socket(values: dict[str, Any], at: str, report: Report) -> None:
    kind, address = held(values, "type"), held(values, "address")
    if kind is None or address is None:
        return
    problem = _unix_problem(address) if kind == "unix" else None
    if kind != "unix":
        host, problem = _split_address(address)
        if problem is None:
            values["address"] = host
    if problem is not None:
        report.add(f"{at}/address", problem)


def _unix_problem(address: str) -> str | None:
    if not address.startswith("/"):
        return f"{shown(address)} is not an absolute path"
    size = len(address.encode())
    return (
        None
        if size <= UNIX_PATH_MAX
        else f"a path of {size} bytes: a unix socket has at most {UNIX_PATH_MAX}"
    )


def _split_address(address: str) -> tuple[str, str | None]:
    """(normal form, problem) of `HOST:PORT`; no host means this host only, as `localhost` does."""
    import ipaddress

    host, colon, port = address.rpartition(":")
    wrong = f"{shown(address)} is not HOST:PORT, such as 127.0.0.1:8000 or [::1]:8000"
    if (
        not colon
        or not port.isascii()
        or not port.isdecimal()
        or not 1 <= int(port[:6]) <= 65535
        or len(port) > 5
    ):
        return "", wrong
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if bare in ("", "localhost"):
        return f"127.0.0.1:{int(port)}", None
    if bare == "*":
        return "", "for all addresses write 0.0.0.0 or [::]"
    try:
        found = ipaddress.ip_address(bare)
    except ValueError:
        return "", f"{wrong}: the host is an IP address, and no name is looked up"
    if (found.version == 6) != (bare != host):
        return "", f"{wrong}: brackets stand around an IPv6 address"
    return (f"[{found}]:{int(port)}" if found.version == 6 else f"{found}:{int(port)}"), None


SOCKET = Section(
    "socket",
    (
        Field("name", NAME_TEXT, REQUIRED, "Name in LISTEN_FDNAMES."),
        Field("type", Word(("tcp", "unix", "udp")), "tcp", "What to listen on."),
        Field(
            "address",
            Text("HOST:PORT, or a path"),
            REQUIRED,
            "`127.0.0.1:8000`, `[::]:80`, or the path of a unix socket.",
        ),
        Field("backlog", Count(1, 65535), 2048, "Connections that wait while nobody accepts."),
    ),
    checks=(_check_socket,),
)


def _check_names(values: dict[str, Any], at: str, report: Report) -> None:
    seen: set[str] = set()
    for index, socket in enumerate(held(values, "sockets") or ()):
        name = held(socket, "name") if isinstance(socket, dict) else None
        if name in seen:
            report.add(f"{at}/sockets/{index}/name", f"another socket is called {name!r}")
        if name is not None:
            seen.add(name)


def _check_reload(values: dict[str, Any], at: str, report: Report) -> None:
    if held(values, "reload_signal") is not None and held(values, "reload") == "none":
        report.add(f"{at}/reload_signal", "has no effect: write `reload: signal` or `reload: notify`")


PROCESS = Section(
    "process",
    (
        Field("command", ARGV, REQUIRED, "Program and arguments; never a shell line."),
        *HOST,
        Field(
            "reload",
            Word(("none", "signal", "notify")),
            "none",
            "What `reload` does: refuse, send `reload_signal`, or send it and await RELOADING=1 and READY=1.",
        ),
        Field("reload_signal", SignalName(), None, "Default with `reload: signal` or `notify`: `HUP`."),
        Field(
            "pre_start",
            COMMANDS,
            [],
            "Run one after another before each start; one that fails fails the start.",
        ),
        Field(
            "post_stop",
            COMMANDS,
            [],
            "Run one after another when the process has ended, whatever the reason.",
        ),
        Field("readiness", READINESS, None, "When it is ready. Default: when it runs."),
        Field(
            "sockets",
            ListOf(SOCKET, most=64),
            [],
            "Bound by the node and handed over as LISTEN_FDS; they outlive it.",
        ),
    ),
    checks=(_check_names, _check_reload, check_names),
)
