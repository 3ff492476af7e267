"""How one supervisor or child stands: from the observed tree where a node answers, else from the journal's last word."""

from dataclasses import dataclass

from supervision.explain.history import History
from supervision.runtime.observed import Child, LastExit, Observed, Supervisor


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the accounts of states.py say something about. Times are Unix seconds."""

    key: str
    state: str
    is_supervisor: bool = False
    since: float | None = None
    incarnation: int = 0
    restarts: int = 0
    pid: int | None = None
    restart: str = "permanent"
    wanted: str = "up"
    held: bool = False
    held_until: float | None = None
    waiting_for: tuple[str, ...] = ()
    backoff_until: float | None = None
    last_exit: LastExit | None = None
    status: str = ""
    stage: str = ""
    descendants_ending: tuple[int, ...] = ()
    blocked: str = ""
    window: str = ""
    """Of a supervisor: `one_for_one, 1 of 3 restarts used in 5s`."""
    current: bool = True
    """False when no node answered and this is what the journal said last."""

    @property
    def parent(self) -> str:
        """Key of the supervisor; empty for a root."""
        return self.key.rpartition("/")[0]


def facts_of(key: str, observed: Observed | None, history: History) -> Facts | None:
    """None when neither the tree nor the journal knows `key`."""
    if observed is not None:
        member = observed.find(key)
        if isinstance(member, Child):
            return _of_child(member)
        if isinstance(member, Supervisor):
            return _of_supervisor(member)
        return None
    return _of_journal(key, history)


def _of_child(child: Child) -> Facts:
    return Facts(
        key=child.key,
        state=child.state,
        since=child.since or None,
        incarnation=child.incarnation,
        restarts=child.restarts,
        pid=child.pid,
        restart=child.restart,
        wanted=child.wanted,
        held=child.held,
        held_until=child.held_until,
        waiting_for=child.waiting_for,
        backoff_until=child.backoff_until,
        last_exit=child.last_exit,
        status=child.status,
        stage=child.stage,
        descendants_ending=child.descendants_ending,
        blocked=child.blocked,
    )


def _of_supervisor(supervisor: Supervisor) -> Facts:
    return Facts(
        key=supervisor.key,
        state=supervisor.state,
        is_supervisor=True,
        since=supervisor.since or None,
        incarnation=supervisor.incarnation,
        restarts=supervisor.restarts,
        restart=supervisor.restart,
        wanted=supervisor.wanted,
        held=supervisor.held,
        held_until=supervisor.held_until,
        waiting_for=supervisor.waiting_for,
        backoff_until=supervisor.backoff_until,
        last_exit=supervisor.last_exit,
        window=(
            f"{supervisor.strategy}, {supervisor.window_used} of {supervisor.intensity} restarts used "
            f"in {supervisor.period:g}s"
        ),
    )


def _of_journal(key: str, history: History) -> Facts | None:
    known = history.state_of(key)
    if known is None:
        return None
    state, step = known
    until: float | None = None
    waiting: tuple[str, ...] = ()
    for _, decision in history.decisions_about(key, since=step.seq, until=step.seq):
        if decision.kind == "backoff" and isinstance(decision.detail.get("until"), int | float):
            until = step.wall(float(decision.detail["until"]))
        if decision.kind == "waiting" and isinstance(decision.detail.get("for"), list):
            waiting = tuple(str(name) for name in decision.detail["for"])
    end = history.last_end(key)
    last_exit = None
    if end is not None and end.key == key:
        last_exit = LastExit(end.reason, end.at, end.incarnation)
    return Facts(
        key=key,
        state=state,
        is_supervisor=any(other.startswith(key + "/") for other in history.changed_keys()),
        since=step.at,
        incarnation=max((change.incarnation for change in step.changes() if change.key == key), default=0),
        wanted="down" if _stopped_last(key, history) else "up",
        held=state == "held",
        waiting_for=waiting,
        backoff_until=until,
        last_exit=last_exit,
        current=False,
    )


def _stopped_last(key: str, history: History) -> bool:
    stop, start = history.command(["stop"], key), history.command(["start", "restart"], key)
    return stop is not None and (start is None or start.seq < stop.seq)
