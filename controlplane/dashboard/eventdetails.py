"""What an issue's page shows of one event: its calls with their source and locals, its breadcrumbs, and what was around it.

The data is what a program sent, scrubbed: of any shape, so that nothing here is taken for granted.
"""

from collections.abc import Mapping
from typing import Any

from supervision.errors.event import ErrorEvent, Frame, Raised

MOST_FRAMES = 60
MOST_CRUMBS = 40
MOST_LOCALS = 30
MOST_AROUND = 5
"""Lines of source before and behind the one of a call, as SDKs send them."""
MOST_LINE = 512


def raised_rows(report: ErrorEvent, data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was reported first, then its causes. Any, here and below: what templates show."""
    return [_raised(each, index, data) for index, each in reversed(list(enumerate(report.raised)))]


def _raised(raised: Raised, index: int, data: Mapping[str, Any]) -> dict[str, Any]:
    counted = {tuple(each) for each in data.get("grouping", {}).get("frames", []) if isinstance(each, list)}
    raw = _raw_frames(data, index)
    frames = [
        {
            "module": frame.module or frame.path,
            "function": frame.function,
            "line": frame.line,
            "source": _source(frame, _raw_frame(raw, frame.number)),
            "own": frame.in_app,
            "counts": (index, frame.number) in counted,
            "vars": _locals(_raw_frame(raw, frame.number)),
        }
        for frame in reversed(raised.frames[-MOST_FRAMES:])
    ]
    return {"type": raised.type, "value": raised.value, "handled": raised.handled, "frames": frames}


def _raw_frames(data: Mapping[str, Any], index: int) -> list[Any]:
    exception = data.get("exception")
    values = exception.get("values") if isinstance(exception, dict) else exception
    if not isinstance(values, list) or index >= len(values) or not isinstance(values[index], dict):
        return []
    stack = values[index].get("stacktrace")
    frames = stack.get("frames") if isinstance(stack, dict) else None
    return frames if isinstance(frames, list) else []


def _raw_frame(raw: list[Any], number: int) -> dict[str, Any]:
    found = raw[number] if number < len(raw) else None
    return found if isinstance(found, dict) else {}


def _source(frame: Frame, raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The line of a call with those around it, as far indented as they stand to each other; [] where there is none."""
    if not frame.context_line.strip():
        return []
    own = raw.get("context_line")
    before = _lines(raw.get("pre_context"))[-MOST_AROUND:]
    behind = _lines(raw.get("post_context"))[:MOST_AROUND]
    lines = [*before, own[:MOST_LINE] if isinstance(own, str) else frame.context_line, *behind]
    indent = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    first = None if frame.line is None else frame.line - len(before)
    return [
        {
            "number": "" if first is None or first + at < 1 else first + at,
            "text": line[indent:].rstrip(),
            "is_it": at == len(before),
        }
        for at, line in enumerate(lines)
    ]


def _lines(given: Any) -> list[str]:
    return (
        [line[:MOST_LINE] if isinstance(line, str) else "" for line in given]
        if isinstance(given, list)
        else []
    )


def _locals(raw: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = raw.get("vars")
    values = found.items() if isinstance(found, dict) else ()
    return sorted((str(name), _shown(value)) for name, value in values)[:MOST_LOCALS]


def _shown(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(value)[:1000]
    return (value if isinstance(value, str) else repr(value))[:300]


def crumb_rows(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the program did before, the newest last."""
    given = data.get("breadcrumbs")
    values = given.get("values") if isinstance(given, dict) else given
    return [
        {
            "category": str(each.get("category") or each.get("type") or ""),
            "message": str(each.get("message") or each.get("data") or "")[:300],
            "level": str(each.get("level") or "info"),
        }
        for each in (values if isinstance(values, list) else [])[-MOST_CRUMBS:]
        if isinstance(each, dict)
    ]


def about_lines(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Request, runtime and extra, in lines."""
    lines = _request_lines(data.get("request"))
    contexts = data.get("contexts")
    for name, context in (contexts if isinstance(contexts, dict) else {}).items():
        if isinstance(context, dict) and name in ("runtime", "os", "device", "browser"):
            lines.append(
                (
                    str(name),
                    " ".join(str(context[key]) for key in ("name", "version") if key in context)[:200],
                )
            )
    extra = data.get("extra")
    lines += [
        (str(name)[:80], _shown(value)) for name, value in (extra if isinstance(extra, dict) else {}).items()
    ][:30]
    return lines


def _request_lines(request: Any) -> list[tuple[str, str]]:
    """What was asked for, with what."""
    if not isinstance(request, dict):
        return []
    lines = [("request", f"{request.get('method', '')} {request.get('url', '')}".strip()[:500])]
    lines += [
        (f"request {name}", _shown(request[key]))
        for key, name in (("query_string", "query"), ("data", "body"), ("cookies", "cookies"))
        if request.get(key)
    ]
    headers = request.get("headers")
    pairs = headers.items() if isinstance(headers, dict) else headers if isinstance(headers, list) else ()
    lines += [
        (f"header {str(pair[0])[:80]}", _shown(pair[1]))
        for pair in list(pairs)[:30]
        if isinstance(pair, (tuple, list)) and len(pair) == 2
    ]
    return lines
