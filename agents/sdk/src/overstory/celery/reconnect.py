"""A worker whose broker went away goes on when it is back."""

from typing import Any

from celery.worker.consumer import Consumer

from .held import HELD


def install() -> None:
    by_celery = Consumer.on_connection_error_after_connected

    def after_connected(self: Any, exc: BaseException) -> None:
        HELD.connection_lost()
        by_celery(self, exc)

    Consumer.on_connection_error_after_connected = after_connected
