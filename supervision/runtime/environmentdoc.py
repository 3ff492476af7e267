"""Environment variables in a document: plain text, or a reference to a secret that only the node can see.

A tree never holds a secret. `{secret: NAME}` is what the node's own environment holds as OVERSTORY_SECRET_NAME (a prefix,
so that a tree cannot ask for our DATABASE_URL), `{secret_file: PATH}` the content of a file on the node. Both are read when
a process is started; documents, journal and pages show the reference.
"""

from supervision.runtime.fielddoc import REQUIRED, Field, Section
from supervision.runtime.fieldshapes import Either, ListOf, MapOf, Short
from supervision.runtime.fieldtypes import Flag, PathText, Text

SECRET_PREFIX = "OVERSTORY_SECRET_"  # noqa: S105 the name of a variable
MAX_VALUE = 128 * 1024 - 1
"""Linux: MAX_ARG_STRLEN, the most one argument or `NAME=value` may take."""

VARIABLE = r"[A-Za-z_][A-Za-z0-9_.-]{0,254}"

RESERVED = frozenset(
    {
        "OVERSTORY_CHILD", "OVERSTORY_INCARNATION", "OVERSTORY_NODE", "OVERSTORY_MARK", "OVERSTORY_SOCKET",
        "OVERSTORY_GUARDIAN_FDS",
        "OVERSTORY_AGENT", "OVERSTORY_AGENT_ARGUMENTS", "OVERSTORY_AGENT_METADATA",
        "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "WATCHDOG_USEC", "WATCHDOG_PID",
    }
)  # fmt: skip
"""What the node says to a child: a tree may not speak in its place."""


def _reserved(name: str) -> str | None:
    return f"{name} is set by Overstory itself" if name in RESERVED else None


_REFERENCE = Section(
    "secret",
    (
        Field(
            "secret",
            Text("name of a secret", VARIABLE),
            None,
            f"The node's environment holds it as `{SECRET_PREFIX}NAME`.",
        ),
        Field("secret_file", PathText(), None, "A file on the node; one newline at its end is left out."),
    ),
    one_of=("secret", "secret_file"),
    words="`{secret: NAME}` or `{secret_file: PATH}`",
)

ENVIRONMENT = MapOf(
    Text("variable", VARIABLE, examine=_reserved),
    Either((_REFERENCE, Text("text", least=0, most=MAX_VALUE))),
    most=1000,
)

ENVIRONMENT_FILES = ListOf(
    Short(
        Section(
            "environment file",
            (
                Field("path", PathText(), REQUIRED, "File of `NAME=value` lines."),
                Field("optional", Flag(), False, "A missing file is no error."),
            ),
        ),
        "path",
    ),
    most=32,
    called="list of paths, or of the mapping",
)
