"""The audit log has no gap under parallel writers, notices every change, and outlives retention."""

import ast
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
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
from supervision.fleet.models import Node

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


def test_what_an_inner_part_undid_leaves_no_entry_and_the_rest_stays() -> None:
    with services.audited():
        write(1)
        with contextlib.suppress(LookupError), services.audited():
            services.record(actor=ACTOR, action="undone")
            raise LookupError
        write(1)
        assert not AuditEntry.objects.exists(), "entries are the transaction's last act"
    assert list(AuditEntry.objects.order_by("seq").values_list("seq", "action")) == [(1, "test"), (2, "test")]
    assert services.verify_chain().holds


@pytest.mark.django_db(transaction=True)
def test_who_records_before_it_locks_a_row_waits_for_nobody_who_waits_for_the_log() -> None:
    """The order is rows first, the log's end last, whatever order the code has: no deadlock, both are done."""
    node = Node.objects.create(id="a" * 32, name="a", joined_at=timezone.now())
    both = threading.Barrier(2)

    def records_first() -> None:
        with services.audited():
            services.record(actor=ACTOR, action="first")
            both.wait(30)
            Node.objects.select_for_update().get(pk=node.pk)

    def locks_first() -> None:
        with services.audited():
            Node.objects.select_for_update().get(pk=node.pk)
            both.wait(30)
            services.record(actor=ACTOR, action="second")

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, (records_first, locks_first)))
    assert set(AuditEntry.objects.values_list("action", flat=True)) == {"first", "second"}


def test_whoever_records_uses_a_transaction_that_keeps_the_order() -> None:
    """A plain `transaction.atomic` around `record` would write in its middle."""
    root = Path(__file__).resolve().parents[3]
    found = [
        f"{path.relative_to(root)}: {function.name}"
        for room in ("agents", "controlplane", "supervision")
        for path in (root / room).rglob("*.py")
        if path != Path(services.__file__)
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef)
        and {"auditlog.record", "transaction.atomic"}
        <= {ast.unparse(each) for each in ast.walk(function) if isinstance(each, ast.Attribute)}
        and "auditlog.audited"  # where both are, the inner one is around a save alone, and the outer one writes
        not in {ast.unparse(each) for each in ast.walk(function) if isinstance(each, ast.Attribute)}
    ]
    assert not found, f"use auditlog.audited() there: {found}"


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
