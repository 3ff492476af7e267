"""What each operation of the control socket may be asked with: one table, and the one place that reads it.

An argument that is missing or of another kind is refused by name before anything is done or recorded; what the table does
not name is ignored (docs/adr/0005). So an operation's code sees only what it may see, and so does the journal.
"""

import re
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from supervision.kernel.actions import ChildState
from supervision.runtime.control_wire import ControlError, shown
from supervision.runtime.fieldtypes import NAME

MAX_TEXT = 4096
MAX_SECONDS = 366 * 24 * 3600.0
MAX_PID = 4_194_304
"""Linux: PID_MAX_LIMIT."""
MAX_REVISION = 2**53
MAX_FENCED = 10_000
REQUIRED = object()
UNSAID = object()
"""Of an argument that means something also when it is null."""

Read = Callable[[Any], Any]
"""From JSON to what the operation takes; raises ValueError with words that follow the argument's name."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument. Without a `default` it is needed; null is the same as not given, unless the default is UNSAID."""

    name: str
    read: Read
    default: Any = REQUIRED
    recorded: bool = True
    """Whether the command's record holds it: documents stand in the records of what they did."""

    def take(self, args: Mapping[str, Any]) -> Any:
        """Its value in `args`; ControlError."""
        given = args.get(self.name)
        if given is None:
            if self.default is REQUIRED:
                raise ControlError("bad_request", f"{self.name} is needed", f"/args/{self.name}")
            return None if self.default is UNSAID and self.name in args else self.default
        try:
            return self.read(given)
        except ValueError as error:
            words = f"{self.name} {error}, not {shown(given)}"
            raise ControlError("bad_request", words, f"/args/{self.name}") from None


def text(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        raise ValueError(f"is text of 1 to {MAX_TEXT} characters")
    return value


def remark(value: Any) -> str:
    """Text that may be empty."""
    return value if value == "" else text(value)


def name(value: Any) -> str:
    if not isinstance(value, str) or re.fullmatch(NAME, value) is None:
        raise ValueError(
            "is a name: letters, digits, `.`, `_` and `-`, the first a letter or digit, at most 63"
        )
    return value


def seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MAX_SECONDS:
        raise ValueError("is a number of seconds, not negative, at most a year")
    return float(value)


def pid(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MAX_PID:
        raise ValueError("is the number of a process")
    return value


def revision(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MAX_REVISION:
        raise ValueError("is the number of a revision")
    return value


def word(*words: str) -> Read:
    def read(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"is one of {', '.join(words)}")
        return value

    return read


def signal_number(value: Any) -> int:
    """A name, with or without SIG, or a number."""
    try:
        if isinstance(value, str):
            return int(signal.Signals[f"SIG{value.upper().removeprefix('SIG')}"])
        if isinstance(value, int) and not isinstance(value, bool):
            return int(signal.Signals(value))
    except (KeyError, ValueError):
        pass
    raise ValueError("is a signal, such as TERM or 15")


def seconds_of_boot(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        raise ValueError("is a time in seconds since the machine's boot")
    return float(value)


def epoch(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_REVISION:
        raise ValueError("is the number of an epoch")
    return value


def epochs(value: Any) -> dict[str, int]:
    """Names of trees and their epochs."""
    if not isinstance(value, dict) or len(value) > MAX_FENCED:
        raise ValueError("is an object of trees and their epochs")
    return {name(tree): epoch(number) for tree, number in value.items()}


def dsns(value: Any) -> dict[str, str]:
    """Names of trees, and where their children report errors."""
    if not isinstance(value, dict) or len(value) > MAX_FENCED:
        raise ValueError("is an object of trees and their DSNs")
    return {name(tree): text(dsn) for tree, dsn in value.items()}


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is true or false")
    return value


def anything(value: Any) -> Any:
    """A document: read by the tables of tree documents."""
    return value


_COMMAND_ID = Argument("command_id", text, None, recorded=False)
_BY = Argument("by", text, None, recorded=False)
_COMMAND = (_COMMAND_ID, _BY)
"""Of a command from the store: its id, under which it is carried out once, and for whom."""
_KEY = Argument("key", text)
_PID = Argument("pid", pid)
_SPEC = Argument("spec", anything, recorded=False)

ARGUMENTS: Mapping[str, tuple[Argument, ...]] = {
    "status": (),
    "tree": (Argument("tree", text, None), Argument("key", text, None)),
    "spec": (Argument("tree", text),),
    "strays": (),
    "watch": (),
    "wait": (
        _KEY,
        Argument("state", word(*(str(state) for state in ChildState)), "running"),
        Argument("timeout_s", seconds, 30.0),
    ),
    "plan": (_SPEC,),
    "trees": (),
    "health": (
        Argument("since", epoch, 0, recorded=False),
        Argument("lines_since", epoch, 0, recorded=False),
    ),
    "apply": (
        _SPEC,
        Argument("message", remark, ""),
        Argument("from_revision", revision, UNSAID),
        Argument("revision", revision, None),
        Argument("origin", word("local", "store"), "local", recorded=False),
        Argument("epoch", epoch, None, recorded=False),
        Argument("fence", flag, None, recorded=False),
        Argument("carry", anything, None, recorded=False),
        _BY,
    ),
    "delete": (
        Argument("tree", text),
        Argument("from_revision", revision, UNSAID),
        Argument("origin", word("local", "store"), "local", recorded=False),
        _BY,
    ),
    "lease": (
        Argument("sent", seconds_of_boot),
        Argument("ttl_s", seconds),
        Argument("trees", epochs, recorded=False),
    ),
    "reporting": (
        Argument("mark", text),
        Argument("dsns", dsns, recorded=False),
    ),
    "start": (_KEY, *_COMMAND),
    "stop": (_KEY, *_COMMAND),
    "restart": (_KEY, *_COMMAND),
    "recycle": (
        _KEY,
        Argument("why", remark, ""),
        Argument("incarnation", revision, None),
        Argument("stand_in", flag, None),
        *_COMMAND,
    ),
    "hold": (_KEY, Argument("seconds", seconds, None), *_COMMAND),
    "release": (_KEY, *_COMMAND),
    "signal": (_KEY, Argument("signal", signal_number), *_COMMAND),
    "reload": (_KEY, *_COMMAND),
    "start_child": (
        Argument("supervisor", text),
        Argument("instance", name, None),
        Argument("child", anything, None, recorded=False),
        *_COMMAND,
    ),
    "delete_child": (_KEY, *_COMMAND),
    "adopt_stray": (_PID, _KEY, *_COMMAND),
    "end_stray": (_PID, *_COMMAND),
    "shutdown": (),
    "reexec": (Argument("what", word("node", "guardian", "both"), "both"),),
}
"""Every operation there is."""


def read_arguments(op: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `op`, defaults filled in. Raises ControlError, for an operation that does not exist too."""
    arguments = ARGUMENTS.get(op)
    if arguments is None:
        raise ControlError("bad_request", f"unknown operation {shown(op)}", "/op")
    return {argument.name: argument.take(args) for argument in arguments}


def to_record(op: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """What the journal keeps of arguments that were read."""
    recorded = {argument.name for argument in ARGUMENTS[op] if argument.recorded}
    return {key: value for key, value in args.items() if key in recorded and value not in (None, "", UNSAID)}
