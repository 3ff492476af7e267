"""Structured log lines on standard error: one JSON object each, with a level and whatever fields the program gives.

    from overstory import log

    log.info("order filled", order=7)
    {"at": 1764331200.123, "level": "info", "message": "order filled", "order": 7, "child": "shop/trader", "incarnation": 3}

Standard error is the child's captured output, so lines are kept, rotated and shown by the node. A program that uses
`logging` installs `handler()`, and its records come out the same way, with `extra` as fields.
"""

import json
import os
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import logging

LEVELS = ("debug", "info", "warning", "error", "critical")
MAX_LINE = 64 * 1024
"""A longer line is cut: message first, fields gone."""
_OURS = ("at", "level", "message", "child", "incarnation")


def line(level: str, message: str, fields: dict[str, Any], *, at: float | None = None) -> str:
    """The text of one line, without its end. What JSON cannot say is said as Python says it; never raises for a value."""
    body: dict[str, Any] = {
        "at": round(time.time() if at is None else at, 6),
        "level": level,
        "message": message,
    }
    body |= {name if name not in _OURS else f"{name}_": value for name, value in fields.items()}
    child = os.environ.get("OVERSTORY_CHILD")
    if child:
        body |= {"child": child, "incarnation": int(os.environ.get("OVERSTORY_INCARNATION") or 0)}
    try:
        text = json.dumps(body, default=repr, separators=(",", ":"))
    except (TypeError, ValueError):  # keys that are no text, a circle
        text = json.dumps(
            {**{name: body[name] for name in ("at", "level")}, "message": message, "fields": repr(fields)}
        )
    if len(text) > MAX_LINE:
        text = json.dumps(
            {"at": body["at"], "level": level, "message": message[: MAX_LINE // 8], "cut": len(text)}
        )
    return text


def write(level: str, message: str, /, **fields: Any) -> None:
    """One line, in one write, so that lines of several processes do not mix. A standard error that is gone is ignored."""
    if level not in LEVELS:
        raise ValueError(f"no level: {level!r}")
    _put(line(level, message, fields))


def debug(message: str, /, **fields: Any) -> None:
    write("debug", message, **fields)


def info(message: str, /, **fields: Any) -> None:
    write("info", message, **fields)


def warning(message: str, /, **fields: Any) -> None:
    write("warning", message, **fields)


def error(message: str, /, **fields: Any) -> None:
    write("error", message, **fields)


def critical(message: str, /, **fields: Any) -> None:
    write("critical", message, **fields)


def exception(message: str, /, **fields: Any) -> None:
    """An error, with the traceback of the exception that is being handled."""
    write("error", message, **fields, traceback=traceback.format_exc())


def handler() -> "logging.Handler":
    """For `logging`: records as lines like ours. It imports logging, which a program that does not use it goes without."""
    import logging

    plain = set(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime"}

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            fields = {name: value for name, value in vars(record).items() if name not in plain}
            fields["logger"] = record.name
            if record.exc_info and record.exc_info[0] is not None:
                fields["traceback"] = "".join(traceback.format_exception(*record.exc_info))
            level = next(
                (name for name in reversed(LEVELS) if record.levelno >= getattr(logging, name.upper())),
                "debug",
            )
            _put(line(level, record.getMessage(), fields, at=record.created))

    return Lines()


def _put(text: str) -> None:
    data = text.encode(errors="backslashreplace") + b"\n"
    try:
        os.write(sys.stderr.fileno(), data)
    except (OSError, ValueError, AttributeError):
        return
