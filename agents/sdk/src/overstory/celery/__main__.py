"""`python -m overstory.celery ...`: Celery's own command line, with the application supervised whether or not it asks.

The worker driver starts workers so, and what looks at the queues of a pool without any. The arguments are those of `celery`.
"""

import functools
import os
import sys
import threading
from collections.abc import Sequence
from typing import Any

import celery
from celery.__main__ import main as celery_main

from .. import notify
from . import install, looker, supervise


def _supervise_everyone() -> None:
    """Have every application of this process supervised when it is made."""
    by_celery = celery.Celery.__init__

    @functools.wraps(by_celery)
    def make(app: Any, *args: Any, **kwargs: Any) -> None:
        by_celery(app, *args, **kwargs)
        supervise(app)

    celery.Celery.__init__ = make


def _pet_until_ready() -> None:
    """A start may take longer than the watchdog allows: its bound is the deadline of readiness."""
    while not install.IS_READY.wait(notify.watchdog_s() / 3):
        notify.alive()


def named(argv: Sequence[str], key: str) -> list[str]:
    """The arguments of a worker as the driver makes them, with a name of its own: `KEY@HOST`, the key's words with dots.

    Celery's default is the same for all workers of a host; Flower, `inspect` and events would take them for one.
    """
    is_worker = len(argv) > 1 and argv[0].startswith("--app=") and argv[1] == "worker"
    is_given = any(word.startswith(("-n", "--hostname")) for word in argv)
    if not key or not is_worker or is_given:
        return list(argv)
    return [*argv, f"--hostname={key.replace('/', '.').replace('@', '.')}@%h"]


def main() -> None:
    """Runs until Celery's command ends; exits as it does."""
    if looker.is_asked_for(sys.argv[1:]):
        looker.main(sys.argv[1:])
        return
    _supervise_everyone()
    if notify.watchdog_s():
        threading.Thread(
            target=_pet_until_ready, name="overstory-starting", daemon=True
        ).start()  # audit: ignore[SUP101] ends with the start
    sys.argv = ["celery", *named(sys.argv[1:], os.environ.get("OVERSTORY_CHILD", ""))]
    celery_main()


if __name__ == "__main__":
    main()
