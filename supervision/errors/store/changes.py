"""Keys and projects that were changed: whoever remembers what they are hears of it, once it is committed."""

from collections.abc import Callable
from functools import partial

from django.db import transaction

Listener = Callable[[int, str], None]
_LISTENERS: list[Listener] = []


def on_change(listener: Listener) -> Listener:
    """Register who hears of it, once: a project's number and the key, empty where the project itself was changed."""
    if listener not in _LISTENERS:
        _LISTENERS.append(listener)
    return listener


def changed(project: int, key: str = "") -> None:
    """To be told once the transaction that is open now is committed. What a listener raises is logged."""
    for listener in _LISTENERS:
        transaction.on_commit(partial(listener, project, key), robust=True)
