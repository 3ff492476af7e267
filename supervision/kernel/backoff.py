"""Waiting longer after each failure: a policy beside intensity, off unless a child asks for it.

OTP has no backoff. Ours delays the message by which an OTP supervisor tells itself to try a restart again
(`try_again_restart`): the child counts as restarting while it waits, the supervisor goes on with its work, and the
restart is counted when it is made. A wait is therefore never a restart, and intensity keeps its meaning.
"""

from dataclasses import dataclass
from typing import Self
from zlib import crc32

from supervision.kernel.checks import check, is_number
from supervision.kernel.reasons import Term


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before each attempt. All times in seconds.

    initial      wait before the first restart
    factor       each further wait is this much longer, at least 1
    cap          no wait is longer
    jitter       0 to 1: the part of a wait that may be taken off, so that many children do not return together
    reset_after  a life this long is stable: the next failure is a first one again
    """

    initial: float
    factor: float = 2.0
    cap: float = 60.0
    jitter: float = 0.0
    reset_after: float = 60.0

    def __post_init__(self) -> None:
        check(is_number(self.initial) and self.initial >= 0, "/initial", self.initial, "seconds, at least 0")
        check(is_number(self.factor) and self.factor >= 1, "/factor", self.factor, "a number, at least 1")
        check(
            is_number(self.cap) and self.cap >= self.initial, "/cap", self.cap, "seconds, at least `initial`"
        )
        check(
            is_number(self.jitter) and 0 <= self.jitter <= 1, "/jitter", self.jitter, "a number from 0 to 1"
        )
        check(
            is_number(self.reset_after) and self.reset_after > 0,
            "/reset_after",
            self.reset_after,
            "seconds, more than 0",
        )

    def delay(self, attempt: int, seed: str) -> float:
        """Seconds before the given attempt (from 1). The same attempt and seed always give the same delay."""
        return capped(self.initial, self.factor, self.cap, attempt) * (
            1 - self.jitter * _fraction(f"{seed}#{attempt}")
        )

    def to_json(self) -> dict[str, Term]:
        return {
            "initial": self.initial,
            "factor": self.factor,
            "cap": self.cap,
            "jitter": self.jitter,
            "reset_after": self.reset_after,
        }

    @classmethod
    def from_json(cls, document: dict[str, float]) -> Self:
        return cls(**document)


def capped(initial: float, factor: float, cap: float, attempt: int) -> float:
    """`initial * factor ** (attempt - 1)`, at most `cap`, also where the power would overflow a float."""
    try:
        return min(cap, initial * factor ** (attempt - 1))
    except OverflowError:
        return cap


def _fraction(text: str) -> float:
    """A number from 0 up to 1 that depends on the text alone: the kernel must decide the same way on replay."""
    return crc32(text.encode()) / 2**32
