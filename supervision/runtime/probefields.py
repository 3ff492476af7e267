"""What a probe asks: fields that readiness and health have in common, and how a command is written."""

from dataclasses import dataclass
from typing import Any

from supervision.runtime.environmentdoc import MAX_VALUE
from supervision.runtime.fielddoc import INVALID, REQUIRED, Definitions, Field, Report, Section, shown
from supervision.runtime.fieldshapes import Either, ListOf, OneOrMore
from supervision.runtime.fieldtypes import Count, Text


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


_STATUS = Either(
    (
        Count(100, 599),
        Text("HTTP status such as `2xx` or `200-399`", r"[1-5]xx|[1-5][0-9]{2}(?:-[1-5][0-9]{2})?"),
    )
)
PROBES = ("exec", "tcp", "http")

PROBE_FIELDS = (
    Field(
        "exec",
        Section("exec", (Field("command", ARGV, REQUIRED, "Succeeds when it exits with 0."),)),
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
                Field("port", Count(1, 65535), REQUIRED, "Succeeds when the connection is accepted."),
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
                    "Answers that are a success.",
                ),
            ),
        ),
        None,
        "A request; redirects are not followed.",
    ),
)
