"""From the bytes of a request to what is stored of it: read, cleaned and scrubbed, and what is left out is counted.

Pure: the edge asks for a key and a quota and commits what comes out.
"""

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from supervision.errors.protocol.attachments import MOST_BYTES as MOST_ATTACHED
from supervision.errors.protocol.attachments import body_of as attachment_body
from supervision.errors.protocol.attachments import told_apart
from supervision.errors.protocol.categories import category_of
from supervision.errors.protocol.cleaning import NotJsonError, clean, parse
from supervision.errors.protocol.envelope import Envelope, Item, MalformedEnvelopeError
from supervision.errors.protocol.reading import event_id_of
from supervision.errors.protocol.transactions import ran_of
from supervision.errors.scrubbing.options import NOTHING_OWN, Options
from supervision.errors.scrubbing.values import scrub

MOST_DRIFT_S = 366 * 86_400.0
NOBODY = "0" * 32
"""As an id of a run it says that there is none."""
LEAST_DRIFT_S = 5.0
"""A smaller difference is the way the request took."""


@dataclass(frozen=True, slots=True)
class Report:
    """An item that is to be stored. Any: cleaned JSON."""

    kind: str
    event_id: str
    body: dict[str, Any]


@dataclass(slots=True)
class Accepted:
    """Of one request. `event_id` is what the client is told; `discards` counts by (category, reason)."""

    event_id: str | None
    reports: list[Report] = field(default_factory=list)
    discards: Counter[tuple[str, str]] = field(default_factory=Counter)
    drift_s: float = 0.0


def accept(envelope: Envelope, *, now: dt.datetime, scrubbing: Options = NOTHING_OWN) -> Accepted:
    """With the options of the project. MalformedEnvelopeError where an event is no JSON object, which a client is told."""
    own_id = event_id_of(envelope.header.get("event_id"))
    accepted = Accepted(own_id, drift_s=_drift(envelope.header.get("sent_at"), now))
    attached, names = 0, set[str]()
    for item in envelope.items:
        match item.type:
            case "event":
                body = _object(item)
                event_id = own_id or event_id_of(body.get("event_id")) or uuid.uuid4().hex
                accepted.event_id = event_id
                accepted.reports.append(Report("event", event_id, safe(body, scrubbing)))
            case "check_in":
                body = _object(item)
                known = event_id_of(body.get("check_in_id")) or own_id or uuid.uuid4().hex
                accepted.event_id = accepted.event_id or known
                accepted.reports.append(Report("check_in", known, safe(body, scrubbing)))
            case "client_report":
                accepted.reports.append(Report("client_report", "", safe(_object(item), scrubbing)))
            case "session" | "sessions":
                accepted.reports.append(Report("sessions", "", safe(_object(item), scrubbing)))
            case "transaction":
                body = _object(item)
                ran = ran_of(body, scrubbing)
                if ran is None:
                    accepted.discards["transaction", "not_understood"] += 1
                else:
                    known = own_id or event_id_of(body.get("event_id")) or ""
                    accepted.reports.append(Report("transaction", known, ran.to_json()))
            case "attachment":
                attached += len(item.payload)
                fits = own_id is not None and attached <= MOST_ATTACHED
                file = attachment_body(item, scrubbing) if fits else None
                if own_id is None or file is None:
                    accepted.discards["attachment", "too_large" if own_id else "not_stored"] += 1
                else:
                    file["name"] = told_apart(file["name"], names)
                    names.add(file["name"])
                    accepted.reports.append(Report("attachment", own_id, file))
            case _:
                count = item.header.get("item_count")
                items = (
                    count
                    if isinstance(count, int) and not isinstance(count, bool) and 0 < count < 10**6
                    else 1
                )
                accepted.discards[category_of(item.type), "not_stored"] += items
    return accepted


def accept_store(body: bytes, *, scrubbing: Options = NOTHING_OWN) -> Accepted:
    """A request of the old kind: one event and nothing around it. MalformedEnvelopeError."""
    event = _object(Item({"type": "event"}, body))
    event_id = event_id_of(event.get("event_id")) or uuid.uuid4().hex
    return Accepted(event_id, [Report("event", event_id, safe(event, scrubbing))])


def check_in_of(
    slug: str, query: Mapping[str, str], body: bytes, *, scrubbing: Options = NOTHING_OWN
) -> Report:
    """A check-in by plain HTTP, as a line of shell sends it. MalformedEnvelopeError for a body that is no JSON object.

    Where it says no id of a run, none is made up: an end then ends the run that is under way. What the client is told is
    the id of a run that begins with it.
    """
    found: dict[str, Any] = _object(Item({}, body)) if body.strip() else {}
    found.update({name: query[name] for name in ("status", "environment", "check_in_id") if name in query})
    if "duration" in query:
        try:
            found["duration"] = float(query["duration"])
        except ValueError as error:
            raise MalformedEnvelopeError("duration is no number") from error
    found["monitor_slug"] = slug
    if found.get("status") not in ("in_progress", "ok", "error"):
        raise MalformedEnvelopeError("status is in_progress, ok or error")
    known = event_id_of(found.pop("check_in_id", None))
    if known not in (None, NOBODY):
        found["check_in_id"] = known
        return Report("check_in", known, safe(found, scrubbing))
    found["event_id"] = uuid.uuid4().hex
    return Report("check_in", found["event_id"], safe(found, scrubbing))


def _object(item: Item) -> dict[str, Any]:
    what = item.type or "the body"
    try:
        value = parse(item.payload)
    except NotJsonError as error:
        raise MalformedEnvelopeError(f"{what}: {error}") from error
    if not isinstance(value, dict):
        raise MalformedEnvelopeError(f"{what} is no JSON object")
    return value


def safe(body: dict[str, Any], scrubbing: Options = NOTHING_OWN) -> dict[str, Any]:
    """Cleaned and scrubbed; what was cut or filtered is said beside it."""
    cleaned = clean(body)
    scrubbed = scrub(cleaned.value, scrubbing)
    made: dict[str, Any] = scrubbed.value
    if cleaned.cut or scrubbed.where:
        made["_overstory"] = {"cut": dict(list(cleaned.cut.items())[:100]), "filtered": scrubbed.where}
    return made


def _drift(sent_at: object, now: dt.datetime) -> float:
    """What has to be added to the client's times."""
    if not isinstance(sent_at, str):
        return 0.0
    try:
        moment = dt.datetime.fromisoformat(sent_at)
    except ValueError:
        return 0.0
    drift = (now - (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC))).total_seconds()
    return drift if LEAST_DRIFT_S <= abs(drift) <= MOST_DRIFT_S else 0.0
