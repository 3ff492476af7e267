"""What a check answers, and running all of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from supervision.exceptions import SupervisionError
from supervision.runtime.clock import Clock
from supervision.runtime.paths import Paths


class Verdict(StrEnum):
    OK = "ok"
    WARN = "warn"
    """It works, but less well than it could."""
    FAIL = "fail"
    """Something an operator relies on does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: `check` names it for scripts (`disk.space`), `advice` says what to do unless all is well."""

    check: str
    verdict: Verdict
    text: str
    advice: str = ""

    def to_json(self) -> dict[str, str]:
        return {"check": self.check, "verdict": str(self.verdict), "text": self.text, "advice": self.advice}


@dataclass(frozen=True, slots=True)
class Host:
    """What the checks look at."""

    paths: Paths
    environ: Mapping[str, str]
    clock: Clock


Check = Callable[[Host], Iterable[Finding]]


def ok(check: str, text: str) -> Finding:
    return Finding(check, Verdict.OK, text)


def warn(check: str, text: str, advice: str) -> Finding:
    return Finding(check, Verdict.WARN, text, advice)


def fail(check: str, text: str, advice: str) -> Finding:
    return Finding(check, Verdict.FAIL, text, advice)


def examine(host: Host, checks: Iterable[Check]) -> list[Finding]:
    """Every finding of every check; a check that cannot be made is a finding itself."""
    found: list[Finding] = []
    for check in checks:
        try:
            found.extend(check(host))
        except (OSError, ValueError, SupervisionError) as error:
            name = f"{check.__module__.rpartition('.')[2]}.{check.__name__}"
            found.append(
                fail(
                    name,
                    f"could not be checked: {error}",
                    "Look at the message; the check itself may be wrong.",
                )
            )
    return found


def counts(findings: Iterable[Finding]) -> dict[str, int]:
    """How many of each verdict."""
    seen = Counter(str(finding.verdict) for finding in findings)
    return {str(verdict): seen[verdict] for verdict in Verdict}
