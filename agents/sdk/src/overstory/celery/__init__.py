"""Celery under Overstory. One call, in the module that makes the application:

    from overstory.celery import supervise

    supervise(app)

Outside Overstory it applies the recommended settings and keeps what publishers and beats write in step with supervised
workers elsewhere; it starts nothing. docs/celery.md says what it does.
"""

from typing import Any

from .install import supervise as _supervise

__all__ = ["supervise"]


def supervise(app: Any) -> None:
    """Supervise a Celery application: idempotent, cheap, and harmless where there is no Overstory."""
    _supervise(app)
