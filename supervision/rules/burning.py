"""Looking at objectives: count what ended, and say when a budget burns too fast. Safe to be called by many, often."""

from datetime import datetime

from django.db import transaction

from supervision.alerts.kinds import Kind, Severity
from supervision.alerts.models import Alert
from supervision.alerts.services import Subject, raise_alert, resolve_subject
from supervision.fleet.services import database_now
from supervision.rules.budget import burning, standing
from supervision.rules.counting import count_minutes, tally
from supervision.rules.models import Objective

DAY_S = 86400


def watch_objectives() -> int:
    """How many alerts were raised or resolved."""
    now, changed = database_now(), 0
    for pk in Objective.objects.filter(is_enabled=True).values_list("pk", flat=True):
        with transaction.atomic():
            objective = (
                Objective.objects.select_for_update(skip_locked=True).filter(pk=pk, is_enabled=True).first()
            )
            if objective is not None:
                count_minutes(objective, now=now)
                changed += _tell(objective, now)
    return changed


def _tell(objective: Objective, now: datetime) -> int:
    found = burning(objective.target, lambda seconds: tally(objective, seconds=seconds, now=now))
    told = Alert.objects.filter(kind=Kind.BUDGET_BURNS, subject=objective.name, resolved_at=None).first()
    if found is None:
        if told is None:
            return 0
        return resolve_subject(
            kind=Kind.BUDGET_BURNS, subject=objective.name, by="it burns slowly again", now=now
        )
    burn, rate = found
    severity = Severity.CRITICAL if burn.is_page else Severity.WARNING
    if told is not None:
        if told.severity == severity or severity == Severity.WARNING:
            return 0
        resolve_subject(kind=Kind.BUDGET_BURNS, subject=objective.name, by="it burns faster", now=now)
    left = standing(tally(objective, seconds=objective.days * DAY_S, now=now), objective.target).left
    hours = burn.long_s // 3600
    raise_alert(
        about=Subject(Kind.BUDGET_BURNS, objective.name, tree=objective.tree),
        title=f"{objective.name}: its error budget burns {rate:.1f} times too fast",
        body=(
            f"{objective.target:g} % over {objective.days} days. In the last {'hour' if hours == 1 else f'{hours} hours'} "
            f"it burned {rate:.1f} times as fast as it may"
            + (f"; {max(left, 0):.0%} of the budget is left." if left is not None else ".")
        ),
        data={"objective": objective.name, "rate": round(rate, 2), "left": left},
        severity=severity,
        runbook_url=objective.runbook_url,
        now=now,
    )
    return 1
