"""The audit log has no gap under parallel writers, notices every change, and outlives retention."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from supervision.auditlog import services
from supervision.auditlog.actor import Actor, ActorKind
from supervision.auditlog.chain import BEGINNING
from supervision.auditlog.models import AuditEntry, AuditSegment

pytestmark = pytest.mark.django_db
ACTOR = Actor.system("test")


def write(count: int) -> None:
    for number in range(count):
        services.record(
            actor=ACTOR, action="test", target=f"t{number}", details={"n": number, "words": "wörter"}
        )


def tamper(statement: str) -> None:
    """As somebody could who owns the database: past the trigger."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE supervision_auditentry DISABLE TRIGGER append_only")
        cursor.execute(statement)
        cursor.execute("ALTER TABLE supervision_auditentry ENABLE TRIGGER append_only")


def test_each_entry_is_tied_to_the_one_before() -> None:
    write(3)
    entries = list(AuditEntry.objects.order_by("seq"))
    assert [entry.seq for entry in entries] == [1, 2, 3]
    assert [entry.previous_hash for entry in entries] == [BEGINNING, entries[0].hash, entries[1].hash]
    assert services.verify_chain().checked == 3


@pytest.mark.parametrize(
    ("change", "broken_at"),
    [
        ("UPDATE supervision_auditentry SET actor_name = 'nobody' WHERE seq = 2", 2),
        ("UPDATE supervision_auditentry SET details = '{}' WHERE seq = 3", 3),
        ("UPDATE supervision_auditentry SET at = at + interval '1 microsecond' WHERE seq = 2", 2),
        ("DELETE FROM supervision_auditentry WHERE seq = 2", 3),
    ],
)
def test_a_change_is_noticed_and_placed(change: str, broken_at: int) -> None:
    write(4)
    tamper(change)
    verdict = services.verify_chain()
    assert (verdict.holds, verdict.broken_at) == (False, broken_at)
    assert verdict.why


@given(
    details=st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
            max_leaves=8,
        ),
    ),
    words=st.text(),
    ip=st.ip_addresses().map(lambda address: address.exploded)
    | st.sampled_from(["::FFFF:10.0.0.1", "FE80::1%eth0", "x"]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(details={"seconds": 1e16, "n": -0.0, "\0": "\ud800"}, words="\0\ud800", ip="2001:DB8:0:0::1")
@example(details={"big": 1.5e300, "small": 5e-324}, words="", ip="")
def test_whatever_somebody_sends_the_chain_holds(details: dict[str, Any], words: str, ip: str) -> None:
    actor = Actor(ActorKind.USER, words, words, ip, words)
    services.record(
        actor=actor,
        action="test",
        target=words,
        tree=words,
        reason=words,
        details={**details, "pair": (1, 2.5)},
    )
    assert services.verify_chain().holds


def test_numbers_that_are_keys_are_sorted_as_the_database_has_them() -> None:
    services.record(actor=ACTOR, action="test", details={"ages": {2: "a", 10: "b"}})
    assert services.verify_chain().holds


def test_what_is_rolled_back_leaves_no_entry_and_no_gap() -> None:
    write(1)
    with transaction.atomic():
        write(1)
        transaction.set_rollback(True)
    write(1)
    assert list(AuditEntry.objects.order_by("seq").values_list("seq", flat=True)) == [1, 2]
    assert services.verify_chain().holds


def test_retention_keeps_the_closing_hash_and_the_chain_goes_on() -> None:
    write(5)
    third = AuditEntry.objects.get(seq=3)
    moment = timezone.now() + timedelta(days=1)
    assert services.drop_before(moment=third.at, now=moment) == 2
    segment = AuditSegment.objects.get()
    assert (segment.first_seq, segment.last_seq, segment.closing_hash) == (1, 2, third.previous_hash)
    assert services.verify_chain().checked == 3
    assert services.drop_before(moment=moment, now=moment) == 2  # the newest entry stays
    write(1)
    assert list(AuditEntry.objects.order_by("seq").values_list("seq", flat=True)) == [5, 6]
    assert services.verify_chain().holds


@pytest.mark.django_db(transaction=True)
def test_parallel_writers_leave_no_gap() -> None:
    def work(_: int) -> None:
        try:
            write(10)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert list(AuditEntry.objects.order_by("seq").values_list("seq", flat=True)) == list(range(1, 81))
    assert services.verify_chain().checked == 80
