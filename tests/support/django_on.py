"""Django's connection of a test, pointed at another database for a while."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from django.db import connections
from pytest_django import DjangoDbBlocker


@contextlib.contextmanager
def django_on(directory: Path, blocker: DjangoDbBlocker) -> Iterator[None]:
    """The embedded one whose socket is in `directory`; nothing of a test is rolled back there."""
    connection = connections["default"]
    connection.close()
    kept = dict(connection.settings_dict)
    connection.settings_dict.update(
        NAME="overstory", USER="overstory", HOST=str(directory), PORT="", OPTIONS={}
    )
    try:
        with blocker.unblock():
            yield
    finally:
        connection.close()
        connection.settings_dict.update(kept)
