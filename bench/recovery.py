"""After each of our own processes was killed, under load: how long until everything is again as it should be.

Twenty writers over REST keep changing what is desired while every process of ours is killed with -9, one after the other.
The time runs from the last of those kills until every tree runs as its newest revision says and every process of ours runs.
"""

import random
import time
from statistics import median

import psycopg

from bench.entry import Entry, Options
from bench.report import Figure, Result, Table
from tests.support.attacked import TARGETS, Platform, attacked, under_load

LIMIT_S = 5.0
APART_S = 0.5
CALM_S = 31.0
"""Between two rounds: a child that ran for 30 s is no child that keeps failing, whose next restart waits up to 10 s."""
QUICK = ("web@1", "postgres", "courier")
GIVE_UP_S = 60.0
LOOK_EVERY_S = 0.02


def run(options: Options) -> Result:
    """Every order of kills ends with another process, so that each is the last one once in a full run."""
    took: dict[str, float] = {}
    with attacked(options.work / "recovery") as platform:
        for last in QUICK if options.quick else TARGETS:
            if took:
                time.sleep(CALM_S)
            took[last] = _round(platform, last)
    worst = max(took, key=lambda name: took[name])
    result = Result("recovery", samples={"seconds": took})
    result.figures.append(
        Figure(f"observed equals desired after the last kill, slowest ({worst})", took[worst], LIMIT_S, " s")
    )
    rows = tuple((name, seconds) for name, seconds in took.items())
    columns = ("killed last", "seconds")
    result.tables.append(Table(f"All {len(TARGETS)} of our processes killed, 20 writers", columns, rows))
    result.tables.append(Table("Of these", ("median s",), ((median(took.values()),),)))
    return result


def _round(platform: Platform, last: str) -> float:
    order = [target for target in TARGETS if target != last]
    random.shuffle(order)
    with under_load(platform):
        for target in order:
            platform.kill(target)
            time.sleep(APART_S)
        platform.kill(last)
        fault = time.monotonic()
    while not _agrees(platform):
        if time.monotonic() - fault > GIVE_UP_S:
            raise OSError(f"not whole {GIVE_UP_S:g} s after {last} was killed")
        time.sleep(LOOK_EVERY_S)
    return time.monotonic() - fault


def _agrees(platform: Platform) -> bool:
    try:
        return platform.agrees()
    except (psycopg.Error, KeyError):
        return False  # a tree that is not on the node yet


ABOUT = "observed equals desired after each of our processes was killed under 20 writers"
ENTRIES = (Entry("recovery", ABOUT, run),)
