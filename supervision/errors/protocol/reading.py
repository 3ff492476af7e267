"""From the JSON of an event, in any of the shapes that SDKs of the last ten years send, to an ErrorEvent.

Nothing here refuses an event: what has the wrong shape is left out of what is read, and stays in `data` for people. Source
of the shapes: Sentry's event payload documentation, and what SDKs were seen to send.
"""

import math
import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from supervision.errors.event import ErrorEvent, Frame, Raised
from supervision.errors.scrubbing.texts import FILTERED

MOST_FRAMES = 250
"""Of a longer stack the middle is left out."""
MOST_RAISED = 100
MOST_TAGS = 200
LEVELS = ("fatal", "error", "warning", "info", "debug")
_LEVELS = {"critical": "fatal", "warn": "warning", "log": "info", "trace": "debug"}
_EVENT_ID = re.compile(r"[0-9a-f]{32}")
_INTERFACES = {
    "sentry.interfaces.Exception": "exception",
    "sentry.interfaces.Message": "logentry",
    "sentry.interfaces.Breadcrumbs": "breadcrumbs",
    "sentry.interfaces.Http": "request",
    "sentry.interfaces.User": "user",
    "sentry.interfaces.Stacktrace": "stacktrace",
}


def read_event(data: Mapping[str, Any], *, event_id: str | None = None, drift_s: float = 0.0) -> ErrorEvent:
    """`event_id` is the envelope's, which stands above the payload's; `drift_s` is added to the program's time.

    Any: what JSON can say.
    """
    data = {_INTERFACES.get(key, key): value for key, value in data.items()}
    template, message = _message(data)
    return ErrorEvent(
        event_id=event_id_of(event_id) or event_id_of(data.get("event_id")) or uuid.uuid4().hex,
        level=level_of(data.get("level")),
        platform=_text(data.get("platform"), 64) or "other",
        raised=_raised(data),
        message=message,
        template=template,
        logger=_text(data.get("logger"), 128),
        transaction=_text(data.get("transaction"), 200),
        fingerprint=tuple(_text(part, 256) for part in _list(data.get("fingerprint")) if part is not None)[
            :20
        ],
        tags=tags_of(data.get("tags")),
        environment=_text(data.get("environment"), 64),
        release=_text(data.get("release"), 200),
        server_name=_text(data.get("server_name"), 200),
        user=_user(data.get("user")),
        timestamp=_time(data.get("timestamp"), drift_s),
        data=data,
    )


def event_id_of(given: Any) -> str | None:
    """32 hex digits; None for what is none. Any: what JSON can say."""
    text = given.replace("-", "").lower() if isinstance(given, str) else ""
    return text if _EVENT_ID.fullmatch(text) else None


def level_of(given: Any) -> str:
    """Any: what JSON can say."""
    text = str(given).lower() if given is not None else "error"
    text = _LEVELS.get(text, text)
    return text if text in LEVELS else "error"


def tags_of(given: Any) -> dict[str, str]:
    """Of an object or of a list of pairs. Any: what JSON can say."""
    if isinstance(given, Mapping):
        pairs = list(given.items())
    else:
        pairs = [tuple(pair) for pair in _list(given) if isinstance(pair, list) and len(pair) == 2]
    return {
        _text(key, 200): _text(value, 200)
        for key, value in pairs[:MOST_TAGS]
        if key not in (None, "") and value is not None
    }


def _message(data: Mapping[str, Any]) -> tuple[str, str]:
    """Template and message."""
    entry = data.get("logentry")
    if not isinstance(entry, Mapping):
        entry = data.get("message")
    if isinstance(entry, Mapping):
        template = _text(entry.get("message"), 8192)
        formatted = _text(entry.get("formatted"), 8192) or _formatted(template, entry.get("params"))
        return template, formatted or template
    return "", _text(entry, 8192)


