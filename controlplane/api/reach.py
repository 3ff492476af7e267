"""What a command would reach: its keys on each node, and what goes down for it, as the kernel itself says."""

from typing import Any

from django.db.models import Q
from django.utils import timezone

from controlplane.api.foreseeing import Question, foresee_key
from supervision.explain.foreseeing import fate_words
from supervision.journal.models import ObservedChild
from supervision.kernel.foresight import ALIVE, Becomes
from supervision.trees.documents import SYSTEM_TREE
from supervision.trees.exceptions import NotFoundError
from supervision.trees.models import Verb

MAX_KEYS = 1000
DEEDS = frozenset({Verb.STOP, Verb.TERMINATE, Verb.DELETE_CHILD, Verb.RESTART, Verb.RECYCLE, Verb.SIGNAL})
"""Verbs that end something. A signal may end a child, and then nobody has asked for that end."""


def reach_of(verb: Verb, key: str, node: str | None) -> dict[str, Any]:
    """Keys of children, no supervisors; nodes; and what goes down. Raises NotFoundError."""
    rows = ObservedChild.objects.filter(removed=False)
    if node is not None:
        rows = rows.filter(node_id=node)
    rows = rows.filter(Q(key=key) | Q(key__startswith=f"{key}/")) if key else rows.exclude(tree=SYSTEM_TREE)
    found = list(rows.order_by("key", "node_id").values_list("key", "node_id", "is_supervisor"))
    if not found and verb is not Verb.END_STRAY:
        raise NotFoundError(f"no node has {key!r}")
    keys = sorted({one for one, _node, is_supervisor in found if not is_supervisor})
    nodes = sorted({node_id for _key, node_id, _is in found})
    return {
        "verb": str(verb),
        "keys": keys[:MAX_KEYS],
        "count": len(keys),
        "nodes": nodes,
        "takes_down": _takes_down(verb, key, node) if key and verb in DEEDS else [],
    }


def _takes_down(verb: Verb, key: str, node: str | None) -> list[dict[str, str]]:
    answers = foresee_key(Question(str(verb), key), node=node, now=timezone.now())
    return [
        {"node": answer.node_id, "key": fate.key, "why": fate_words(fate)}
        for answer in answers
        if answer.told is not None
        for fate in answer.told.foresight.fates
        if fate.before in ALIVE and fate.becomes in (Becomes.STOPS, Becomes.RESTARTS)
    ][:MAX_KEYS]
