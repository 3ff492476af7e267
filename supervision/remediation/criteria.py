"""Success criteria: what can be asked, and whether it holds of given facts. Pure.

rule_count   open findings of a rule (or rules that begin so), below a path: at most so many
findings     these findings are closed
test         the newest result of this test is passed
measure      a number that a CI job uploaded: at least, or at most
coverage     of `code` (Cobertura XML of a CI job) or `supervision`: at least, from 0 to 1
runtime      `restarts` of the project's tree in the last day, or `strays` where it runs: at most
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from supervision.audit.catalogue import RULES

KINDS = ("rule_count", "findings", "test", "measure", "coverage", "runtime")
RUNTIME = ("restarts", "strays")
COVERAGE = ("code", "supervision")
MOST_FINDINGS = 200


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rows say. `rules`: (rule, path) of each open finding; None where no run has been yet. Shares from 0 to 1."""

    rules: tuple[tuple[str, str], ...] | None = None
    states: Mapping[int, str] = field(default_factory=dict)
    tests: Mapping[str, str] = field(default_factory=dict)
    measures: Mapping[str, float] = field(default_factory=dict)
    supervision: float | None = None
    runtime: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judged:
    """Whether a criterion holds, and what was found. What is not known does not hold."""

    is_met: bool
    value: str


def fault(kind: object, params: Mapping[str, Any]) -> str:
    """What is wrong with a criterion as it was written, or ""."""
    check = _FAULTS.get(str(kind))
    if check is None:
        return f"kind is one of {', '.join(KINDS)}"
    allowed, wrong = check
    unknown = sorted(set(params) - set(allowed))
    if unknown:
        return f"{kind} has no {unknown[0]}; it has {', '.join(allowed)}"
    return wrong(params)


def words(kind: str, params: Mapping[str, Any]) -> str:
    """The criterion as a sentence without its full stop."""
    match kind:
        case "rule_count":
            where = f" below {params['path']}" if params.get("path") else ""
            return f"At most {params['at_most']} open findings of {params['rule']}{where}"
        case "findings":
            return f"Closed: {', '.join(f'finding {number}' for number in params['ids'])}"
        case "test":
            return f"The test {params['name']} passes"
        case "measure":
            return f"{params['name']} is {_bounds(params)}"
        case "coverage":
            of = "Code" if params["of"] == "code" else "Supervision"
            return f"{of} coverage is at least {params['at_least']:.0%}"
    what = "Restarts of the tree in a day" if params["what"] == "restarts" else "Strays where the tree runs"
    return f"{what}: at most {params['at_most']}"


def judge(kind: str, params: Mapping[str, Any], facts: Facts) -> Judged:
    """Whether the criterion holds of the facts."""
    return _JUDGES[kind](params, facts)


# -- judging ------------------------------------------------------------------------------------------------------------


def _rule_count(params: Mapping[str, Any], facts: Facts) -> Judged:
    if facts.rules is None:
        return Judged(False, "no run yet")
    path = str(params.get("path", "")).rstrip("/")
    found = sum(
        rule.startswith(params["rule"]) and (not path or at == path or at.startswith(f"{path}/"))
        for rule, at in facts.rules
    )
    return Judged(found <= params["at_most"], f"{found} open")


def _findings(params: Mapping[str, Any], facts: Facts) -> Judged:
    left = [number for number in params["ids"] if facts.states.get(number) != "closed"]
    if not left:
        return Judged(True, "all closed")
    return Judged(False, f"{len(left)} not closed: {', '.join(map(str, left[:10]))}")


def _test(params: Mapping[str, Any], facts: Facts) -> Judged:
    outcome = facts.tests.get(params["name"])
    return Judged(outcome == "passed", outcome or "no result yet")


def _measure(params: Mapping[str, Any], facts: Facts) -> Judged:
    value = facts.measures.get(params["name"])
    if value is None:
        return Judged(False, "not measured yet")
    holds = value >= params.get("at_least", -math.inf) and value <= params.get("at_most", math.inf)
    return Judged(holds, f"{value:g}")


def _coverage(params: Mapping[str, Any], facts: Facts) -> Judged:
    share = facts.measures.get("coverage") if params["of"] == "code" else facts.supervision
    if share is None:
        return Judged(False, "not known yet")
    return Judged(share >= params["at_least"], f"{share:.1%}")


def _runtime(params: Mapping[str, Any], facts: Facts) -> Judged:
    number = facts.runtime.get(params["what"])
    if number is None:
        return Judged(False, "not known: the project has no tree that runs")
    return Judged(number <= params["at_most"], str(number))


_JUDGES = {
    "rule_count": _rule_count,
    "findings": _findings,
    "test": _test,
    "measure": _measure,
    "coverage": _coverage,
    "runtime": _runtime,
}


# -- checking what was written ------------------------------------------------------------------------------------------


def _bounds(params: Mapping[str, Any]) -> str:
    parts = [
        f"{word} {params[name]:g}"
        for name, word in (("at_least", "at least"), ("at_most", "at most"))
        if name in params
    ]
    return " and ".join(parts)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _is_text(value: Any, most: int = 500) -> bool:
    return isinstance(value, str) and 0 < len(value) <= most and "\0" not in value


def _fault_rule_count(params: Mapping[str, Any]) -> str:
    if not _is_text(params.get("rule"), 100):
        return "rule is a rule's code, or the beginning of several"
    if params["rule"].startswith("SUP") and not any(code.startswith(params["rule"]) for code in RULES):
        return f"the audit has no rule {params['rule']}"
    if "path" in params and not _is_text(params["path"], 1000):
        return "path is a directory or a file of the reports"
    return "" if _is_count(params.get("at_most")) else "at_most is a whole number from 0"


def _fault_findings(params: Mapping[str, Any]) -> str:
    ids = params.get("ids")
    if isinstance(ids, list) and 0 < len(ids) <= MOST_FINDINGS and all(_is_count(number) for number in ids):
        return ""
    return f"ids is a list of 1 to {MOST_FINDINGS} numbers of findings"


def _fault_test(params: Mapping[str, Any]) -> str:
    return "" if _is_text(params.get("name")) else "name is a test's name, classname::name"


def _fault_measure(params: Mapping[str, Any]) -> str:
    if not _is_text(params.get("name"), 100):
        return "name is a measure's name"
    given = [params[name] for name in ("at_least", "at_most") if name in params]
    return "" if given and all(map(_is_number, given)) else "at_least or at_most is a number"


def _fault_coverage(params: Mapping[str, Any]) -> str:
    if params.get("of") not in COVERAGE:
        return f"of is one of {', '.join(COVERAGE)}"
    least = params.get("at_least")
    return "" if _is_number(least) and 0 <= float(least or 0) <= 1 else "at_least is a share from 0 to 1"


def _fault_runtime(params: Mapping[str, Any]) -> str:
    if params.get("what") not in RUNTIME:
        return f"what is one of {', '.join(RUNTIME)}"
    return "" if _is_count(params.get("at_most")) else "at_most is a whole number from 0"


_FAULTS = {
    "rule_count": (("rule", "path", "at_most"), _fault_rule_count),
    "findings": (("ids",), _fault_findings),
    "test": (("name",), _fault_test),
    "measure": (("name", "at_least", "at_most"), _fault_measure),
    "coverage": (("of", "at_least"), _fault_coverage),
    "runtime": (("what", "at_most"), _fault_runtime),
}
