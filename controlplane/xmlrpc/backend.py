"""What the interface needs of the control plane, so that it can be run against the real one and against one in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from controlplane.xmlrpc.programs import Program

Verb = Literal["start", "stop", "signal"]
Stream = Literal["out", "err"]


class Refused(Exception):  # noqa: N818 an outcome
    """It was not done; the text says why."""


class Forbidden(Exception):  # noqa: N818 an outcome
    """Who asks may not do it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a log: where it begins, what it says, where the log ends."""

    offset: int
    data: bytes
    end: int


class Backend(Protocol):
    """On behalf of one caller. Every call may raise Forbidden, and Refused when something is in the way."""

    def now(self) -> float:
        """Unix seconds."""

    def pid(self) -> int:
        """Of the guardian, which is what ends and starts everything."""

    def sleep(self, seconds: float) -> None:
        """Wait before looking again."""

    def programs(self) -> Sequence[Program]:
        """What the caller may see, in order of trees and of start."""

    def again(self, program: Program) -> Program | None:
        """The same one as it is now; None when it is gone."""

    def command(self, verb: Verb, program: Program, **args: str) -> None:
        """Carry out, until the node has acknowledged it."""

    def log(self, program: Program, stream: Stream, offset: int, length: int) -> Piece:
        """`length` bytes of the latest life's output from `offset` on; a negative offset counts from the end."""

    def forget_log(self, program: Program) -> None:
        """Show only what is written from now on."""

    def main_log(self, offset: int, length: int) -> Piece:
        """Likewise of guardian and node."""

    def add_group(self, group: str) -> None:
        """Refused: a group is added by applying a tree file."""

    def remove_group(self, group: str) -> None:
        """Delete the tree that is called so, which does not run any more."""

    def shut_down(self) -> None:
        """Stop everything on this node."""

    def restart(self) -> None:
        """Replace node and guardian in place by the code that is installed."""
