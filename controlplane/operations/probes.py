"""`/livez`, `/readyz`, `/healthz` as text: the status code is for machines, the lines are for people. Pure.

PostgreSQL and its migrations decide. Redis and the others are warnings: a page that is needed when Redis is down must not be
taken out of rotation because of it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from controlplane.operations.checks import Outcome

TYPE = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Probe:
    """An answer. 200 or 503; 404 for a check that does not exist."""

    status: int
    text: str


def live() -> Probe:
    """The process answers. Says nothing of the stores: a liveness probe that asks others restarts the wrong one."""
    return Probe(200, "ok\n")


def ready(outcomes: Sequence[Outcome], *, exclude: Collection[str] = (), verbose: bool = False) -> Probe:
    """All checks that decide, except those excluded; with `verbose` a line for each, and what is wrong."""
    known = {outcome.name for outcome in outcomes}
    failed = [each for each in outcomes if not each.ok and each.decides and each.name not in exclude]
    status = 503 if failed else 200
    if not verbose:
        return Probe(status, "ok\n" if status == 200 else "not ready\n")
    lines = [_line(outcome, exclude) for outcome in outcomes]
    lines += [f"warn: no check is called {name!r}" for name in sorted(set(exclude) - known)]
    lines.append("readyz check passed" if status == 200 else "readyz check failed")
    return Probe(status, "\n".join(lines) + "\n")


def one(outcomes: Sequence[Outcome], name: str, *, verbose: bool = False) -> Probe:
    """A single check, whether it decides or not."""
    for outcome in outcomes:
        if outcome.name == name:
            status = 200 if outcome.ok else 503
            if verbose:
                return Probe(status, _line(outcome, ()) + "\n")
            return Probe(status, "ok\n" if outcome.ok else "not ready\n")
    return Probe(404, "no such check\n")


def _line(outcome: Outcome, exclude: Collection[str]) -> str:
    if outcome.name in exclude:
        return f"[+]{outcome.name} excluded: ok"
    if outcome.ok:
        return f"[+]{outcome.name} ok" + (f": {outcome.detail}" if outcome.detail else "")
    mark = "[-]" if outcome.decides else "[!]"
    return f"{mark}{outcome.name} {'failed' if outcome.decides else 'warning'}: {outcome.detail}"
