"""What the pages' templates say in their own words: states, sizes, times, bars.

static/js/lib/format.js and states.js have the same rules for what arrives live; the cases in tests/data/format_cases.json
hold both.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django import template
from django.templatetags.static import static
from django.urls import get_script_prefix
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from controlplane.assets.curl import CHILD_VERBS, command_curl
from controlplane.dashboard.requests import ACTIONS, TASKS, line_of

register = template.Library()

UNKNOWN = "\u2013"
TONES = {
    "running": "ok",
    "up": "ok",
    "starting": "busy",
    "stopping": "busy",
    "waiting": "busy",
    "backoff": "warn",
    "suspect": "warn",
    "failed": "crit",
    "lost": "crit",
    "down": "crit",
    "stopped": "idle",
    "completed": "idle",
    "held": "idle",
    "drained": "idle",
    "queued": "busy",
    "retrying": "warn",
    "parked": "crit",
    "done": "idle",
    "revoked": "idle",
    "healthy": "ok",
    "degraded": "warn",
    "unhealthy": "crit",
    "unresponsive": "crit",
    "unknown": "idle",
    "stale": "warn",
}
SEVERITY = ("crit", "warn", "busy", "idle", "ok")
"""The order in which a roll-up bar shows its parts: what needs attention comes first."""
_GLYPHS = {
    "unknown": "unknown",
    "stale": "unknown",
    "held": "held",
    "completed": "done",
    "done": "done",
    "lost": "unknown",
}
_BAR = '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>'
_SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


@register.filter(name="bytes")
def bytes_text(value: float | None) -> str:
    """212 MiB; powers of 1024, as in filters. What is not known is a dash, never zero."""
    if value is None:
        return UNKNOWN
    size, unit = float(value), 0
    while abs(size) >= 1023.5 and unit < len(_SIZES) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.{1 if unit and abs(size) < 9.95 else 0}f} {_SIZES[unit]}"


@register.filter
def percent(ratio: float | None) -> str:
    """A ratio of one core as 3.2 %."""
    if ratio is None:
        return UNKNOWN
    value = float(ratio) * 100
    return f"{value:.{1 if value < 9.95 else 0}f} %"


@register.filter
def duration(seconds: float | None) -> str:
    """The two largest units of a number of seconds: 4h 12m."""
    if seconds is None:
        return UNKNOWN
    total = max(0, int(float(seconds)))
    parts = [(total // 86400, "d"), (total // 3600 % 24, "h"), (total // 60 % 60, "m"), (total % 60, "s")]
    first = next((at for at, (size, _) in enumerate(parts) if size), None)
    if first is None:
        return "0s"
    return " ".join(f"{size}{unit}" for size, unit in parts[first : first + 2] if size)


@register.filter
def uptime(seconds: float | None) -> str:
    """How long something runs, in a list: 12s, then whole minutes (5m, 4h 12m), so that a list at rest stands still."""
    return duration(seconds - seconds % 60 if seconds is not None and seconds >= 60 else seconds)


@register.filter
def short_time(seconds: float | None) -> str:
    """How long something took, from milliseconds on: 12 ms, 1.4 s, 3m 5s."""
    if seconds is None:
        return UNKNOWN
    value = float(seconds)
    if value < 0.9995:
        return f"{value * 1000:.{1 if value < 0.00995 else 0}f} ms"
    return f"{value:.1f} s" if value < 59.95 else duration(value)


@register.filter(name="count")
def count_text(value: float | None) -> str:
    return UNKNOWN if value is None else f"{round(value):,}"


@register.filter
def age(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    return "now" if seconds < 2 else f"{duration(seconds)} ago"


@register.filter
def tone(state: str) -> str:
    """ok, busy, warn, crit or idle."""
    return TONES.get(str(state), "idle")


def glyph_name(state: str) -> str:
    """The symbol of a state; its outline says the tone without the colour."""
    known = _GLYPHS.get(state) or TONES.get(state, "unknown")
    return f"state-{known}"


def _use(name: str, classes: str) -> SafeString:
    return _drawn(get_script_prefix(), name, classes)


@lru_cache(maxsize=512)
def _drawn(prefix: str, name: str, classes: str) -> SafeString:
    """Kept by the site's prefix: lists have hundreds of a few symbols, and a hashed file's address takes long."""
    return format_html(
        '<svg class="{}" aria-hidden="true"><use href="{}#{}"></use></svg>', classes, _sprite(), name
    )


def _sprite() -> str:
    return static("icons/sprite.svg")


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon of the sprite; it says nothing to a screen reader, so its control needs words."""
    return _use(name, "icon")