def _formatted(template: str, parameters: Any) -> str:
    """As logging does it. Any: what JSON can say."""
    if not parameters or not isinstance(parameters, list | dict):
        return ""
    try:
        return template % (tuple(parameters) if isinstance(parameters, list) else parameters)
    except (TypeError, ValueError, KeyError):
        return ""


def _raised(data: Mapping[str, Any]) -> tuple[Raised, ...]:
    given = data.get("exception")
    if isinstance(given, Mapping):
        given = given.get("values", [given])
    values = [each for each in _list(given) if isinstance(each, Mapping)][-MOST_RAISED:]
    found = [_one_raised(each) for each in values]
    if found and not found[-1].frames:  # very old clients keep the stack beside the exception
        frames = _frames(data.get("stacktrace"))
        if frames:
            last = values[-1]
            found[-1] = _one_raised({**last, "stacktrace": data.get("stacktrace")})
    return tuple(found)


def _one_raised(given: Mapping[str, Any]) -> Raised:
    mechanism = given.get("mechanism")
    if not isinstance(mechanism, Mapping):
        mechanism = {}
    handled = mechanism.get("handled")
    return Raised(
        type=_text(given.get("type"), 200) or "Error",
        value=_text(given.get("value"), 8192),
        module=_text(given.get("module"), 200),
        frames=_frames(given.get("stacktrace")),
        handled=handled if isinstance(handled, bool) else None,
        mechanism=_text(mechanism.get("type"), 64),
        id=_whole(mechanism.get("exception_id")),
        parent=_whole(mechanism.get("parent_id")),
        source=_text(mechanism.get("source"), 128),
        is_group=mechanism.get("is_exception_group") is True,
    )


def _frames(stack: Any) -> tuple[Frame, ...]:
    """Any: what JSON can say."""
    given = stack.get("frames") if isinstance(stack, Mapping) else stack
    every = [(number, each) for number, each in enumerate(_list(given)) if isinstance(each, Mapping)]
    if len(every) > MOST_FRAMES:
        every = [*every[: MOST_FRAMES // 2], *every[-(MOST_FRAMES - MOST_FRAMES // 2) :]]
    return tuple(_frame(number, each) for number, each in every)


def _frame(number: int, given: Mapping[str, Any]) -> Frame:
    own = given.get("in_app")
    return Frame(
        module=_text(given.get("module"), 256),
        function=_text(given.get("function"), 256),
        path=_text(given.get("abs_path"), 1024) or _text(given.get("filename"), 1024),
        line=_whole(given.get("lineno")),
        context_line=_text(given.get("context_line"), 512),
        in_app=own if isinstance(own, bool) else None,
        number=number,
    )


def _user(given: Any) -> str:
    """Who was concerned, by the first that is known: what was filtered would make one of all. Any: what JSON can say."""
    if not isinstance(given, Mapping):
        return ""
    for name in ("id", "username", "email", "ip_address"):
        text = _text(given.get(name), 128)
        if text and FILTERED not in text:
            return text
    return ""


def _time(given: Any, drift_s: float) -> float | None:
    """Seconds since the epoch of a number or of ISO 8601 text. Any: what JSON can say."""
    seconds: float | None = None
    if isinstance(given, int | float) and not isinstance(given, bool):
        seconds = float(given)
    elif isinstance(given, str):
        try:
            moment = datetime.fromisoformat(given)
        except ValueError:
            return None
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if seconds is None or not math.isfinite(seconds) or not 0 <= seconds < 2**33:
        return None
    return seconds + drift_s


def _whole(given: Any) -> int | None:
    """Any: what JSON can say."""
    return given if isinstance(given, int) and not isinstance(given, bool) and abs(given) < 2**31 else None


def _text(given: Any, most: int) -> str:
    """Any: what JSON can say; what is no text is written as text, as people would see it."""
    if given is None:
        return ""
    return (given if isinstance(given, str) else str(given))[:most]


def _list(given: Any) -> list[Any]:
    """Any: what JSON can say."""
    return given if isinstance(given, list) else []
