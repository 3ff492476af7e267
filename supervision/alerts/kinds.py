"""The kinds of alert, and what each means before an operator says otherwise."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What happened."""

    SUPERVISOR_GAVE_UP = "supervisor_gave_up"
    NODE_LOST = "node_lost"
    STRAY_FOUND = "stray_found"
    ROLLED_BACK = "rolled_back"
    RECORDS_LOST = "records_lost"
    TEST = "test"


class Severity(StrEnum):
    """How soon somebody has to look."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Meaning:
    """Defaults of a kind; an AlertRule of the kind overrides them."""

    words: str
    severity: Severity
    runbook: str
    """Page below docs/runbooks."""
    repeat_every_s: int = 4 * 3600
    """An alert that nobody acknowledged is told again so often; 0: once."""


MEANINGS = {
    Kind.SUPERVISOR_GAVE_UP: Meaning("a supervisor gave up", Severity.CRITICAL, "supervisor-gave-up"),
    Kind.NODE_LOST: Meaning("node lost", Severity.CRITICAL, "node-lost"),
    Kind.STRAY_FOUND: Meaning("stray found", Severity.WARNING, "stray-found", repeat_every_s=0),
    Kind.ROLLED_BACK: Meaning("rolled back", Severity.WARNING, "rolled-back", repeat_every_s=0),
    Kind.RECORDS_LOST: Meaning("journal records lost", Severity.WARNING, "disk-full"),
    Kind.TEST: Meaning("a test", Severity.INFO, "README", repeat_every_s=0),
}
