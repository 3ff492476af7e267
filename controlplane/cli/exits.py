"""Exit codes of every command: one enum, documented in docs/cli.md, held by a test."""

from collections.abc import Mapping
from enum import IntEnum

from supervision.runtime.client import ControlError, DeadlineError, NodeUnreachableError


class ExitCode(IntEnum):
    """How a command ended. Scripts may rely on these numbers; new ones are added at the end."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    UNREACHABLE = 4
    TIMEOUT = 5
    INTERRUPTED = 130
    """Ctrl-C: 128 + SIGINT, as a shell reports it."""
    PIPE_CLOSED = 141
    """The reader of our output went away: 128 + SIGPIPE, quietly."""


CHANGES = 2
"""`plan --detailed-exitcode` with changes to make: terraform's number, so that pipelines need no translation. With that
option a wrong command line ends with 1, again as terraform does, so that a typing error never reads as changes."""


MEANINGS: dict[ExitCode, str] = {
    ExitCode.DONE: "done, or nothing had to be done",
    ExitCode.FAILED: "failed, or refused",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.NOT_FOUND: "no such tree, supervisor or child",
    ExitCode.UNREACHABLE: "no node answers",
    ExitCode.TIMEOUT: "not done within the deadline; what was asked still stands",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C",
    ExitCode.PIPE_CLOSED: "the reader of the output went away",
}


class CliError(Exception):
    """A command ends here, with words for the operator and an exit code; never with a traceback."""

    def __init__(
        self,
        message: str,
        *,
        exit_code: ExitCode = ExitCode.FAILED,
        code: str | None = None,
        pointer: str | None = None,
        hint: str | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
        self.code = code or _CODES[exit_code]
        self.pointer = pointer
        self.hint = hint
        """What the operator can do about it; printed below the message."""
        self.details = dict(details or {})
        """What else a program may want to know; stands beside code and message with --json."""

    def to_json(self) -> dict[str, object]:
        """The shape every command prints with --json when it fails."""
        return {
            "error": {"code": self.code, "message": self.message, "pointer": self.pointer, **self.details}
        }


_CODES = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "failed",
    ExitCode.USAGE: "usage",
    ExitCode.NOT_FOUND: "not_found",
    ExitCode.UNREACHABLE: "unreachable",
    ExitCode.TIMEOUT: "timeout",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.PIPE_CLOSED: "pipe_closed",
}


def from_control(error: ControlError) -> CliError:
    """What a refusal of the node, or its absence, means for the command that asked."""
    hint = None
    if isinstance(error, NodeUnreachableError):
        exit_code = ExitCode.UNREACHABLE
        hint = "`manage.py doctor` says what runs; `manage.py guardian` starts it."
        if error.sent:
            hint = "It may have been done: look with `manage.py tree`, then ask again."
    elif isinstance(error, DeadlineError):
        exit_code = ExitCode.TIMEOUT
    elif error.code == "not_found":
        exit_code = ExitCode.NOT_FOUND
    else:
        exit_code = ExitCode.FAILED
    return CliError(
        error.message,
        exit_code=exit_code,
        code=error.code,
        pointer=error.pointer,
        hint=hint,
        details=error.details,
    )
