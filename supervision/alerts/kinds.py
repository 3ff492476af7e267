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
    RULE_CROSSED = "rule_crossed"
    BUDGET_BURNS = "budget_burns"
    MONITOR_FAILING = "monitor_failing"
    ISSUE_FOUND = "issue_found"
    ISSUE_NEWS = "issue_news"
    ERROR_SPIKE = "error_spike"
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


PERSONAL = frozenset({Kind.ISSUE_NEWS})
"""Told to one person, and to channels that name the kind; nobody has to do anything about it."""
MEANINGS = {
    Kind.SUPERVISOR_GAVE_UP: Meaning("a supervisor gave up", Severity.CRITICAL, "supervisor-gave-up"),
    Kind.NODE_LOST: Meaning("node lost", Severity.CRITICAL, "node-lost"),
    Kind.STRAY_FOUND: Meaning("stray found", Severity.WARNING, "stray-found", repeat_every_s=0),
    Kind.ROLLED_BACK: Meaning("rolled back", Severity.WARNING, "rolled-back", repeat_every_s=0),
    Kind.RECORDS_LOST: Meaning("journal records lost", Severity.WARNING, "disk-full"),
    Kind.RULE_CROSSED: Meaning("a rule's bound was crossed", Severity.WARNING, "rule-crossed"),
    Kind.BUDGET_BURNS: Meaning("an error budget burns", Severity.WARNING, "budget-burns"),
    Kind.MONITOR_FAILING: Meaning("a scheduled job fails", Severity.WARNING, "monitor-failing"),
    Kind.ISSUE_FOUND: Meaning("a rule found an issue", Severity.WARNING, "issue-found", repeat_every_s=0),
    Kind.ISSUE_NEWS: Meaning(
        "news of issues that somebody follows", Severity.INFO, "issue-news", repeat_every_s=0
    ),
    Kind.ERROR_SPIKE: Meaning(
        "errors come in far above the usual", Severity.WARNING, "error-spike", repeat_every_s=0
    ),
    Kind.TEST: Meaning("a test", Severity.INFO, "README", repeat_every_s=0),
}
