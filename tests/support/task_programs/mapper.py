"""Starts supervised tasks, waits for them, and says how they ended: a line of JSON for each part.

mapper.py ITEMS
"""

import json
import sys
import time
from typing import Any

from overstory.celery import Exit, Ok, TaskPool, TaskSupervisor
from overstory.celery.outcome import Outcome
from overstory.celery.taskerrors import NotUnderSupervisor, PoolFull
from shop import (  # type: ignore[import-not-found]  # the program beside this one
    app,
    counts,
    fails,
    plain,
    poison,
    slow,
    work,
)

BOUND = 4


def say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def told(outcome: Outcome) -> list[Any]:
    return ["ok", outcome.value] if isinstance(outcome, Ok) else [outcome.state, outcome.reason]


def is_right(item: int, outcome: Outcome) -> bool:
    if item % 100 == 13:
        return outcome == Exit("exception(ValueError)", f"item {item}")
    if item % 100 == 57:
        return isinstance(outcome, Exit) and outcome.reason == "timeout"
    return outcome == Ok(item * 2)


def main() -> None:
    items = int(sys.argv[1])
    shop = TaskSupervisor("shop", app)
    began = time.monotonic()
    stream = shop.async_stream(work, range(items), max_concurrency=BOUND, timeout=0.5)
    outcomes = list(stream)
    wrong = [[item, told(outcome)] for item, outcome in enumerate(outcomes) if not is_right(item, outcome)]
    say(
        part="stream", outcomes=len(outcomes), wrong=wrong[:10], most=stream.window.most_in_flight,
        took_s=round(time.monotonic() - began, 2),
    )  # fmt: skip
    say(part="poison", outcome=told(shop.async_nolink(poison, restart="transient").outcome(60)))
    say(part="fails", outcome=told(shop.async_nolink(fails, restart="transient").outcome(60)))
    say(part="counts", outcome=told(shop.async_nolink(counts, restart="transient").outcome(60)))
    hanging = shop.async_nolink(slow)
    time.sleep(1.0)  # it runs by then
    hanging.shutdown()
    say(part="shutdown", outcome=told(hanging.outcome(60)))
    pool = TaskPool("few", shop, max_waiting=1)
    refused = False
    for _ in range(BOUND + 2):
        try:
            pool.start_child(work, 1)
        except PoolFull:
            refused = True
    say(part="pool", refused=refused)
    try:
        work.delay(1)
    except NotUnderSupervisor as error:
        say(part="delay", error=str(error)[:40])
    for number in range(50):
        plain.delay(number)
    say(part="end")


if __name__ == "__main__":
    main()
