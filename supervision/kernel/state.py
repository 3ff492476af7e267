"""What a kernel knows. Plain data: it can be printed, written as JSON, read back and compared.

Where OTP has processes, the kernel has records. A supervisor is one: like OTP's process it has a mailbox, takes one
message at a time, and is busy until what the message asked for is done. What it is busy with stands in `steps`, as
data: starting and stopping are answered from outside, so a supervisor is left in the middle and taken up again.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Self, cast

from supervision.kernel.actions import ChildState
from supervision.kernel.events import REQUESTS, KeyRequest, SupervisorRequest
from supervision.kernel.intensity import Window
from supervision.kernel.reasons import Term
from supervision.kernel.records import Record, reader, record
from supervision.kernel.spec import Body, ChildSpec, StopOrder, SupervisorSpec


@dataclass(slots=True)
class Memory:
    """What is remembered of a key, whatever happens to the child's supervisor.

    incarnation  of the last start attempt; never used again
    restarts     how often supervision started it again
    stopped      an operator wants it down
    held         restarts are suspended, until `held_until` (None: until released)
    attempt      failures in a row, for backoff
    """

    incarnation: int = 0
    restarts: int = 0
    stopped: bool = False
    held: bool = False
    held_until: float | None = None
    attempt: int = 0


class Presence(StrEnum):
    """What OTP keeps in the `pid` field of a child."""

    UNDEFINED = "undefined"
    PID = "pid"  # as far as the supervisor has heard: the process may be dead and its exit unread in the mailbox
    RESTARTING = "restarting"


@dataclass(slots=True, eq=False)
class Child:
    """One child of a supervisor; also the root, which has none above it.

    parent      its supervisor; None for the root
    alive       a process exists, or a supervisor that has started and not ended
    starting    asked to start, not answered
    stopping    asked to stop by its supervisor, which waits for the end
    exit        why it ended, while the supervisor has not read that message
    killed      the kernel asked for the kill
    started_at  when this life began
    live_body   what this life was started with
    override    an instance's own part of the body
    dynamic     added by start_child
    leaving     the applied revision does not have it: it goes when its turn comes
    requires    keys of what it depends on
    """

    key: str
    id: str
    spec: ChildSpec
    parent: "Supervisor | None"
    memory: Memory
    state: ChildState = ChildState.WAITING
    since: float = 0.0
    presence: Presence = Presence.UNDEFINED
    alive: bool = False
    starting: bool = False
    stopping: bool = False
    exit: Term = None
    killed: bool = False
    started_at: float = 0.0
    live_body: Body | None = None
    override: Body = field(default_factory=dict)
    dynamic: bool = False
    leaving: bool = False
    requires: tuple[str, ...] = ()
    inner: "Supervisor | None" = None

    @property
    def supervisor(self) -> "Supervisor":
        """Every child but the root has one."""
        return cast("Supervisor", self.parent)

    @property
    def body(self) -> Body:
        """What the next life is started with."""
        return {**self.spec.body, **self.override} if self.override else self.spec.body


class Phase(StrEnum):
    STARTING = "starting"  # OTP: in init
    RUNNING = "running"
    ENDING = "ending"  # OTP: in terminate
    DEAD = "dead"  # killed; waits for the ends of what it left behind


@dataclass(slots=True, eq=False)
class Supervisor:
    """One supervisor at work. children is in start order.

    declared where the specification has it: its key, with the template's id in place of an instance's label
    ending   why it ends: `requested`, `gave_up`, `auto_shutdown`, `killed`
    gone     declared temporary children that have ended, for pages and for an operator who starts one again
    orphans  ids of children that a killed supervisor left behind and that are not gone yet
    queued   it stands in the machine's run queue
    """

    key: str
    child: Child
    spec: SupervisorSpec
    declared: str
    phase: Phase = Phase.STARTING
    children: dict[str, Child] = field(default_factory=dict)
    gone: dict[str, Child] = field(default_factory=dict)
    mailbox: deque["Message"] = field(default_factory=deque)
    steps: list["Step"] = field(default_factory=list)
    window: Window = field(default_factory=Window)
    ending: str = ""
    orphans: set[str] = field(default_factory=set)
    queued: bool = False

    @property
    def stops_together(self) -> bool:
        """OTP stops the children of simple_one_for_one at once; any other supervisor may be told to."""
        return self.spec.is_simple or self.spec.stop == StopOrder.PARALLEL


# --- messages in a supervisor's mailbox ------------------------------------------------------------------------------


@record
class ChildExit(Record):
    """OTP `{'EXIT', Pid, Reason}`; the reason stands in the child until this is read."""

    tag: ClassVar[str] = "child_exit"
    id: str
    incarnation: int


@record
class ParentExit(Record):
    """OTP `{'EXIT', Parent, Reason}`: stop, with this reason."""

    tag: ClassVar[str] = "parent_exit"
    reason: Term


@record
class TryAgain(Record):
    """OTP `{try_again_restart, Id}`: a restart that failed, or that waited."""

    tag: ClassVar[str] = "try_again"
    id: str


@record
class Wake(Record):
    """What the child waited for (its dependencies, the end of a hold) has come."""

    tag: ClassVar[str] = "wake"
    id: str


@record
class Asked(Record):
    """A call, with where to send the reply."""

    tag: ClassVar[str] = "asked"
    ref: str
    request: SupervisorRequest | KeyRequest


@record
class Carry(Record):
    """Do one step of a revision that is being applied."""

    tag: ClassVar[str] = "carry"
    do: str
    ids: list[str]


@record
class Renew(Record):
    """Being recycled: end this life of the child, and begin the next."""

    tag: ClassVar[str] = "renew"
    id: str
    incarnation: int


@record
class Retire(Record):
    """Nobody needs the stand-in any more."""

    tag: ClassVar[str] = "retire"
    id: str


@record
class Fail(Record):
    """A child is ill in this life: the supervisor ends as one past its intensity does."""

    tag: ClassVar[str] = "fail"
    id: str
    incarnation: int
    why: str


Message = ChildExit | ParentExit | TryAgain | Wake | Asked | Carry | Renew | Retire | Fail
message_from_json = reader(
    ChildExit, ParentExit, TryAgain, Wake, Asked, Carry, Renew, Retire, Fail, *REQUESTS
)


@dataclass(slots=True)
class Recycling(Record):
    """A child that is given a fresh life; see recycling.py.

    incarnation  the life that ends
    stand_in     key of the child that stands in for it; "" for none
    renewed      its supervisor was asked to end the life
    """

    tag: ClassVar[str] = "recycling"
    key: str
    incarnation: int
    why: str
    stand_in: str
    renewed: bool = False


# --- steps of the work a supervisor is busy with; the last one in the list is under way --------------------------------

Answer = list[Any]
"""How a start ended: `["ok", *extra]`, `["declined"]` or `["failed", reason]`."""


class Purpose(StrEnum):
    """What a single child is started for."""

    RESTART = "restart"
    START_CHILD = "start_child"
    RESTART_CHILD = "restart_child"
    WANTED = "wanted"  # by an operator, by a revision, or because what it waited for has come


@dataclass(slots=True)
class StartMany(Record):
    """Start children in order; ids holds those still to come, the next one last.

    origin: None while the supervisor itself starts, else the child whose restart this is.
    """

    tag: ClassVar[str] = "start_many"
    ids: list[str]
    origin: str | None = None
    current: str | None = None
    answer: Answer | None = None


@dataclass(slots=True)
class StartOne(Record):
    """One start, for a restart or for a caller who waits."""

    tag: ClassVar[str] = "start_one"
    current: str
    purpose: str
    ref: str | None = None
    asked: bool = False
    answer: Answer | None = None


@dataclass(slots=True)
class StopMany(Record):
    """Stop children; ids holds those still to be asked, the next one last. pending: asked, and not gone yet.

    together  ask all at once
    summed    simple_one_for_one: the bad ends are reported together, as `[reason, count]`
    """

    tag: ClassVar[str] = "stop_many"
    ids: list[str]
    together: bool = False
    summed: list[list[Any]] | None = None
    pending: set[str] = field(default_factory=set)

    @classmethod
    def from_fields(cls, values: list[Any]) -> Self:
        ids, together, summed, pending = values
        return cls(ids, together, summed, set(pending))


@dataclass(slots=True)
class StopOne(Record):
    """keep: a temporary child, or an instance, stays in the list of children (an operator's stop). cause: why, as its state
    says while it stops."""

    tag: ClassVar[str] = "stop_one"
    id: str
    ref: str | None
    keep: bool = False
    asked: bool = False
    pending: set[str] = field(default_factory=set)
    cause: str = "requested"

    @classmethod
    def from_fields(cls, values: list[Any]) -> Self:
        child_id, ref, keep, asked, pending, *cause = values
        return cls(child_id, ref, keep, asked, set(pending), *cause)


@dataclass(slots=True)
class Finish(Record):
    """All children are down: end with this reason."""

    tag: ClassVar[str] = "finish"
    reason: Term


@dataclass(slots=True)
class FailStart(Record):
    """All children are down: the start of this supervisor has failed for this reason."""

    tag: ClassVar[str] = "fail_start"
    reason: Term


@dataclass(slots=True)
class Carried(Record):
    """A step of a revision has been done, on these children."""

    tag: ClassVar[str] = "carried"
    ids: list[str]


# --- a revision ----------------------------------------------------------------------------------------------------------


@record
class PlanStep(Record):
    """do: `keep` (nothing changes), `update` (in place, nothing stops), `stop`, `start`.

    A changed child has two steps, its stop and its start; `summary` makes them one `restart`.
    """

    tag: ClassVar[str] = "plan_step"
    do: str
    key: str
    why: str


Step = StartMany | StartOne | StopMany | StopOne | Finish | FailStart | Carried
step_from_json = reader(StartMany, StartOne, StopMany, StopOne, Finish, FailStart, Carried)


def in_order(ids: Iterable[str]) -> list[str]:
    """Ids for a step, so that the first is taken first."""
    return [*ids][::-1]
