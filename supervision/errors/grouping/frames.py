"""Which calls of a stack speak for a bug, and what of each.

A call is its module, its function and the line of source it was at, without line numbers: they move with every change above
them. What only passes a call on (decorators, context managers, a framework's way to the view or task) is left out, and what
repeats is kept once: how deep a recursion went says nothing of the bug.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from supervision.errors.event import Frame

MOST_CONTEXT = 120
MAIN = "__main__"
"""Which script it is says its file: so does a traceback, which names no modules."""
MOST_CYCLE = 8
"""Longest cycle of calls that is known as a recursion."""

_PASSING_ON = (
    "functools",
    "contextlib",
    "concurrent.futures",
    "asyncio.runners",
    "asyncio.base_events",
    "asyncio.events",
    "asyncio.tasks",
    "threading",
    "celery.app.trace",
    "celery.app.task",
    "celery.local",
    "billiard.pool",
    "django.core.handlers",
    "django.utils.deprecation",
    "django.utils.decorators",
    "django.views.generic.base",
    "asgiref.sync",
    "sentry_sdk",
    "overstory",
    "runpy",
)
_SPACE = re.compile(r"\s+")
_WRAPPER = re.compile(r"^(?:wrapper|wrapped|inner|_wrapped_view|_wrapper_view|decorated|__call__)$")
_LAMBDA = re.compile(r"<(?:lambda|genexpr|listcomp|dictcomp|setcomp)>")
_ANONYMOUS = re.compile(r"\d{3,}")
"""Numbers in a made-up name (`tmp4821`, `__f_93811`) say nothing."""


@dataclass(frozen=True, slots=True)
class Call:
    """What counts of a frame, and its number in the stack, which does not count."""

    module: str
    function: str
    context: str
    number: int

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.module, self.function, self.context)

    def __str__(self) -> str:
        return f"{self.module} in {self.function}" + (f": {self.context}" if self.context else "")


def calls(frames: Iterable[Frame]) -> tuple[Call, ...]:
    """What counts of the frames, oldest first; empty where only wrappers are left."""
    kept = [_call(frame) for frame in frames if not _passes_on(frame)]
    return tuple(_without_cycles(kept))


def is_in_app(frame: Frame) -> bool:
    """As the SDK says; where it does not, installed packages and the standard library are not."""
    return frame.in_app if frame.in_app is not None else is_own_path(frame.path)


def is_own_path(path: str) -> bool:
    """Whether a file is neither of an installed package nor of the standard library."""
    path = path.replace("\\", "/")
    if "/site-packages/" in path or "/dist-packages/" in path or path.startswith("<frozen"):
        return False
    return re.search(r"/lib(?:64)?/python\d", path) is None


def _call(frame: Frame) -> Call:
    named = frame.module != MAIN and frame.module
    module = named or PurePosixPath(frame.path.replace("\\", "/")).name.lower() or frame.module
    function = _ANONYMOUS.sub("<n>", _LAMBDA.sub("<anonymous>", frame.function))
    context = _SPACE.sub(" ", frame.context_line).strip()[:MOST_CONTEXT]
    return Call(module, function, context, frame.number)


def _passes_on(frame: Frame) -> bool:
    module = frame.module
    if any(module == each or module.startswith(f"{each}.") for each in _PASSING_ON):
        return True
    return bool(_WRAPPER.match(frame.function)) and "(*args, **kwargs" in _SPACE.sub(" ", frame.context_line)


def _without_cycles(kept: Sequence[Call]) -> list[Call]:
    """Each run of a repeated block of calls once."""
    result: list[Call] = []
    for call in kept:
        result.append(call)
        for length in range(1, min(MOST_CYCLE, len(result) // 2) + 1):
            last, before = result[-length:], result[-2 * length : -length]
            if [each.key for each in last] == [each.key for each in before]:
                del result[-length:]
                break
    return result