@register.simple_tag
def glyph(tone_name: str, size: str = "") -> SafeString:
    """The shape of a tone: ok, busy, warn, crit, idle, held, unknown."""
    return _use(f"state-{tone_name}", f"glyph tone-{tone_name} {size}".strip())


@register.simple_tag
def state_glyph(word: str) -> SafeString:
    """The shape of a state alone, where the word stands beside it or the line says it."""
    word = str(word)
    return format_html(
        '<span class="tone-{}" title="{}">{}</span>', tone(word), word, _use(glyph_name(word), "glyph")
    )


@register.simple_tag
def state(word: str, *, chip: bool = False, detail: str = "") -> SafeString:
    """A state as shape and word, for example `{% state child.state chip=True %}`."""
    word = str(word)
    classes = f"state tone-{tone(word)}{' chip' if chip else ''}"
    turns = " turns" if tone(word) == "busy" else ""
    return format_html(
        '<span class="{}" data-state="{}">{}<span class="state-word">{}</span>{}</span>',
        classes,
        word,
        _use(glyph_name(word), f"glyph{turns}"),
        word,
        format_html('<span class="text-3">{}</span>', detail) if detail else "",
    )


@register.simple_tag
def rollup(counts: Mapping[str, int]) -> SafeString:
    """How many children are in which state, as a bar and as words; worst first."""
    total = sum(counts.values())
    parts: list[tuple[str, str, str]] = []
    at = 0.0
    for kind in SEVERITY:
        size = sum(number for word, number in counts.items() if tone(word) == kind)
        if size and total:
            width = 100 * size / total
            parts.append((kind, f"{at:.2f}", f"{width:.2f}"))
            at += width
    words = ", ".join(
        f"{number} {word}"
        for word, number in sorted(counts.items(), key=lambda item: SEVERITY.index(tone(item[0])))
        if number
    )
    rects = format_html_join("", '<rect class="{}" x="{}" width="{}" height="6"></rect>', parts)
    return format_html(
        _BAR,
        words or "no children",
        format_html("<title>{}</title>{}", words or "no children", rects),
    )


@register.simple_tag
def meter(used: float, allowed: float, label: str = "") -> SafeString:
    """A small bar of `used` out of `allowed`; it turns to warning in its last third and to critical when it is full."""
    share = min(1.0, used / allowed) if allowed else 0.0
    kind = "crit" if share >= 1 else "warn" if share >= 0.67 else "idle"
    words = label or f"{used:g} of {allowed:g}"
    return format_html(
        _BAR,
        words,
        format_html('<rect class="{}" width="{}" height="6"></rect>', kind, f"{share * 100:.1f}"),
    )


def _datetime(at: datetime | float | None) -> datetime | None:
    """Topics and contexts carry Unix seconds, rows carry datetimes."""
    return at if at is None or isinstance(at, datetime) else datetime.fromtimestamp(float(at), UTC)


def _time(at: datetime | float | None, pattern: str) -> SafeString:
    found = _datetime(at)
    if found is None:
        return format_html('<span class="text-3">{}</span>', UNKNOWN)
    whole = found.strftime("%Y-%m-%d %H:%M:%S")
    return format_html(
        '<time datetime="{}" title="{} UTC">{}</time>', found.isoformat(), whole, found.strftime(pattern)
    )


@register.simple_tag
def moment(at: datetime | float | None) -> SafeString:
    """A time of day in UTC; the whole of it as title."""
    return _time(at, "%H:%M:%S")


@register.simple_tag
def day_moment(at: datetime | float | None) -> SafeString:
    """A time with its day, for lists that span days."""
    return _time(at, "%d %b %H:%M:%S")


