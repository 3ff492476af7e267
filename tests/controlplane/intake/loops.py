"""Waiting inside an event loop for what the loop itself brings about."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from django.db import connections

WAIT_S = 30
Result = TypeVar("Result")


async def until(true: Callable[[], bool], what: str) -> None:
    """Ask now and again; AssertionError if it does not become true."""
    deadline = asyncio.get_running_loop().time() + WAIT_S
    while True:
        if await asyncio.to_thread(true):
            return
        assert asyncio.get_running_loop().time() < deadline, f"not within {WAIT_S} s: {what}"
        await asyncio.sleep(0.02)


def waiting_on_disk(directory: Path) -> list[str]:
    """Names of the spool's files, those that were set aside among them."""
    return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


async def in_thread(act: Callable[..., Result], *arguments: object) -> Result:
    """Call what uses the database elsewhere than in the loop's thread, and leave no connection there."""

    def run() -> Result:
        try:
            return act(*arguments)
        finally:
            connections.close_all()

    return await asyncio.to_thread(run)
