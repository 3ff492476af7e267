"""The fields of a `process` section: a program, what belongs to its start and end, and how it says that it is ready."""

from dataclasses import dataclass
from typing import Any

from supervision.runtime.environmentdoc import MAX_VALUE
from supervision.runtime.fielddoc import INVALID, REQUIRED, Definitions, Field, Report, Section, held, shown
from supervision.runtime.fieldshapes import Either, ListOf, OneOrMore, Short
from supervision.runtime.fieldtypes import NAME_TEXT, Count, Duration, Flag, Text, Word
from supervision.runtime.hostfields import HOST, SignalName

HOUR_S, DAY_S = 3600, 86400
INFINITY = "infinity"
READY_WITHIN_S = 90
"""Default deadline of a start; systemd's is the same."""
UNIX_PATH_MAX = 107
"""Linux: sun_path holds 108 bytes, the last of them NUL."""


@dataclass(frozen=True, slots=True)
class Argv:
    """A program and its arguments. A shell line is refused: what a shell makes of it, nobody can check."""

    words: str = "list of arguments, the program first"

    def accepts(self, value: Any) -> bool:
        return _ARGV.accepts(value)

    def read(self, value: Any, at: str, report: Report) -> Any:
        if isinstance(value, str):
            words = ", ".join(value.split()[:6])
            report.add(
                at, f"a command is a list, never a shell line: [{words}]" if words else "an empty command"
            )
            return INVALID
        argv = _ARGV.read(value, at, report)
        if argv is not INVALID and argv[0] == "":
            report.add(f"{at}/0", "the name of the program is empty")
        return argv

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        return value

    def schema(self, defs: Definitions) -> dict[str, Any]:
        return _ARGV.schema(defs)


_ARGV = ListOf(Text("text", least=0, most=MAX_VALUE), least=1, most=4096)
ARGV = Argv()
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


def _check_url(url: str) -> str | None:
    from urllib.parse import urlsplit  # here and below: a node without such a child starts without them

    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        return f"{shown(url)} is not a URL: {error}"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return f"{shown(url)} is not a URL that begins with http://HOST or https://HOST"
    if parts.username is not None or parts.password is not None:
        return "a URL here holds no user name and password"
    if port == 0 or any(character <= " " for character in url):
        return f"{shown(url)} is not a URL a probe can ask"
    return None


def _check_readiness(values: dict[str, Any], at: str, report: Report) -> None:
    for name in ("notify", "completed"):
        if values.get(name) is False:
            report.add(f"{at}/{name}", "write true, or leave `readiness` out")
    start, deadline = held(values, "start_period"), held(values, "deadline") or READY_WITHIN_S
    if isinstance(start, int | float) and isinstance(deadline, int | float) and start >= deadline:
        report.add(f"{at}/start_period", f"no probe would begin before the deadline of {deadline:g} s")


_STATUS = Either(
    (
        Count(100, 599),
        Text("HTTP status such as `2xx` or `200-399`", r"[1-5]xx|[1-5][0-9]{2}(?:-[1-5][0-9]{2})?"),
    )
)
PROBES = ("exec", "tcp", "http")

READINESS = Section(
    "readiness",
    (
        Field("notify", Flag(), None, "true: the process sends READY=1 to NOTIFY_SOCKET (sd_notify)."),
        Field(
            "exec",
            Section("exec", (Field("command", ARGV, REQUIRED, "Ready when it exits with 0."),)),
            None,
            "A program that is run with the environment, user and directory of the child.",
        ),
        Field(
            "tcp",
            Section(
                "tcp",
                (
                    Field(
                        "host",
                        Text("host name or address", r"[^\s/]{1,253}"),
                        "127.0.0.1",
                        "Where to connect.",
                    ),
                    Field("port", Count(1, 65535), REQUIRED, "Ready when the connection is accepted."),
                ),
            ),
            None,
            "A connection that is opened and closed.",
        ),
        Field(
            "http",
            Section(
                "http",
                (
                    Field("url", Text("http or https URL", examine=_check_url), REQUIRED, "Asked with GET."),
                    Field(
                        "status",
                        OneOrMore(ListOf(_STATUS, least=1, most=100)),
                        ["2xx", "3xx"],
                        "Answers that mean ready.",
                    ),
                ),
            ),
            None,
            "A request; redirects are not followed.",
        ),
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
    checks=(_check_names, _check_reload),
)
