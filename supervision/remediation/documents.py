"""A plan as it is written: one document with its phases and their criteria. Pure.

title: No thread is left behind
owner: ada
risk: medium
phases:
- title: Keep every handle
  estimate_days: 3
  risk: low
  rollback: revert the merge request; the workers start as before
  criteria:
  - {kind: rule_count, rule: SUP101, at_most: 0}
  - {kind: test, name: "tests.test_jobs::test_it_is_joined"}
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from supervision.remediation import criteria
from supervision.remediation.exceptions import InvalidPlanError

RISKS = ("low", "medium", "high")
MOST_PHASES = 30
MOST_CRITERIA = 20
LONGEST_DAYS = 1000.0
_PLAN = ("title", "summary", "owner", "risk", "phases")
_PHASE = ("title", "owner", "estimate_days", "risk", "rollback", "criteria")


@dataclass(frozen=True, slots=True)
class WrittenCriterion:
    kind: str
    params: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WrittenPhase:
    title: str
    owner: str
    estimate_days: float
    risk: str
    rollback: str
    criteria: tuple[WrittenCriterion, ...]


@dataclass(frozen=True, slots=True)
class WrittenPlan:
    title: str
    summary: str
    owner: str
    risk: str
    phases: tuple[WrittenPhase, ...]


def read(document: Any) -> WrittenPlan:
    """Any: as JSON or YAML give it. Raises InvalidPlanError with the place."""
    body = _object(document, "", _PLAN)
    phases = _list(body.get("phases"), "/phases", MOST_PHASES)
    return WrittenPlan(
        _text(body, "title", "", 200),
        _text(body, "summary", "", 20_000, default=""),
        _text(body, "owner", "", 200),
        _risk(body, ""),
        tuple(_phase(phase, f"/phases/{at}") for at, phase in enumerate(phases)),
    )


def _phase(document: Any, at: str) -> WrittenPhase:
    body = _object(document, at, _PHASE)
    days = body.get("estimate_days")
    if not isinstance(days, int | float) or isinstance(days, bool) or not 0 < days <= LONGEST_DAYS:
        raise InvalidPlanError(
            f"{at}/estimate_days", f"days of work, more than 0 and at most {LONGEST_DAYS:g}"
        )
    return WrittenPhase(
        _text(body, "title", at, 200),
        _text(body, "owner", at, 200, default=""),
        float(days),
        _risk(body, at),
        _text(body, "rollback", at, 20_000),
        tuple(
            _criterion(item, f"{at}/criteria/{index}")
            for index, item in enumerate(_list(body.get("criteria"), f"{at}/criteria", MOST_CRITERIA))
        ),
    )


def _criterion(document: Any, at: str) -> WrittenCriterion:
    if not isinstance(document, Mapping):
        raise InvalidPlanError(at, "an object is expected here")
    params = {str(name): value for name, value in document.items() if name != "kind"}
    wrong = criteria.fault(document.get("kind"), params)
    if wrong:
        raise InvalidPlanError(at, wrong)
    return WrittenCriterion(str(document["kind"]), params)


def _object(value: Any, at: str, known: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidPlanError(at, "an object is expected here")
    unknown = sorted(str(name) for name in value if name not in known)
    if unknown:
        raise InvalidPlanError(
            f"{at}/{unknown[0][:80]}", f"there is no such field; there are {', '.join(known)}"
        )
    return value


def _list(value: Any, at: str, most: int) -> list[Any]:
    if not isinstance(value, list) or not 0 < len(value) <= most:
        raise InvalidPlanError(at, f"a list of 1 to {most} is expected here")
    return value


def _text(body: Mapping[str, Any], name: str, at: str, most: int, default: str | None = None) -> str:
    value = body.get(name, default)
    if (
        not isinstance(value, str)
        or "\0" in value
        or len(value) > most
        or not (value.strip() or default == "")
    ):
        raise InvalidPlanError(f"{at}/{name}", f"a text of at most {most} characters is expected here")
    return value.strip()


def _risk(body: Mapping[str, Any], at: str) -> str:
    value = body.get("risk")
    if value not in RISKS:
        raise InvalidPlanError(f"{at}/risk", f"one of {', '.join(RISKS)}")
    return str(value)
