"""What the database itself holds: records and audit entries are append-only, states are known ones."""

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from supervision.auditlog.models import AuditEntry
from supervision.fleet.models import Node
from supervision.journal.models import JournalRecord, ObservedChild

pytestmark = pytest.mark.django_db


def record(seq: int) -> JournalRecord:
    now = timezone.now()
    return JournalRecord.objects.create(
        node_id="n" * 32, stream_epoch=1, seq=seq, at=now, boot=1.0, kind="node", body={}, received_at=now
    )


def test_a_record_gets_an_id_and_stays_as_it_is() -> None:
    first, second = record(1), record(2)
    assert second.pk > first.pk
    for change in ("UPDATE supervision_journalrecord SET seq = 9", "DELETE FROM supervision_journalrecord"):
        with (
            pytest.raises(DatabaseError, match="append-only"),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(change)
    assert list(JournalRecord.objects.order_by("seq").values_list("seq", flat=True)) == [1, 2]


def test_an_audit_entry_stays_as_it_is() -> None:
    AuditEntry.objects.create(
        seq=1, at=timezone.now(), actor_kind="user", actor_id="1", actor_name="ada", action="login",
        outcome="ok", previous_hash="", hash="x",
    )  # fmt: skip
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEntry.objects.update(reason="another")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEntry.objects.all().delete()
    assert AuditEntry.objects.get().reason == ""


def test_a_state_that_is_none_is_refused() -> None:
    node = Node.objects.create(id="n" * 32, name="web-1", joined_at=timezone.now())
    with pytest.raises(IntegrityError, match="observed_child_known_state"), transaction.atomic():
        ObservedChild.objects.create(
            node=node, tree="shop", key="shop/web", child_id="web", state="fine", seq=1
        )
