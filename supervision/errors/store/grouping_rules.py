"""Rules of a project by which its reports are grouped: which there are, saying them anew, and what they would do."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from supervision.auditlog.actor import Actor
from supervision.auditlog.services import audited, record
from supervision.errors.exceptions import InvalidFieldError
from supervision.errors.grouping.conditions import Condition, InvalidRuleError
from supervision.errors.grouping.rules import Rule, apply_rules
from supervision.errors.protocol.reading import read_event
from supervision.errors.store.bodies import unpacked
from supervision.errors.store.models import ErrorEvent, ErrorIssue, ErrorProject, ErrorRule

MOST_RULES, MOST_CONDITIONS = 100, 10
MOST_TRIED = 200
"""Events that rules are tried on: the newest."""
MOST_NAMED = 10
"""Issues that a trial names for each rule."""

log = logging.getLogger("overstory.errors")


@dataclass(frozen=True, slots=True)
class RuleFields:
    """A rule as it was asked for: what an event is grouped by, and its issue called, that meets all of `match`."""

    match: tuple[Condition, ...]
    fingerprint: tuple[str, ...] = ()
    title: str = ""


@dataclass(slots=True)
class Trial:
    """What one rule would have done: to how many events, of which issues (short ids), and what the newest is given."""

    events: int = 0
    issues: list[str] = field(default_factory=list)
    fingerprint: tuple[str, ...] = ()
    title: str = ""


@dataclass(frozen=True, slots=True)
class Trials:
    """Of each rule in its order; of how many events, and how many of them no rule meant."""

    rules: Sequence[Trial]
    tried: int
    unmatched: int


def rules_of_project(project: ErrorProject) -> list[ErrorRule]:
    """In their order."""
    return list(project.rules.order_by("position", "pk"))


def rules_by_project(projects: Iterable[int]) -> dict[int, tuple[Rule, ...]]:
    """In their order; one that is not understood any more is left out."""
    found: dict[int, list[Rule]] = {}
    for row in ErrorRule.objects.filter(project__in=list(projects)):
        try:
            match = tuple((str(name), str(pattern)) for name, pattern in row.match)
            rule = Rule(match, tuple(row.fingerprint), row.title)
        except (InvalidRuleError, TypeError, ValueError):
            log.warning("rule %s of project %s is not understood", row.pk, row.project_id)
            continue
        found.setdefault(row.project_id, []).append(rule)
    return {project: tuple(rules) for project, rules in found.items()}


def set_rules(*, project: ErrorProject, rules: Sequence[RuleFields], actor: Actor) -> list[ErrorRule]:
    """All rules of a project, in their order; they count for reports to come. InvalidFieldError, which names the first that
    is wrong."""
    checked = checked_rules(rules)
    with audited():
        ErrorProject.objects.select_for_update(no_key=True).get(pk=project.pk)
        ErrorRule.objects.filter(project=project).delete()
        ErrorRule.objects.bulk_create(
            ErrorRule(
                project=project,
                position=place,
                match=[list(each) for each in rule.conditions],
                fingerprint=list(rule.fingerprint),
                title=rule.title,
            )
            for place, rule in enumerate(checked)
        )
        record(
            actor=actor,
            action="error_project.grouping",
            target=f"error project {project.slug}",
            tree=project.tree,
            details={"rules": len(checked)},
        )
    return rules_of_project(project)


def checked_rules(rules: Sequence[RuleFields]) -> list[Rule]:
    """InvalidFieldError, which names the first that is wrong."""
    if len(rules) > MOST_RULES:
        raise InvalidFieldError("rules", f"at most {MOST_RULES}")
    return [_checked(f"rules/{place}", each) for place, each in enumerate(rules)]


def _checked(at: str, fields: RuleFields) -> Rule:
    if len(fields.match) > MOST_CONDITIONS:
        raise InvalidFieldError(f"{at}/match", f"at most {MOST_CONDITIONS} conditions")
    try:
        return Rule(fields.match, tuple(part.strip() for part in fields.fingerprint), fields.title.strip())
    except InvalidRuleError as error:
        name, _, _ = str(error).partition(":")
        place = f"{at}/{name}" if name in ("match", "fingerprint", "title") else at
        raise InvalidFieldError(place, str(error)) from None


def try_rules(*, project: ErrorProject, rules: Sequence[Rule], most: int = MOST_TRIED) -> Trials:
    """What they would have given the newest events that are stored. Nothing is changed. Two queries."""
    trials = [Trial() for _ in rules]
    rows = list(ErrorEvent.objects.filter(project_id=project.pk).order_by("-id")[:most])
    issues = ErrorIssue.objects.select_related("project").in_bulk({row.issue_id for row in rows})
    unmatched = 0
    for row in rows:
        event = read_event(unpacked(row.data), event_id=row.event_id)
        given = apply_rules(rules, event, child=row.child)
        if given.rule is None:
            unmatched += 1
            continue
        trial = trials[given.rule]
        if not trial.events:
            trial.fingerprint, trial.title = given.fingerprint, given.title
        trial.events += 1
        issue = issues.get(row.issue_id)
        if issue is not None and issue.short_id not in trial.issues and len(trial.issues) < MOST_NAMED:
            trial.issues.append(issue.short_id)
    return Trials(trials, len(rows), unmatched)
