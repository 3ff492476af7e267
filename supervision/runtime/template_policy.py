"""Decisions about templates, as functions of facts: how many spares to fork, and what follows the end of a template."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

SETTLED_S = 10.0
"""A template that lived so long after it was ready has not failed by itself: somebody ended it."""
FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 60.0
_INSTANCE = re.compile(r"@[^/]*")

Verdict = Literal["died", "failed", "unforkable", "ended"]
"""`failed`: what it was to import could not be imported; `unforkable`: it was, and forbids a fork; `ended`: by us."""


@dataclass(frozen=True, slots=True)
class After:
    """What follows the end of a template.

    again_after_s  when to start another one; None: at the next start of an agent, not before `not_before_s`
    why_exec       why agents are exec'd until then; empty: they wait for the next template
    """

    again_after_s: float | None
    not_before_s: float = 0.0
    why_exec: str = ""
    failures: int = 0


def after_end(verdict: Verdict, why: str, *, lived_s: float | None, failures: int) -> After:
    """`lived_s`: since it was ready, None when it never was. `failures`: in a row, before this one."""
    if verdict == "ended":
        return After(None)
    if verdict == "unforkable":
        return After(None, LONGEST_RETRY_S, f"its modules cannot be forked: {why}")
    if verdict == "died" and lived_s is not None and lived_s >= SETTLED_S:
        return After(0.0)
    if verdict == "died" and lived_s is not None and failures == 0:
        return After(0.0, failures=1)
    wait = min(FIRST_RETRY_S * 2**failures, LONGEST_RETRY_S)
    if verdict == "failed":
        return After(None, wait, f"its template failed: {why}", failures + 1)
    when = "while it was starting" if lived_s is None else f"{lived_s:.1f} s after it was ready"
    return After(wait, wait, f"its template died {when}", failures + 1)


def spares_wanted(owners: Mapping[str, int]) -> int:
    """Spares of a template, by child's key: the instances of a declared child share theirs, several children's add up."""
    return sum({_INSTANCE.sub("", key): spares for key, spares in owners.items()}.values())


def to_fork(wanted: int, *, waiting: int, forming: int) -> int:
    """How many spares to ask for now: one at a time, so that a start never waits behind more than one of them."""
    return 1 if forming == 0 and waiting < wanted else 0


def to_end(wanted: int, *, waiting: int) -> int:
    """How many of the waiting spares are too many."""
    return max(0, waiting - wanted)
