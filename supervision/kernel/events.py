"""What can happen to a kernel. The node hands in one of these at a time, with the time.

Each has a compact JSON form, a list that begins with the event's tag, because the journal stores every event and a
replay must decide exactly the same again.
"""

from dataclasses import field
from typing import Any, ClassVar

from supervision.kernel.reasons import Term
from supervision.kernel.records import Record, reader, record
from supervision.kernel.spec import Body, ChildSpec, SupervisorSpec

# --- facts -----------------------------------------------------------------------------------------------------------


@record
class Begin(Record):
    """Start the tree."""

    tag: ClassVar[str] = "begin"


@record
class StopRoot(Record):
    """Whoever owns the tree asks it to stop, as the parent of OTP's top supervisor would. `Exit` follows."""

    tag: ClassVar[str] = "stop_root"
    reason: Term = "shutdown"


@record
class Started(Record):
    """Answer to `Start`. extra: what a start function adds, `{ok, Pid, Extra}`; only passed on in replies."""

    tag: ClassVar[str] = "started"
    key: str
    incarnation: int
    extra: tuple[Term, ...] = ()

    def to_json(self) -> list[Any]:
        return Record.to_json(self) if self.extra else [self.tag, self.key, self.incarnation, []]


@record
class StartFailed(Record):
    """Answer to `Start`: there is no process, for this reason."""

    tag: ClassVar[str] = "start_failed"
    key: str
    incarnation: int
    reason: Term


@record
class Declined(Record):
    """Answer to `Start`: the child declines to run (OTP `ignore`)."""

    tag: ClassVar[str] = "declined"
    key: str
    incarnation: int


@record
class Exited(Record):
    """The process is gone, and all that belonged to it. For a supervisor's key: it was killed (OTP only)."""

    tag: ClassVar[str] = "exited"
    key: str
    incarnation: int
    reason: Term

    def to_json(self) -> list[Any]:
        return [self.tag, self.key, self.incarnation, self.reason]


@record
class Ready(Record):
    """A child with `readiness` says, or was seen, to be ready."""

    tag: ClassVar[str] = "ready"
    key: str
    incarnation: int


@record
class Tick(Record):
    """The time that `handle` answered as next deadline may have come.

    until: fire what is due by then instead of by now. Only simulated time needs it: in the conformance cases waiting
    for a child to stop takes no time on the clock of the restart window.
    """

    tag: ClassVar[str] = "tick"
    until: float | None = None


@record
class Call(Record):
    """A request, answered by `Reply` with the same ref."""

    tag: ClassVar[str] = "call"
    ref: str
    request: "Request"


# --- requests of OTP's interface: they reach the mailbox of one supervisor and wait there while it is busy ------------


@record
class BadSpec(Record):
    """A specification that cannot be read: OTP finds that out in the supervisor, in its turn among the messages."""

    tag: ClassVar[str] = "bad_spec"
    reason: Term


@record
class StartChild(Record):
    """`start_child`: a child specification for an ordinary supervisor, an instance for simple_one_for_one.

    instance  the last part of the new child's key
    body      its keys replace those of the template's body for this instance
    """

    tag: ClassVar[str] = "start_child"
    supervisor: str
    child: ChildSpec | BadSpec | None = None
    instance: str | None = None
    body: Body = field(default_factory=dict)


@record
class TerminateChild(Record):
    """`terminate_child`, by id, or by the process that runs or last ran at a key (OTP: a pid)."""

    tag: ClassVar[str] = "terminate_child"
    supervisor: str
    id: str | None = None
    process: str | None = None


@record
class RestartChild(Record):
    """`restart_child`, as TerminateChild names it."""

    tag: ClassVar[str] = "restart_child"
    supervisor: str
    id: str | None = None
    process: str | None = None


@record
class DeleteChild(Record):
    """`delete_child`, as TerminateChild names it."""

    tag: ClassVar[str] = "delete_child"
    supervisor: str
    id: str | None = None
    process: str | None = None


@record
class GetChildspec(Record):
    """`get_childspec`, as TerminateChild names it."""

    tag: ClassVar[str] = "get_childspec"
    supervisor: str
    id: str | None = None
    process: str | None = None


@record
class WhichChildren(Record):
    """`which_children`."""

    tag: ClassVar[str] = "which_children"
    supervisor: str


@record
class CountChildren(Record):
    """`count_children`."""

    tag: ClassVar[str] = "count_children"
    supervisor: str


@record
class ChangeSpec(Record):
    """OTP's code change: the supervisor takes a new specification; no process is started or stopped.

    None: its initialisation declined to give one, everything stays.
    """

    tag: ClassVar[str] = "change_spec"
    supervisor: str
    spec: SupervisorSpec | BadSpec | None


# --- an operator's requests: they name a key and say what is wanted ----------------------------------------------------


@record
class Apply(Record):
    """Make the tree this revision; see `Kernel.plan`. The reply comes at once, the steps follow."""

    tag: ClassVar[str] = "apply"
    spec: SupervisorSpec


@record
class StartKey(Record):
    """Wanted up: withdraws StopKey, and starts what is down."""

    tag: ClassVar[str] = "start"
    key: str


@record
class StopKey(Record):
    """Wanted down: stays stopped through restarts of its supervisor, retries of the root and new revisions."""

    tag: ClassVar[str] = "stop"
    key: str


@record
class RestartKey(Record):
    """Stop and start once; not counted in intensity. A supervisor's key: the whole subtree."""

    tag: ClassVar[str] = "restart"
    key: str


@record
class HoldKey(Record):
    """Suspend restarts of the key; until: absolute, on the scale of `now`, or None for no expiry."""

    tag: ClassVar[str] = "hold"
    key: str
    until: float | None = None


@record
class ReleaseKey(Record):
    """End a hold; what was suspended is done now."""

    tag: ClassVar[str] = "release"
    key: str


@record
class RecycleKey(Record):
    """Give a child a fresh life, for a reason that is no failure; one at a time for each supervisor, never counted.

    why          told in the reports
    incarnation  the life that is to end; None: the one there is
    stand_in     another child of the same specification is ready before that life ends, and ends when the new one is ready
    """

    tag: ClassVar[str] = "recycle"
    key: str
    why: str = ""
    incarnation: int | None = None
    stand_in: bool = False


@record
class EscalateKey(Record):
    """The child is ill in this life, and its supervisor is to fail for it as one past its intensity does."""

    tag: ClassVar[str] = "escalate"
    key: str
    incarnation: int
    why: str = ""


SupervisorRequest = (
    StartChild
    | TerminateChild
    | RestartChild
    | DeleteChild
    | GetChildspec
    | WhichChildren
    | CountChildren
    | ChangeSpec
)
KeyRequest = StartKey | StopKey | RestartKey | HoldKey | ReleaseKey
Request = SupervisorRequest | KeyRequest | RecycleKey | EscalateKey | Apply
Event = Begin | StopRoot | Started | StartFailed | Declined | Exited | Ready | Tick | Call

REQUESTS = (
    BadSpec, StartChild, TerminateChild, RestartChild, DeleteChild, GetChildspec, WhichChildren, CountChildren, ChangeSpec,
    Apply, StartKey, StopKey, RestartKey, HoldKey, ReleaseKey, RecycleKey,
    EscalateKey,
)  # fmt: skip
event_from_json = reader(
    Begin, StopRoot, Started, StartFailed, Declined, Exited, Ready, Tick, Call, *REQUESTS
)
