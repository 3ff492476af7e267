"""A program that fails in the way it is asked for, under whichever Sentry SDK its interpreter has. SENTRY_DSN says where."""

import asyncio
import logging
import sys
import threading

import sentry_sdk
from sentry_sdk.integrations.asyncio import AsyncioIntegration


def load(order: int) -> None:
    raise KeyError(f"order {order}")


def pay(order: int) -> None:
    try:
        load(order)
    except KeyError as missing:
        raise ValueError(f"cannot pay order {order}") from missing


def chained() -> None:
    sentry_sdk.init(release="shop@1.2", environment="staging")
    pay(int(sys.argv[2]))


def grouped() -> None:
    sentry_sdk.init()
    failed = []
    for deed in (load, pay):
        try:
            deed(7)
        except Exception as error:
            failed.append(error)
    raise ExceptionGroup("two of two failed", failed)


def threads() -> None:
    sentry_sdk.init()
    started = [threading.Thread(target=load, args=(order,)) for order in range(3)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()


def tasks() -> None:
    async def main() -> None:
        sentry_sdk.init(integrations=[AsyncioIntegration()])

        async def work() -> None:
            await asyncio.sleep(0)
            load(1)

        task = asyncio.create_task(work())
        await asyncio.wait([task])
        task.exception()  # else asyncio logs that nobody asked for it, which is a report more

    asyncio.run(main())


def logs() -> None:
    logging.basicConfig(level=logging.INFO)
    sentry_sdk.init()
    log = logging.getLogger("shop.till")
    log.info("a breadcrumb")
    for order in (7, 8):
        log.error("order %s is late", order)
    try:
        load(9)
    except KeyError:
        log.exception("order %s is gone", 9)


if __name__ == "__main__":
    {one.__name__: one for one in (chained, grouped, threads, tasks, logs)}[sys.argv[1]]()
