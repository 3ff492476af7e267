"""What is to run: supervisor and child specifications.

The words are OTP's (supervisor(3), "Supervisor flags" and "Child specification"); the fields below the line in each
class are ours, off by default. A specification is validated when it is built, so one that exists is valid on its own;
what only the whole tree can show (a dependency that does not exist, a cycle) is checked by `dependencies.py` when a
kernel takes it. The kernel has no default for intensity and period: who reads a document says what they are there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self, cast

from supervision.kernel.backoff import Backoff
from supervision.kernel.checks import SpecError, check, check_word, is_count, is_number
from supervision.kernel.reasons import Term

Body = Mapping[str, Any]
"""What the driver needs to start a child. Opaque to the kernel, which only asks whether it changed."""


_BY_TYPE = cast("float", None)
"""Shutdown not given: ChildSpec replaces it, so a specification that exists never holds it."""


class Restart(StrEnum):
    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


class Strategy(StrEnum):
    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"
    SIMPLE_ONE_FOR_ONE = "simple_one_for_one"


class AutoShutdown(StrEnum):
    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


class ChildType(StrEnum):
    WORKER = "worker"
    SUPERVISOR = "supervisor"


class Shutdown(StrEnum):
    BRUTAL_KILL = "brutal_kill"
    INFINITY = "infinity"


class StopOrder(StrEnum):
    ORDERED = "ordered"
    PARALLEL = "parallel"


class FailureAction(StrEnum):
    RETRY = "retry"
    STAY_DOWN = "stay_down"


@dataclass(frozen=True, slots=True)
class OnFailure:
    """What happens when the root gives up: OTP has nobody above it to ask, so the tree says it.

    `retry` starts the root again after `initial`, then `factor` times longer each time, at most `cap` seconds; a root
    that ran for `cap` seconds begins at `initial` again. `stay_down` leaves it down until an operator starts it.
    """

    action: FailureAction = FailureAction.RETRY
    initial: float = 1.0
    factor: float = 2.0
    cap: float = 60.0

    def __post_init__(self) -> None:
        check_word(self.action, FailureAction, "action", "invalid_action")
        Backoff(self.initial, self.factor, self.cap)

    def to_json(self) -> dict[str, Term]:
        return {"action": str(self.action), "initial": self.initial, "factor": self.factor, "cap": self.cap}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        return cls(**{**document, "action": FailureAction(document.get("action", "retry"))})


@dataclass(frozen=True, slots=True)
class Refusal:
    """A supervisor's own initialisation did not give a specification: it declines, or fails with a reason.

    Trees from files never hold one. It is how a nested supervisor whose specification is faulty is carried, because
    OTP finds the fault only when that supervisor starts (and its parent sees a child that failed to start).
    """

    ignore: bool = False
    reason: Term = None


DELIVERED = "delivered"
"""The key of a body under which stands what may change without a new life."""


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child. Raises SpecError, with OTP's term for the first faulty field in OTP's order.

    shutdown             seconds from the request to stop until the kill, or a word of `Shutdown`;
                         None is OTP's default: 5 s for a worker, infinity for a supervisor
    supervisor           the specification of the supervisor that this child is; None for a process
    -------------------------------------------------------------------------------------------------
    depends_on           ids of siblings, or paths from the root (`stores/postgres`), that must be ready first
    backoff              None: restart at once, as OTP does
    success_exit_codes   `exit(N)` with one of these is a normal end
    readiness            True: running only after `Ready`; False: ready when started
    body                 for the driver; a changed body is what restarts a child when a revision is applied, but for its
                         part DELIVERED, which a driver tells to the life there is
    """

    id: str
    restart: Restart = Restart.PERMANENT
    shutdown: float | Shutdown = _BY_TYPE
    type: ChildType = ChildType.WORKER
    significant: bool = False
    supervisor: "SupervisorSpec | None" = None
    depends_on: tuple[str, ...] = ()
    backoff: Backoff | None = None
    success_exit_codes: frozenset[int] = frozenset()
    readiness: bool = False
    body: Body = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_child(self.id, self.restart, self.significant, self.type, None)
        if self.shutdown is None:
            worker = self.type == ChildType.WORKER
            object.__setattr__(self, "shutdown", 5.0 if worker else Shutdown.INFINITY)
        check_shutdown(self.shutdown)
        codes = all(is_count(code) for code in self.success_exit_codes)
        check(codes, "/success_exit_codes", sorted(self.success_exit_codes), "a set of exit codes")

    @property
    def is_supervisor(self) -> bool:
        return self.supervisor is not None

    def to_json(self) -> dict[str, Any]:
        """Every field that is not at its default."""
        document: dict[str, Any] = {"id": self.id, "restart": str(self.restart), "shutdown": self.shutdown}
        if isinstance(self.shutdown, Shutdown):
            document["shutdown"] = str(self.shutdown)
        if self.type != ChildType.WORKER:
            document["type"] = str(self.type)
        if self.supervisor is not None:
            document["supervisor"] = self.supervisor.to_json()
        if self.backoff is not None:
            document["backoff"] = self.backoff.to_json()
        if self.depends_on:
            document["depends_on"] = list(self.depends_on)
        if self.success_exit_codes:
            document["success_exit_codes"] = sorted(self.success_exit_codes)
        if self.significant:
            document["significant"] = True
        if self.readiness:
            document["readiness"] = True
        if self.body:
            document["body"] = dict(self.body)
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Raises SpecError. The document is our own (see to_json), so an unknown field is a KeyError of ours."""
        fields = dict(document)
        convert_word(fields, "restart", Restart)
        convert_word(fields, "type", ChildType)
        if fields.get("shutdown") in (*Shutdown,):
            fields["shutdown"] = Shutdown(fields["shutdown"])
        if fields.get("supervisor") is not None:
            fields["supervisor"] = _at("/supervisor", SupervisorSpec.from_json, fields["supervisor"])
        if fields.get("backoff") is not None:
            fields["backoff"] = _at("/backoff", Backoff.from_json, fields["backoff"])
        fields["depends_on"] = tuple(fields.get("depends_on", ()))
        fields["success_exit_codes"] = frozenset(fields.get("success_exit_codes", ()))
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class SupervisorSpec:
    """One supervisor and, in start order, its children. Raises SpecError with OTP's term for the first fault.

    intensity, period   more than `intensity` restarts within `period` seconds end the supervisor
    children            exactly one, the template, for simple_one_for_one
    -------------------------------------------------------------------------------------------------
    stop                `parallel`: ask all children to stop at once instead of in reverse start order
    max_children        `start_child` past it is refused
    on_failure          for the root of a tree; None: when it ends it stays down, as in OTP
    refusal             the supervisor does not start, see Refusal
    """

    intensity: int
    period: float
    strategy: Strategy = Strategy.ONE_FOR_ONE
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    children: tuple[ChildSpec, ...] = ()
    stop: StopOrder = StopOrder.ORDERED
    max_children: int | None = None
    on_failure: OnFailure | None = None
    refusal: Refusal | None = None

    def __post_init__(self) -> None:
        if self.refusal is not None:
            return
        check_flags(self.strategy, self.intensity, self.period, self.auto_shutdown)
        if self.is_simple and len(self.children) != 1:
            message = "a simple_one_for_one supervisor has exactly one child, the template"
            raise SpecError("/children", message, ["bad_start_spec", [child.id for child in self.children]])
        check_siblings(self.children, self.auto_shutdown)
        check_word(self.stop, StopOrder, "stop", "invalid_stop")
        bound = self.max_children is None or is_count(self.max_children)
        check(bound, "/max_children", self.max_children, "a number of children")

    @property
    def is_simple(self) -> bool:
        return self.strategy == Strategy.SIMPLE_ONE_FOR_ONE

    @property
    def template(self) -> ChildSpec:
        """The one child of a simple_one_for_one supervisor."""
        return self.children[0]

    def to_json(self) -> dict[str, Any]:
        """Every field that is not at its default."""
        document: dict[str, Any] = {
            "strategy": str(self.strategy),
            "intensity": self.intensity,
            "period": self.period,
            "children": [child.to_json() for child in self.children],
        }
        if self.auto_shutdown != AutoShutdown.NEVER:
            document["auto_shutdown"] = str(self.auto_shutdown)
        if self.stop != StopOrder.ORDERED:
            document["stop"] = str(self.stop)
        if self.max_children is not None:
            document["max_children"] = self.max_children
        if self.on_failure is not None:
            document["on_failure"] = self.on_failure.to_json()
        if self.refusal is not None:
            document["refusal"] = {"ignore": self.refusal.ignore, "reason": self.refusal.reason}
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Raises SpecError with a pointer into this document."""
        fields = dict(document)
        convert_word(fields, "strategy", Strategy)
        convert_word(fields, "auto_shutdown", AutoShutdown)
        convert_word(fields, "stop", StopOrder)
        children = fields.get("children", ())
        fields["children"] = tuple(
            _at(f"/children/{i}", ChildSpec.from_json, c) for i, c in enumerate(children)
        )
        if fields.get("on_failure") is not None:
            fields["on_failure"] = _at("/on_failure", OnFailure.from_json, fields["on_failure"])
        if fields.get("refusal") is not None:
            fields["refusal"] = Refusal(**fields["refusal"])
        return cls(**fields)


