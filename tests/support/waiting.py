"""Waiting for something real to become true, with a deadline and the last value seen in the failure."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

SLOWEST_S = 0.1
SHARE = 20
"""A probe costs milliseconds of a core, here and where it asks: between two a twentieth of the time waited passes."""


def wait_for(probe: Callable[[], T | None], *, timeout: float, every: float = 0.01, what: str = "") -> T:
    """Call `probe` until it answers something true and return that; AssertionError after `timeout` seconds.

    For acceptance tests only: everything that can be awaited as an event is awaited as one.
    """
    began = time.monotonic()
    while True:
        value = probe()
        if value:
            return value
        waited = time.monotonic() - began
        if waited >= timeout:
            raise AssertionError(f"not within {timeout} s: {what or probe}; last value {value!r}")
        time.sleep(max(every, min(SLOWEST_S, waited / SHARE)))


def elapsed(seconds: float) -> Callable[[], bool]:
    """A probe that is true once `seconds` passed: for tests of what must not happen meanwhile."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() >= end
