"""What is done about leaks without being asked: as the tree file says for the child (`on_leak`), by its supervisor.

Looked at by the leading controller, every few seconds. What is under way stands in the finding's row, so that another
controller goes on with it. One child of a supervisor at a time, on all nodes together: the next one waits until the life
that was asked to go has a successor that runs, and nobody stands in for it any more. The recycling itself is the kernel's
(supervision/kernel/recycling.py): what drains, drains first, siblings run on whatever the strategy, nothing is counted as a
restart. It is in the journal and the audit log like anybody's.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import F, Q

from supervision.auditlog.actor import Actor
from supervision.errors.store.crashes import declared
from supervision.errors.store.seen import LEAK_TAG, Seen, file
from supervision.fleet.leading import Leader, led
from supervision.journal.models import ObservedChild
from supervision.kernel.recycling import stand_in_id
from supervision.leaks.policy import Does, OnLeak, on_leak_of
from supervision.leakwatch.models import DeedState, LeakFinding
from supervision.trees.documents import SYSTEM_TREE
from supervision.trees.exceptions import TreesError
from supervision.trees.models import Command, CommandState, Tree
from supervision.trees.recycling import recycle_child

ACTOR = Actor.system("controller")
MOST = 500
AGAIN_AFTER = timedelta(seconds=10)
"""Between a command that was refused and the next."""
GIVE_UP_AFTER = timedelta(minutes=10)
"""A command was carried out, and so long later there is no new life that runs."""

Place = tuple[str, str]
"""A supervisor, wherever it runs: tree and key."""


def act_on_leaks(*, leader: Leader, now: datetime) -> list[str]:
    """The next step of everything that leaks; what was done, in words."""
    done, busy = _look_after(leader, now)
    found = list(
        LeakFinding.objects.filter(ended_at=None)
        .exclude(tree=SYSTEM_TREE)
        .order_by(F("limit_at").asc(nulls_last=True), "id")[:MOST]
    )
    policies = _policies(found)
    for one in found:
        policy = policies.get(one.pk, OnLeak())
        if one.policy != policy.does:
            with led(leader):
                LeakFinding.objects.filter(pk=one.pk).update(policy=str(policy.does))
        why = policy.why_now(resource=one.resource, action=one.action, value=one.value, verdict=one.verdict)
        place = _place_of(one.key)
        if not why or place in busy or one.deed_state in (DeedState.ASKED, DeedState.DONE):
            continue
        if one.deed_at is not None and now - one.deed_at < AGAIN_AFTER:
            continue
        busy.add(place)
        with led(leader):
            done.append(_ask(one, policy, why, now))
    return done


def _policies(found: Iterable[LeakFinding]) -> dict[int, OnLeak]:
    """By finding. A tree that nobody applied to the control plane says nothing."""
    rows = list(found)
    trees = Tree.objects.filter(name__in={one.tree for one in rows}, deleted_at=None, head__isnull=False)
    documents = {tree.name: tree.head.document for tree in trees.select_related("head") if tree.head}
    return {one.pk: on_leak_of(documents[one.tree], one.key) for one in rows if one.tree in documents}


def _ask(one: LeakFinding, policy: OnLeak, why: str, now: datetime) -> str:
    """Order a fresh life. One that is restarted at its bound has no time for somebody to stand in."""
    stand_in = False if policy.does is Does.RESTART else None
    try:
        [command] = recycle_child(
            key=one.key, node_id=one.node_id, incarnation=one.incarnation, actor=ACTOR, reason=why,
            stand_in=stand_in,
        )  # fmt: skip
    except TreesError as error:  # a node whose records are behind
        return _say(one, DeedState.REFUSED, f"{policy.does}, not yet: {error}", at=now)
    one.deed_command = command.pk
    return _say(one, DeedState.ASKED, f"{policy.does}: {_reach(one)}", at=now)


def _reach(one: LeakFinding) -> str:
    """What goes down with it, said before it does."""
    _, above = _place_of(one.key)
    siblings = ObservedChild.objects.filter(node_id=one.node_id, parent=above, removed=False).exclude(
        key=one.key
    )
    number = siblings.count()
    strategy = (
        ObservedChild.objects.filter(node_id=one.node_id, key=above)
        .values_list("strategy", flat=True)
        .first()
    )
    others = f"its {number} siblings run" if number != 1 else "its one sibling runs"
    return f"{one.key} goes down, {others} on ({strategy or 'one_for_one'}: nothing failed, so nothing goes with it)"


# -- what became of it --------------------------------------------------------------------------------------------------


def _look_after(leader: Leader, now: datetime) -> tuple[list[str], set[Place]]:
    """What ended, in words; supervisors of which a child is on its way."""
    asked = list(LeakFinding.objects.filter(deed_state=DeedState.ASKED).order_by("deed_at")[:MOST])
    commands = Command.objects.in_bulk([one.deed_command for one in asked if one.deed_command])
    done, busy = [], set[Place]()
    for one in asked:
        command = commands.get(one.deed_command) if one.deed_command else None
        state = command.state if command is not None else CommandState.EXPIRED
        if state in (CommandState.PENDING, CommandState.CLAIMED):
            busy.add(_place_of(one.key))
        elif state != CommandState.DONE:
            error = (command.error or {}).get("message", "") if command is not None else ""
            with led(leader):
                done.append(_say(one, DeedState.REFUSED, f"not recycled: {error or state}", at=now))
        elif _is_fresh(one):
            with led(leader):
                file([_seen(one, now)])
                done.append(_say(one, DeedState.DONE, "has a fresh life"))
        elif one.deed_at is None or now - one.deed_at < GIVE_UP_AFTER:
            busy.add(_place_of(one.key))
        else:
            with led(leader):
                done.append(_say(one, DeedState.REFUSED, "no fresh life of it runs", at=now))
    return done, busy


def _seen(one: LeakFinding, now: datetime) -> Seen:
    """A life that had to be replaced for a leak is an error of its program: one issue for a child and what it leaks."""
    child = declared(one.key)
    return Seen(
        name=f"leak finding {one.pk}",
        tree=one.tree,
        at=now,
        child=one.key,
        incarnation=one.incarnation,
        kind="Leak",
        value=f"{child}: {one.verdict}",
        fingerprint=("Leak", child, one.resource),
        fields={
            "level": "error",
            "logger": child,
            "tags": {LEAK_TAG: str(one.pk), "resource": one.resource, "on_leak": one.policy},
            "extra": {"rate": one.rate, "growth": one.growth, "value": one.value},
        },
    )


def _is_fresh(one: LeakFinding) -> bool:
    """A later life runs, and nobody stands in."""
    above, _, child_id = one.key.rpartition("/")
    rows = ObservedChild.objects.filter(node_id=one.node_id, removed=False)
    later = Q(key=one.key, incarnation__gt=one.incarnation, state="running")
    return rows.filter(later).exists() and not rows.filter(key=f"{above}/{stand_in_id(child_id)}").exists()


def _say(one: LeakFinding, state: DeedState, words: str, *, at: datetime | None = None) -> str:
    one.deed_state, one.deed_said = state, words[:400]
    one.deed_at = at or one.deed_at
    one.save(update_fields=["deed_state", "deed_said", "deed_at", "deed_command"])
    return f"{one.key} incarnation {one.incarnation}: {words}"


def _place_of(key: str) -> Place:
    return key.partition("/")[0], key.rpartition("/")[0]