def check_child(
    child_id: object, restart: object, significant: object, child_type: object, auto_shutdown: object
) -> None:
    """The checks of OTP's `do_check_childspec` up to the child type, in its order. auto_shutdown None: not known."""
    named = isinstance(child_id, str) and child_id != "" and "/" not in child_id
    check(named, "/id", child_id, "a name without a slash", ["invalid_id", str(child_id)])
    check_word(restart, Restart, "restart", "invalid_restart_type")
    check_significant(significant, restart, auto_shutdown)
    check_word(child_type, ChildType, "type", "invalid_child_type")


def check_significant(significant: object, restart: object, auto_shutdown: object) -> None:
    """OTP `validSignificant`: who is significant must be able to end, in a supervisor that acts on it."""
    if significant is True and auto_shutdown == AutoShutdown.NEVER:
        clash: Term = ["bad_combination", [["auto_shutdown", "never"], ["significant", True]]]
        raise SpecError("/significant", "a significant child needs auto_shutdown other than never", clash)
    if significant is True and restart == Restart.PERMANENT:
        clash = ["bad_combination", [["restart", "permanent"], ["significant", True]]]
        raise SpecError("/significant", "a permanent child is never significant", clash)
    valid = isinstance(significant, bool)
    check(
        valid,
        "/significant",
        significant,
        "true or false",
        ["invalid_significant", cast("Term", significant)],
    )


