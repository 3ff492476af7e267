"""The root of a tree. Nothing is above it, so what OTP leaves to a parent is decided here: whether it starts again."""

from supervision.kernel.actions import ChildState, Exit
from supervision.kernel.backoff import capped
from supervision.kernel.events import KeyRequest, ReleaseKey, RestartKey, StartKey, StopKey
from supervision.kernel.machine import Machine
from supervision.kernel.reasons import SHUTDOWN, Term
from supervision.kernel.spec import FailureAction
from supervision.kernel.starting import begin_start
from supervision.kernel.state import Answer, ParentExit

_DOWN = (ChildState.STOPPED, ChildState.COMPLETED, ChildState.FAILED, ChildState.BACKOFF, ChildState.HELD)


def begin(m: Machine) -> None:
    """Start the tree, unless an operator wants it down."""
    if m.root.state in _DOWN and not m.root.memory.stopped:
        m.root_stopping = False
        m.timers.clear("root", m.name)
        begin_start(m, m.root)


def stop_root(m: Machine, reason: Term) -> None:
    """Ask the root to stop; if it is down already, it stays down."""
    m.root_stopping = True
    if m.root.inner is not None:
        m.post(m.root.inner, ParentExit(reason))
        return
    m.timers.clear("root", m.name)
    m.set_state(m.root, ChildState.STOPPED, reason)
    _end(m, reason)


def root_answered(m: Machine, answer: Answer) -> None:
    """The start of the root has ended."""
    match answer:
        case ["ok", *_]:
            _reply(m, ["ok"])
        case ["declined"]:
            m.set_state(m.root, ChildState.COMPLETED, "ignore")
            _end(m, "ignore")
        case [_, reason]:
            m.set_state(m.root, ChildState.FAILED, reason)
            _reply(m, ["error", reason])
            _after_failure(m, reason)


def root_ended(m: Machine, reason: Term) -> None:
    if m.root_again:
        m.root_again = False
        begin(m)
    elif m.root.state == ChildState.FAILED:
        _after_failure(m, reason)
    else:
        _end(m, reason)


def _after_failure(m: Machine, reason: Term) -> None:
    """The root could not start, or gave up."""
    policy = m.root_spec.on_failure
    if m.root_stopping or policy is None or policy.action == FailureAction.STAY_DOWN:
        if policy is not None:
            m.report_root("stay_down", reason)
        _end(m, reason)
        return
    memory = m.root.memory
    if m.now - m.root.started_at >= policy.cap:
        memory.attempt = 0
    memory.attempt += 1
    if memory.held:
        m.set_state(m.root, ChildState.HELD, reason)
        return
    delay = capped(policy.initial, policy.factor, policy.cap, memory.attempt)
    m.timers.set("root", m.name, m.now + delay)
    m.set_state(m.root, ChildState.BACKOFF, reason)
    m.report_root("retry", reason, {"attempt": memory.attempt, "delay": delay, "until": m.now + delay})


def _end(m: Machine, reason: Term) -> None:
    _reply(m, ["ok"])
    m.actions.append(Exit(reason))


def _reply(m: Machine, value: Term) -> None:
    refs, m.root_refs = m.root_refs, []
    for ref in refs:
        m.reply(ref, value)


def operate_root(m: Machine, ref: str | None, request: KeyRequest) -> None:
    """An operator's request about the root; what is wanted has been noted already."""
    if ref is not None:
        m.root_refs.append(ref)
    down = m.root.state in _DOWN
    match request:
        case StopKey() if m.root.state != ChildState.STOPPED:
            stop_root(m, SHUTDOWN)
        case StartKey() | RestartKey() if down:
            begin(m)
        case RestartKey() if m.root.inner is not None:
            m.root_again = True
            m.post(m.root.inner, ParentExit(SHUTDOWN))
        case ReleaseKey() if m.root.state == ChildState.HELD:
            begin(m)
        case _:
            _reply(m, ["ok"])