@register.filter
def elapsed(at: float | None, now: float | None) -> str:
    """How long something lasts at `now`: `{{ row.since|elapsed:now }}`; both in Unix seconds."""
    return UNKNOWN if at is None or now is None else duration(now - at)


@register.filter
def up_for(at: float | None, now: float | None) -> str:
    """`elapsed` as lists show it: whole minutes after the first."""
    return UNKNOWN if at is None or now is None else uptime(now - at)


LEVELS = {"good": "ok", "warning": "warn", "trouble": "crit"}


@register.simple_tag
def level_glyph(level: str, size: str = "") -> SafeString:
    kind = LEVELS.get(str(level))
    return _use(
        f"state-{kind or ('unknown' if level == 'unknown' else 'idle')}",
        f"glyph tone-{kind or 'idle'} {size}".strip(),
    )


ICONS = {
    "o": "overview",
    "t": "tree",
    "p": "processes",
    "v": "logs",
    "y": "config",
    "d": "nodes",
    "u": "audit",
    "f": "search",
    "r": "check",
    "e": "errors",
} | {
    "m": "monitors",
    "w": "workers",
    "h": "health",
    "n": "agents",
    "l": "leaks",
    "a": "alerts",
    "c": "config",
    "s": "settings",
}
"""Icons of the rail by the page's g-key."""
VERBS = {
    "start": "start",
    "stop": "stop",
    "restart": "restart",
    "terminate": "stop",
    "hold": "pause",
    "release": "release",
} | {
    "start_child": "plus",
    "delete_child": "close",
    "signal": "signal",
    "reload": "restart",
    "recycle": "restart",
    "adopt_stray": "plus",
    "end_stray": "stop",
}


@register.simple_tag
def page_icon(g_key: str | None) -> SafeString:
    return icon(ICONS.get(g_key or "", "settings"))


@register.simple_tag
def verb_icon(verb: str) -> SafeString:
    return icon(VERBS.get(verb, "chevron"))


@register.simple_tag
def home() -> str:
    """The address of this instance: a slash, or the proxy's path prefix."""
    return get_script_prefix()


@register.simple_tag(takes_context=True)
def change_query(context: template.Context, **changes: Any) -> str:
    """The page's own query string with some parameters set, or taken out where the value is empty."""
    parameters = context["request"].GET.copy()
    for name, value in changes.items():
        parameters.pop(name, None)
        if value not in (None, ""):
            parameters[name] = str(value)
    encoded = parameters.urlencode()
    return f"?{encoded}" if encoded else "?"


@register.simple_tag(takes_context=True)
def curl(context: template.Context, verb: str, key: str, node: str | None = None) -> str:
    """The request of an action as a line for a terminal; nothing for one that is not known."""
    site = context["request"].build_absolute_uri(f"{get_script_prefix()}api/v1/")
    if verb in CHILD_VERBS:
        return command_curl(url=f"{site}commands", verb=verb, key=key, node=node)
    pid = int(key) if key.isdecimal() else 0
    given = {"key": key, "node": node or "", "pid": pid, **(context.get("facts") or {})}
    return line_of(ACTIONS, verb, site, given)


@register.simple_tag(takes_context=True)
def task_curl(context: template.Context, verb: str, given: Mapping[str, str]) -> str:
    """The same of what is done to tasks, queues and pools of workers."""
    return line_of(TASKS, verb, context["request"].build_absolute_uri(f"{get_script_prefix()}api/v1/"), given)


@register.filter
def key_name(key: str) -> str:
    """The last part of a child's key: web of shop/front/web."""
    return key.rpartition("/")[2]


@register.filter
def key_path(key: str) -> str:
    """What stands before it, with its slash: shop/front/ of shop/front/web."""
    head, slash, _ = key.rpartition("/")
    return head + slash


@register.filter
def key_parent(key: str) -> str:
    """The supervisor of a key below its tree: front of shop/front/web, nothing for shop/web."""
    return key.rpartition("/")[0].partition("/")[2]


@register.filter
def words(values: Iterable[object] | None) -> str:
    """A list in one line: a, b and c."""
    items = [str(value) for value in values or ()]
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


@register.filter
def words_or_text(value: object) -> str:
    """A command: argv as one line."""
    return " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
