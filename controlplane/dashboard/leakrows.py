"""Findings of leaks as pages show them: how urgent, in which words, what can be done."""

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from controlplane.access.policy import Permission, Principal
from controlplane.dashboard.actions import ACTIONS
from controlplane.dashboard.leakchart import picture
from supervision.leaks.resources import RESOURCES
from supervision.leaks.words import MINUTE_S, Action, amount, pace
from supervision.runtime.node_helpers import OWN

TONES = {Action.WATCH: "warn", Action.RECYCLE: "warn", Action.RESTART: "crit"}
CHIPS = {
    "flood": "grows fast",
    "began": "leaks",
    "goes_on": "leaks",
}
OVER = {"level": "level again", "life_ended": "process ended", "explained": "explained"}
POLICIES = {
    "watch": "only watched",
    "recycle": "recycled by itself when it surely leaks",
    "restart": "restarted by itself at its memory bound",
}
"""What the tree file says of it."""
DEEDS = {"asked": "asked to go", "done": "replaced", "refused": "not replaced"}
FIRST = {
    Action.RESTART: ("restart", "recycle", "hold"),
    Action.RECYCLE: ("recycle", "restart", "hold"),
    Action.WATCH: ("recycle", "restart", "hold"),
}
"""Actions that are offered, the one that is advised first."""


def leak_row(row: dict[str, Any], principal: Principal, now: float) -> dict[str, Any]:
    """`row` is one of the topic `leaks`, as an object."""
    resource, ended = row["resource"], row["ended_at"] is not None
    action = Action(row["action"])
    left = None if row["limit_at"] is None or ended else max(0.0, row["limit_at"] - now)
    return {
        **row,
        "words": RESOURCES[resource].words,
        "tone": "idle" if ended else TONES[action],
        "chip": OVER.get(row["outcome"], "over") if ended else CHIPS.get(row["course"], row["course"]),
        "pace": pace(resource, row["rate"], short=True),
        "low": pace(resource, row["rate_low"], short=True),
        "high": pace(resource, row["rate_high"], short=True),
        "amount": amount(resource, row["value"]),
        "grown": amount(resource, row["growth"]),
        "limit_text": None if row["limit"] is None else amount(resource, row["limit"]),
        "left_s": left,
        "advice": action,
        "policy_words": POLICIES.get(row["policy"], ""),
        "deed_words": DEEDS.get(row["deed_state"], ""),
        "picture": picture(
            row["points"] or [],
            since=row["since"],
            rate=row["rate"],
            low=row["rate_low"],
            high=row["rate_high"],
            limit=row["limit"],
        ),
        "url": reverse("leak", args=[row["id"]]),
        "process_url": process_url(row),
        "actions": [] if ended or is_own(row) else actions(row, principal),
    }


def shared_row(row: dict[str, Any], now: float) -> dict[str, Any]:
    """`row` is one of the topic `shared_leaks`, as an object."""
    ended = row["ended_at"] is not None
    return {
        **row,
        "words": SHARED_WORDS[row["kind"]],
        "tone": "idle" if ended else "warn",
        "chip": "over" if ended else "leaks",
        "rate_text": f"{row['rate'] * MINUTE_S:.0f}/min" if row["rate"] > 0 else "",
        "facts": [
            {"name": FACTS[name], "value": ", ".join(map(str, value)) if isinstance(value, list) else value}
            for name, value in sorted(row["evidence"].items())
            if name in FACTS and value not in (None, False, [])
        ],
        "picture": picture(
            row["points"] or [], since=row["since"], rate=row["rate"], low=row["rate_low"], high=row["rate_high"],
            limit=None,
        ),
    }  # fmt: skip


SHARED_WORDS = {
    "keys": "Redis keys",
    "channels": "Redis channels",
    "subscribers": "Redis subscribers",
    "connections": "PostgreSQL connections",
    "idle": "idle transactions",
    "strays": "orphans",
}
FACTS = {
    "type": "type",
    "database": "database",
    "sampled": "sampled",
    "subscriptions": "subscriptions",
    "oldest_s": "oldest, s",
    "longest_s": "idle for, s",
    "pids": "backend pids",
}
"""Evidence by the words for it."""


def is_own(row: dict[str, Any]) -> bool:
    """Whether it is no child, but the node or one of its helpers: the node itself replaces those."""
    return str(row["key"]).startswith(OWN)


def process_url(row: dict[str, Any]) -> str:
    if is_own(row):
        return reverse("nodes")
    return reverse("process", args=[row["key"]]) + f"?{urlencode({'node': row['node']})}"


def actions(row: dict[str, Any], principal: Principal) -> list[dict[str, Any]]:
    """What the viewer may do about it, the advised first."""
    if not principal.can(Permission.OPERATE, row["tree"]):
        return []
    query = urlencode({"node": row["node"]})
    return [
        {
            "verb": verb,
            "label": ACTIONS[verb].label,
            "danger": ACTIONS[verb].danger,
            "url": f"{reverse('act', args=[verb, row['key']])}?{query}",
        }
        for verb in FIRST[Action(row["action"])]
        if verb in ACTIONS
    ]
