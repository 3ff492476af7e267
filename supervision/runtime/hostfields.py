"""Fields of whatever becomes an operating-system process: as whom, where, with which limits and signals it runs.

The `process` section holds them beside its command; agents and Celery workers, processes underneath, hold them too.
"""

import resource
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from supervision.runtime.environmentdoc import ENVIRONMENT, ENVIRONMENT_FILES
from supervision.runtime.fielddoc import (
    INVALID,
    Definitions,
    Field,
    FieldType,
    Report,
    Section,
    held,
    nearest,
    shown,
)
from supervision.runtime.fieldshapes import Either
from supervision.runtime.fieldtypes import Count, Duration, PathText, Size, Text, Word
from supervision.runtime.healthfields import HEALTH

ACCOUNT = r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}\$?"
DAY_S = 86400
UNLIMITED = "unlimited"

SIGNALS = (
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "CHLD", "CONT", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
)  # fmt: skip
"""Without STOP: a process that was asked to stop by it would wait for its kill."""


@dataclass(frozen=True, slots=True)
class SignalName:
    """A signal by name, with or without SIG. Normal form: without."""

    words: str = "name of a signal, such as `TERM`"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str)

    def read(self, value: Any, at: str, report: Report) -> Any:
        name = value.removeprefix("SIG") if isinstance(value, str) else None
        if name in SIGNALS:
            return name
        hint = "" if name is None else nearest(name, SIGNALS)
        report.add(at, f"{shown(value)} is not the {self.words}{hint}")
        return INVALID

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        return value

    def schema(self, defs: Definitions) -> dict[str, Any]:
        return {"enum": [*SIGNALS, *(f"SIG{name}" for name in SIGNALS)]}


def signal_number(name: str) -> int:
    """The number of a signal in normal form."""
    return int(signal.Signals[f"SIG{name}"])


@dataclass(frozen=True, slots=True)
class Umask:
    """Octal digits, as umask(1) takes them: 22, `022` and `0o22` are one. Normal form: four digits."""

    words: str = "octal digits, such as `022`"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str) or (
            isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 777
        )

    def read(self, value: Any, at: str, report: Report) -> Any:
        digits = str(value).removeprefix("0o") if self.accepts(value) else ""
        if 1 <= len(digits) <= 4 and not digits.strip("01234567") and int(digits, 8) <= 0o777:
            return digits.zfill(4)
        report.add(at, f"{shown(value)} is not a umask: {self.words}")
        return INVALID

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        return value

    def schema(self, defs: Definitions) -> dict[str, Any]:
        octal = {"type": "string", "pattern": "^(?:0o)?0?[0-7]{1,3}$"}
        return {"anyOf": [octal, {"type": "integer", "minimum": 0, "maximum": 777}]}


def _check_limit(values: dict[str, Any], at: str, report: Report) -> None:
    if not values:
        report.add(at, "neither soft nor hard is given")
    soft, hard = held(values, "soft"), held(values, "hard")
    if soft is not None and hard is not None and _infinite(soft) > _infinite(hard):
        report.add(f"{at}/soft", f"the soft limit {shown(soft)} is above the hard one {shown(hard)}")


def _infinite(bound: Any) -> float:
    return float("inf") if bound == UNLIMITED else float(bound)


def _limit(name: str, value: FieldType, meaning: str) -> Field:
    bound = Either((Word((UNLIMITED,)), value))
    pair = Section(
        "limit",
        (
            Field(
                "soft", bound, None, "What applies; the process may raise it up to `hard`. Default: `hard`."
            ),
            Field("hard", bound, None, "What it may raise it to. Default: the node's own."),
        ),
        checks=(_check_limit,),
        words="`{soft, hard}`",
        inline=True,
    )
    return Field(name, Either((Word((UNLIMITED,)), pair, value)), None, meaning)


RESOURCES: Mapping[str, int] = {
    name.removeprefix("RLIMIT_").lower(): getattr(resource, name)
    for name in dir(resource)
    if name.startswith("RLIMIT_")
}
"""Number of each limit, by the name tree files and ulimit use."""


def _check_cpu(values: dict[str, Any], at: str, report: Report) -> None:
    cpu = held(values, "cpu")
    bounds = cpu.items() if isinstance(cpu, dict) else [("", cpu)]
    for name, bound in bounds:
        if isinstance(bound, float):
            report.add(f"{at}/cpu/{name}".rstrip("/"), f"{bound:g} s: a limit of CPU time has whole seconds")


LIMITS = Section(
    "limits",
    (
        _limit("nofile", Count(3, 2**30), "Open file descriptors."),
        _limit("nproc", Count(0, 2**22), "Processes of the user, all together."),
        _limit("core", Size(0), "Size of a core dump; 0: none."),
        _limit("as", Size(0), "Address space."),
        _limit("data", Size(0), "Data segment."),
        _limit("stack", Size(0), "Stack."),
        _limit("fsize", Size(0), "Size of a file it writes."),
        _limit("memlock", Size(0), "Locked memory."),
        _limit("msgqueue", Size(0), "POSIX message queues."),
        _limit("cpu", Duration(1), "CPU time, in whole seconds; past it the kernel ends the process."),
        _limit("rtprio", Count(0, 99), "Real-time priority."),
        _limit("sigpending", Count(0, 2**30), "Queued signals."),
        Field(
            "memory_max",
            Size(2**20),
            None,
            "Memory of the child with all its descendants, held by a cgroup; past it the reason of the exit is `oom`.",
        ),
    ),
    checks=(_check_cpu,),
)


HOST = (
    Field(
        "cwd",
        PathText(),
        "/",
        "Working directory. In a tree file a relative path begins at the file's directory.",
    ),
    Field(
        "user", Text("name or number of a user", ACCOUNT), None, "User to run as. Default: the node's own."
    ),
    Field(
        "group", Text("name or number of a group", ACCOUNT), None, "Group to run as. Default: the user's own."
    ),
    Field("umask", Umask(), None, "File mode creation mask. Default: the node's own."),
    Field(
        "nice", Count(-20, 19), None, "Scheduling priority; 19 is the most modest. Default: the node's own."
    ),
    Field(
        "environment", ENVIRONMENT, {}, "Variables of this child; they win over files and over the tree's."
    ),
    Field(
        "environment_files", ENVIRONMENT_FILES, [], "Files of variables, read at each start; later ones win."
    ),
    Field("limits", LIMITS, None, "Resource limits."),
    Field(
        "data_directory",
        PathText(),
        None,
        "Where it keeps files; how much is in it is sampled, and watched for leaks.",
    ),
    Field(
        "stop_signal",
        SignalName(),
        "TERM",
        "Asks the process to stop; `shutdown` says how long until SIGKILL.",
    ),
    Field(
        "descendants",
        Word(("kill", "keep")),
        "kill",
        "What becomes of descendants that are left when the main process ended; kept ones end when the child is stopped.",
    ),
    Field(
        "watchdog",
        Duration(0.05, DAY_S),
        None,
        "The process sends WATCHDOG=1 at least this often, or is killed.",
    ),
    HEALTH,
    Field(
        "output",
        Section(
            "output",
            (
                Field(
                    "max_bytes",
                    Size(64 * 1024),
                    "64MiB",
                    "Captured output that is kept, both streams of all lives.",
                ),
                Field(
                    "segments",
                    Count(2, 1000),
                    8,
                    "Pieces it is kept in; the oldest goes when the bound is reached.",
                ),
            ),
        ),
        None,
        "How much captured output is kept. Default: the node's own bounds.",
    ),
)
