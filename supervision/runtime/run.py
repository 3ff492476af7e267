"""One incarnation of a child as the process driver knows it, the stages it passes through, and who hears of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from supervision.runtime.kinship import Leader
from supervision.runtime.loop import Timer
from supervision.runtime.processdoc import ProcessBody
from supervision.runtime.template_order import ForkOrder

MAIN, PRE_START, POST_STOP = "main", "pre_start", "post_stop"


@dataclass(slots=True, eq=False)
class Run:
    """One incarnation in our hands."""

    key: str
    incarnation: int
    body: ProcessBody
    source: Mapping[str, Any]
    stage: str = PRE_START
    job: int = 0
    leader: Leader | None = None
    announced: bool = False
    is_ready: bool = False
    asked: bool = False
    status_text: str = ""
    since: float = 0.0
    reason: str | None = None
    """Set by whoever ends it for a cause the exit status cannot tell (readiness deadline)."""
    told_reason: str = ""
    """Its own word about its end, where its kind has one."""
    watchdog: Timer | None = None
    deadline: Timer | None = None
    cgroup: str | None = None
    petted_at: float = 0.0
    is_reloading: bool = False
    on_reloaded: tuple[Callable[[str], None], ...] = ()
    """Called once it is ready again ("") or cannot be any more (why)."""
    order: ForkOrder | None = None
    """What was asked of a template and is not answered yet."""
    killed_for: str | None = None
    """The cause of a kill that came before there was a process."""
    started_by: str = ""
    """Of its main process: exec, template or spare."""
    why_exec: str = ""
    """Why its main process was exec'd although it was to be forked."""
    configured: dict[str, Any] | None = None
    """What it says of the newest configuration that it was delivered: {revision, problem}."""
    unrecorded: tuple[Leader, ...] = ()
    """Processes of it that ended, and how is not on record yet: they stay zombies."""


class ChildEvents(Protocol):
    """What the driver tells the kernel's owner."""

    def started(self, key: str, incarnation: int, leader: Leader) -> None: ...

    def forking(self, key: str, incarnation: int) -> None:
        """Started, and its process follows as its next stage."""

    def stage(self, run: Run, leader: Leader) -> bool:
        """The next process of an incarnation; whether that, and how the one before ended, is on record."""

    def start_failed(self, key: str, incarnation: int, reason: str) -> None: ...

    def ready(self, key: str, incarnation: int) -> None: ...

    def exited(self, run: Run, reason: str, leader: Leader | None) -> None:
        """Everything of the incarnation is gone. `ProcessDriver.recorded(run)` is due once that is on record."""
