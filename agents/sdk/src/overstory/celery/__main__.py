"""`python -m overstory.celery ...`: Celery's own command line, with the application supervised whether or not it asks.

The worker driver starts workers so. The arguments are those of `celery`.
"""

import functools
import sys
import threading
from typing import Any

import celery
from celery.__main__ import main as celery_main

from .. import notify
from . import install, supervise


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


def main() -> None:
    """Runs until Celery's command ends; exits as it does."""
    _supervise_everyone()
    if notify.watchdog_s():
        threading.Thread(
            target=_pet_until_ready, name="overstory-starting", daemon=True
        ).start()  # audit: ignore[SUP101] ends with the start
    sys.argv[0] = "celery"
    celery_main()


if __name__ == "__main__":
    main()
