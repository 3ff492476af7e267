"""Preparing the stores: a current schema, and partitions before the first record comes."""

import pytest
from django.utils import timezone

from controlplane.operations.prepare import migrate
from supervision.errors.store.retention import days_in_use
from supervision.journal.retention import month_of, months_in_use


@pytest.mark.django_db
def test_a_prepared_store_has_this_months_partition_and_preparing_again_changes_nothing() -> None:
    migrate()
    months = months_in_use()
    assert month_of(timezone.now()) in months
    assert timezone.now().date() in days_in_use()
    migrate()
    assert months_in_use() == months
