"""Rows that the tests of a file look at, made once around the transactions of the tests, which take back what they write."""

import contextlib
from collections.abc import Iterator

from django.db import transaction
from pytest_django import DjangoDbBlocker


@contextlib.contextmanager
def kept_rows(blocker: DjangoDbBlocker) -> Iterator[None]:
    """What is written inside, before and between the tests, is there until the block ends, and gone afterwards."""
    with blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)
