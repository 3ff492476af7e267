"""Asking before something that is hard to take back."""

import sys

from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.terminal import Terminal


def confirm(question: str, terminal: Terminal, *, yes: bool) -> None:
    """Return when the operator agrees; CliError (failed) when not.

    Without a terminal nobody can agree, so --yes is asked for instead of assuming either answer.
    """
    if yes:
        return
    if terminal.json or not terminal.interactive:
        raise CliError(f"{question} Nobody can answer here: repeat with --yes.", code="needs_yes")
    terminal.out.flush()
    terminal.err.write(f"{question} [y/N] ")
    terminal.err.flush()
    answer = sys.stdin.readline()
    if not answer:
        terminal.note("")
    if answer.strip().lower() not in ("y", "yes"):
        raise CliError("nothing was done", exit_code=ExitCode.FAILED, code="declined")
