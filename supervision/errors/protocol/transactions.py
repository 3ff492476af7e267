"""Transactions: how long a piece of work took. Of each only its name, what kind of work it was and its time are taken.

A time is counted in one of a few classes, each half as long again as the one before: so of many the middle and the slowest
are known to a fifth, and an hour of a transaction is a handful of rows however often it ran.
"""

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from supervision.errors.scrubbing.options import NOTHING_OWN, Options
from supervision.errors.scrubbing.texts import DEFAULT, Texts
from supervision.errors.scrubbing.values import texts_of

MOST_NAME, MOST_OP = 200, 64
MOST_SCRUBBED = 8192
"""Looked at before a name is cut: of a secret that is cut in two, the half tells nothing of what it is."""
MOST_MS = 7 * 86_400_000.0
STEP = 1.5
CLASSES = 50
"""The last one holds everything from some hours on."""
WELL = frozenset({"ok", "", "unset", "cancelled", "canceled"})


@dataclass(frozen=True, slots=True)
class Ran:
    """One transaction. `failed`: by its own word."""

    name: str
    op: str
    ms: float
    failed: bool

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "op": self.op, "ms": self.ms, "failed": self.failed}


def ran_of(body: Mapping[str, Any], scrubbing: Options = NOTHING_OWN) -> Ran | None:
    """Of an item `transaction`. None where it has no name or no time. Any: JSON."""
    name = body.get("transaction")
    began, ended = _moment(body.get("start_timestamp")), _moment(body.get("timestamp"))
    if not isinstance(name, str) or not name.strip() or began is None or ended is None:
        return None
    contexts = body.get("contexts")
    trace = contexts.get("trace") if isinstance(contexts, Mapping) else None
    trace = trace if isinstance(trace, Mapping) else {}
    ms = (ended - began) * 1000
    if not 0 <= ms <= MOST_MS:
        return None
    texts = texts_of(scrubbing)
    return Ran(
        _text(name, MOST_NAME, texts),
        _text(trace.get("op"), MOST_OP, texts),
        round(ms, 3),
        _text(trace.get("status"), 32).lower() not in WELL,
    )


def read_ran(body: Mapping[str, Any]) -> Ran:
    """Of what `Ran.to_json` made. Raises KeyError, TypeError, ValueError."""
    return Ran(str(body["name"]), str(body["op"]), float(body["ms"]), bool(body["failed"]))


def class_of(ms: float) -> int:
    """The number of the class that a time falls in: 0 is up to a millisecond."""
    return 0 if ms <= 1 else min(CLASSES - 1, math.ceil(math.log(ms) / math.log(STEP) - 1e-9))


def upper_ms(number: int) -> float:
    """The longest time of a class."""
    return STEP**number


def quantile(counts: Mapping[int, int], part: float) -> float | None:
    """The time within which that part of all ended, in ms, as the upper bound of its class; None of nothing."""
    whole = sum(counts.values())
    if not whole:
        return None
    passed = 0
    for number, count in sorted(counts.items()):
        passed += count
        if passed >= part * whole:
            return upper_ms(number)
    return None


def _moment(value: object) -> float | None:
    """Unix seconds, of a number or an ISO text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if math.isfinite(value) else None
    if not isinstance(value, str):
        return None
    try:
        moment = dt.datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp()


def _text(value: object, most: int, texts: Texts = DEFAULT) -> str:
    """On a line, without secrets: also none that is one only without what cannot be printed."""
    if not isinstance(value, str):
        return ""
    printable = "".join(char for char in texts.text(value[:MOST_SCRUBBED]) if char.isprintable())
    return texts.text(printable.strip())[:most]
