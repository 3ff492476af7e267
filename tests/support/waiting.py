"""Waiting for something real to become true, with a deadline and the last value seen in the failure."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(probe: Callable[[], T | None], *, timeout: float, every: float = 0.01, what: str = "") -> T:
    """Call `probe` until it answers something true and return that; AssertionError after `timeout` seconds.

    For acceptance tests only: everything that can be awaited as an event is awaited as one.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout} s: {what or probe}; last value {value!r}")
        time.sleep(every)


def elapsed(seconds: float) -> Callable[[], bool]:
    """A probe that is true once `seconds` passed: for tests of what must not happen meanwhile."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end
