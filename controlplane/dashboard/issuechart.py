"""The history of an issue as a picture: bars of events, a line at each deploy, ticks of restarts below. Pure."""

from typing import Any

from controlplane.dashboard.live.records import seconds
from supervision.errors.store.history import Deploy, History
from supervision.explain.words import count

WIDTH, HEIGHT = 720.0, 96.0
"""Of the bars, in units of the picture, which is as wide as its panel."""
RESTARTS = 8.0
"""Height of the row of restarts, below the bars."""
GAP = 2.0
SHOWN_DEPLOYS = 5
SEVERAL_TIMES = 2.0
"""More, or fewer, events an hour than before by this factor are called so."""


def issue_chart(history: History) -> dict[str, Any]:
    """What the template draws: `parts`, `deploys` and `restarts` with their places, `label` for who does not see it, and the
    newest deploys in words, newest first."""
    step = WIDTH / len(history.counts)
    highest, most_restarts = max(history.counts), max(history.restarts)
    parts = []
    for place, (events, restarts) in enumerate(zip(history.counts, history.restarts, strict=True)):
        height = max(2.0, events / highest * HEIGHT) if events else 0.0
        tick = max(2.0, restarts / most_restarts * RESTARTS) if restarts else 0.0
        parts.append(
            {
                "x": _n(place * step),
                "width": _n(step),
                "bar": _n(step - GAP),
                "y": _n(HEIGHT - height),
                "height": _n(height),
                "tick_height": _n(tick),
                "words": _words(history, place),
            }
        )
    whole = (history.part * len(history.counts)).total_seconds()
    events, restarts, deploys = sum(history.counts), sum(history.restarts), len(history.deploys)
    return {
        "parts": parts,
        "deploys": [
            {
                "x": _n((deploy.at - history.since).total_seconds() / whole * WIDTH),
                "words": f"{deploy_name(deploy)} at {deploy.at:%Y-%m-%d %H:%M} UTC",
            }
            for deploy in history.deploys
        ],
        "since": seconds(history.since),
        "events": events,
        "restarts": restarts,
        "label": f"{count(events, 'event')}, {count(deploys, 'deploy')} and {count(restarts, 'restart')}",
        "newest": [
            {
                "at": seconds(deploy.at),
                "name": deploy_name(deploy),
                "message": deploy.message,
                "author": deploy.author,
                "change": _change(deploy),
            }
            for deploy in reversed(history.deploys[-SHOWN_DEPLOYS:])
        ],
    }


def deploy_name(deploy: Deploy) -> str:
    return f"Revision {deploy.name}" if deploy.kind == "revision" else f"Release {deploy.name}"


def _change(deploy: Deploy) -> dict[str, str]:
    """What came of it, in words."""
    before, after = deploy.before, deploy.after
    if after is None:
        return {"tone": "idle", "text": "too new to say"}
    rates = f"{_rate(before)} an hour before, {_rate(after)} after"
    if before == after == 0.0:
        return {"tone": "ok", "text": "none before, none after"}
    if after == 0.0:
        return {"tone": "ok", "text": f"none since, {_rate(before)} an hour before"}
    if before == 0.0:
        return {"tone": "crit", "text": f"none before, {_rate(after)} an hour after"}
    if after >= SEVERAL_TIMES * before:
        return {"tone": "crit", "text": f"more often: {rates}"}
    if before >= SEVERAL_TIMES * after:
        return {"tone": "ok", "text": f"less often: {rates}"}
    return {"tone": "idle", "text": f"about as often: {rates}"}


def _rate(per_hour: float) -> str:
    return f"{per_hour:,.0f}" if per_hour >= 10 else f"{per_hour:.2g}"


def _words(history: History, place: int) -> str:
    began = history.since + place * history.part
    said = count(history.counts[place], "event")
    if history.restarts[place]:
        said += f", {count(history.restarts[place], 'restart')}"
    return f"{began:%Y-%m-%d %H:%M} UTC: {said}"


def _n(number: float) -> str:
    return f"{number:.1f}"
