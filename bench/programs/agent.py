"""The same service as imports.py as an agent of the SDK: it stamps when it is ready, or as its own first act."""

import asyncio
import contextlib
import os
import struct
import time
from collections.abc import Mapping
from typing import Any

import celery  # noqa: F401
import django
import psycopg  # noqa: F401
import redis  # noqa: F401
from django.conf import settings
from forkstamp import FIRST_NS  # type: ignore[import-not-found]  # it lies beside this file
from overstory.agent import Agent

settings.configure(USE_TZ=True)
django.setup()


def stamp(arguments: Mapping[str, Any], first_ns: int = 0) -> None:
    """Tell that we run; without a reader there is nobody to tell."""
    now_ns = first_ns or time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    with contextlib.suppress(OSError):
        fifo = os.open(arguments["fifo"], os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.write(fifo, struct.pack("=qii", now_ns, os.getpid(), arguments["index"]))
        os.close(fifo)


class Stamping(Agent):
    """Ready: `run` begins after READY was said."""

    async def run(self) -> None:
        stamp(self.context.arguments)
        await asyncio.Event().wait()


class StampingFirst(Agent):
    """When the first instruction of its process ran."""

    async def run(self) -> None:
        stamp(self.context.arguments, FIRST_NS[0])
        await asyncio.Event().wait()
