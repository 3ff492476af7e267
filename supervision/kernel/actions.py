"""What the kernel wants done. The node does it in this order; the journal keeps it beside the event that caused it."""

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any, ClassVar

from supervision.kernel.reasons import Term
from supervision.kernel.records import Record, reader, record
from supervision.kernel.spec import Body


class ChildState(StrEnum):
    """The states of a child or supervisor. No other words anywhere (docs/glossary.md)."""

    WAITING = "waiting"  # for what it depends on, or for its turn
    STARTING = "starting"  # asked to start, or started and not ready yet
    RUNNING = "running"  # started, and ready
    BACKOFF = "backoff"  # its restart waits
    STOPPING = "stopping"  # asked to stop
    STOPPED = "stopped"  # down because it was stopped
    COMPLETED = "completed"  # ended normally, or declined to run, and is not restarted
    FAILED = "failed"  # ended abnormally and is not restarted
    HELD = "held"  # its restart is suspended
    LOST = "lost"  # its end could not be observed, and it is not restarted


@record
class Start(Record):
    """Start a process; answer with Started, StartFailed or Declined. body: None only when read back from JSON."""

    tag: ClassVar[str] = "start"
    key: str
    incarnation: int
    body: Body = field(compare=False)

    def to_json(self) -> list[Any]:
        """Without the body: the journal holds it already, in the specification."""
        return [self.tag, self.key, self.incarnation, {}]


@record
class Signal(Record):
    """Ask the process to stop."""

    tag: ClassVar[str] = "signal"
    key: str
    incarnation: int


@record
class Kill(Record):
    """Kill the process and all that belongs to it.

    cause: `timeout` (did not stop in time), `brutal_kill` (its specification says so), `supervisor` (its supervisor
    was killed: OTP only).
    """

    tag: ClassVar[str] = "kill"
    key: str
    incarnation: int
    cause: str


@record
class Reply(Record):
    """Answer to the Call with this ref, in OTP's terms: `["ok", ...]`, `["error", reason]`, `["exit", reason]`."""

    tag: ClassVar[str] = "reply"
    ref: str
    value: Term


@record
class Report(Record):
    """A decision worth telling. `explain` is made of these.

    kind, as in OTP: child_terminated, start_error, shutdown_error, shutdown (the supervisor gave up).
    Ours beside them: restart, backoff, held, waiting, auto_shutdown, escalated, retry, stay_down, applied.
    child: an id, or for `shutdown_error` of a whole simple_one_for_one supervisor a number of children.
    """

    tag: ClassVar[str] = "report"
    kind: str
    supervisor: str
    child: str | int | None
    reason: Term = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> list[Any]:
        return [self.tag, self.kind, self.supervisor, self.child, self.reason, self.detail]


@record
class State(Record):
    """A child or supervisor changed its state. old: None when it has just been added. reason: why, where one is known
    (the exit reason of an end, the start error of a failed start)."""

    tag: ClassVar[str] = "state"
    key: str
    old: str | None
    new: str
    incarnation: int
    reason: Term = None

    def to_json(self) -> list[Any]:
        """As the general form. A restart writes three of these and two reports before its spawn."""
        return [self.tag, self.key, self.old, self.new, self.incarnation, self.reason]


@record
class Exit(Record):
    """The root is down and the kernel will not start it by itself. `Begin` or `StartKey` of the root does."""

    tag: ClassVar[str] = "exit"
    reason: Term


Action = Start | Signal | Kill | Reply | Report | State | Exit
action_from_json = reader(Start, Signal, Kill, Reply, Report, State, Exit)
