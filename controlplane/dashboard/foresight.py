"""What would happen, as pages show it: the question from a form, the kernel's answer, and marks for the rows it touches."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from controlplane.access.policy import tree_of
from controlplane.api.foreseeing import OfNode, Question, foresee_key
from controlplane.dashboard.framework import PageRequest
from controlplane.dashboard.live.records import row_id
from supervision.explain.foreseeing import fate_words
from supervision.explain.words import duration
from supervision.kernel.foresight import MAX_CRASHES, Becomes, Fate

LABELS = (
    ("crash", "crashes"), ("stop", "is stopped"), ("restart", "is restarted"), ("start", "is started"),
    ("recycle", "gets a fresh life"), ("hold", "is held"), ("release", "is released"),
    ("delete_child", "is deleted"),
)  # fmt: skip
"""What the form offers, to complete "What if shop/web …"."""
TONES = {Becomes.STOPS: "crit", Becomes.RESTARTS: "warn", Becomes.STARTS: "ok"}
SEVERITIES = {"good": "ok", "warning": "warn", "trouble": "crit"}
MAX_WITHIN_S = 86400
MAX_ROWS = 500


def what_if(request: PageRequest, key: str = "", *, node: str = "") -> dict[str, Any]:
    """The form and, when it was sent, its answer. `key`: of the page, where it is about one member."""
    query = request.http.GET
    asked_key = key or request.text("key").rstrip("/")
    do = request.text("if") or ("crash" if key else "")
    answers: list[OfNode] = []
    errors: dict[str, str] = {}
    times = _number(request.text("times"), 1, MAX_CRASHES, "times", errors)
    within = _number(request.text("within"), 0, MAX_WITHIN_S, "within", errors)
    is_asked = bool(do and asked_key)
    if do and do not in dict(LABELS):
        errors["if"] = "There is no such action."
    elif is_asked and not errors:
        visible = request.visible
        if visible is None or tree_of(asked_key) in visible:
            question = Question(do, asked_key, times, None if within is None else float(within))
            answers = foresee_key(question, node=node or None, now=datetime.fromtimestamp(request.now, UTC))
        if not answers:
            errors["key"] = f"No node has {asked_key}."
    marked = marks(answers)
    first = next((one for one in answers if one.times is not None), None)
    return {
        "labels": LABELS,
        "do": do or "crash",
        "key": asked_key,
        "times": query.get("times") or (first.times if first else ""),
        "within": query.get("within") or (f"{first.within:g}" if first and first.within is not None else ""),
        "most": MAX_CRASHES,
        "errors": errors,
        "is_asked": is_asked,
        "answers": [shown(one) for one in answers],
        "marks": marked,
        "marks_json": json.dumps(marked),
    }


def _number(text: str, least: int, most: int, name: str, errors: dict[str, str]) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or len(text) > 6 or not least <= int(text) <= most:
        errors[name] = f"A number from {least} to {most}."
        return None
    return int(text)


def shown(answer: OfNode) -> dict[str, Any]:
    """One node's answer for templates/parts/foresight.html."""
    told = answer.told
    return {
        "node": answer.node_id,
        "host": answer.host,
        "why_not": answer.why,
        "is_whole": answer.is_whole,
        "seq": answer.seq,
        "summary": told.summary if told else "",
        "tone": _tone(answer),
        "steps": [
            {"after": duration(one.at), "text": one.text, "tone": SEVERITIES.get(one.severity, "idle")}
            for one in (told.sentences if told else ())
        ],
        "more": told.more if told else 0,
        "affected": [_affected(answer, fate) for fate in _fates(answer)[:MAX_ROWS]],
        "total": len(_fates(answer)),
    }


def _fates(answer: OfNode) -> tuple[Fate, ...]:
    return answer.told.foresight.fates if answer.told else ()


def _tone(answer: OfNode) -> str:
    if answer.told is None or answer.told.foresight.refused:
        return "idle"
    if answer.told.foresight.gave_up:
        return "crit"
    return "warn" if any(fate.becomes in TONES for fate in _fates(answer)) else "idle"


def _affected(answer: OfNode, fate: Fate) -> dict[str, Any]:
    query = urlencode({"node": answer.node_id})
    return {
        "key": fate.key,
        "host": answer.host,
        "state": fate.before or "waiting",
        "becomes": str(fate.becomes),
        "words": fate_words(fate),
        "tone": TONES.get(fate.becomes, "idle"),
        "url": f"{reverse('process', args=[fate.key])}?{query}",
    }


def marks(answers: list[OfNode]) -> dict[str, dict[str, str]]:
    """Row id to what becomes of it, for the outline."""
    return {
        row_id(answer.node_id, fate.key): {
            "words": fate_words(fate),
            "tone": TONES.get(fate.becomes, "idle"),
        }
        for answer in answers
        for fate in _fates(answer)[:MAX_ROWS]
    }