def check_shutdown(shutdown: object) -> None:
    if isinstance(shutdown, str) and shutdown in (*Shutdown,):
        return
    valid = is_number(shutdown) and cast("float", shutdown) >= 0
    expected = "seconds, brutal_kill or infinity"
    check(valid, "/shutdown", shutdown, expected, ["invalid_shutdown", cast("Term", shutdown)])


def check_flags(strategy: object, intensity: object, period: object, auto_shutdown: object) -> None:
    """OTP `do_check_flags`, in its order."""
    check_word(strategy, Strategy, "strategy", "invalid_strategy")
    term: Term = ["invalid_intensity", cast("Term", intensity)]
    check(is_count(intensity), "/intensity", intensity, "a number of restarts", term)
    valid = is_number(period) and cast("float", period) > 0
    check(valid, "/period", period, "seconds, more than 0", ["invalid_period", cast("Term", period)])
    check_word(auto_shutdown, AutoShutdown, "auto_shutdown", "invalid_auto_shutdown")


def check_siblings(children: Iterable[ChildSpec], auto_shutdown: AutoShutdown) -> None:
    """What a child may not be among these siblings, under this supervisor."""
    seen: set[str] = set()
    for index, child in enumerate(children):
        try:
            check_significant(child.significant, child.restart, auto_shutdown)
        except SpecError as error:
            raise error.under(f"/children/{index}") from None
        if child.id in seen:
            raise duplicate(child.id).under(f"/children/{index}")
        seen.add(child.id)


def duplicate(child_id: str) -> SpecError:
    return SpecError("/id", f"another child is called {child_id!r}", ["duplicate_child_name", child_id])


def convert_word(fields: dict[str, Any], name: str, words: type[StrEnum]) -> None:
    """Replace a known word by its enum member; an unknown one stays, for the checks to refuse."""
    if isinstance(fields.get(name), str) and fields[name] in tuple(words):
        fields[name] = words(fields[name])


def _at(prefix: str, read: Any, document: Any) -> Any:
    """Read a part; an error points into the whole. Any: one function for four readers of JSON."""
    try:
        return read(document)
    except SpecError as error:
        raise error.under(prefix) from None
