"""A retry that the broker could not take: the message that is there goes back into its queue.

Celery rejects it for good, and nothing of the task is left to be run again. It runs again instead, under the same number.
What was wrong with the message itself stays an end, or it would run for ever.
"""

import functools
from typing import Any

from celery.app.task import Task
from celery.exceptions import Reject
from kombu.exceptions import OperationalError


def is_of_the_broker(reason: object) -> bool:
    """Whether a publish failed because nobody was there; kombu's channel may have lost its connection in the midst of it."""
    is_cut = isinstance(reason, AttributeError) and "'NoneType' object" in str(reason)
    return isinstance(reason, OperationalError | OSError) or is_cut


def install() -> None:
    """For every task of this process."""
    by_celery = Task.retry

    @functools.wraps(by_celery)
    def retry(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return by_celery(self, *args, **kwargs)
        except Reject as error:  # Celery's own word for: the retry could not be published
            if not is_of_the_broker(error.reason):
                raise
            raise Reject(error.reason, requeue=True) from error

    Task.retry = retry
