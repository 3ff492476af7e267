"""Entity tags: strong, one for each version of a thing; changes name the version they are based on."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.api.exceptions import Problem

_TAGS = re.compile(r'\s*(?:(W/)?"([\x21\x23-\x7e\x80-\xff]*)"|(\*))\s*(?:,|$)')


def tag_of(version: int | str) -> str:
    """The ETag of a version."""
    return f'"{version}"'


def tag_of_body(body: Mapping[str, Any]) -> str:
    """The ETag of a thing whose row has no version: of what its representation says."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), default=str)
    return tag_of(hashlib.sha256(canonical.encode()).hexdigest()[:32])


def answer(request: Request, body: Mapping[str, Any], tag: str, **options: Any) -> Response:
    """The representation with its ETag; 304 where If-None-Match names it. `options`: of DRF's Response."""
    headers = {**options.pop("headers", {}), "ETag": tag}
    given = request.headers.get("If-None-Match")
    if given is not None and request.method in ("GET", "HEAD") and _names(given, tag, weak=True):
        return Response(status=304, headers=headers)
    return Response(body, headers=headers, **options)


def require_match(request: Request, tag: str, current: Callable[[], Mapping[str, Any]]) -> None:
    """Raises the problem 428 without If-Match, 412 (with the current representation) for another version."""
    given = request.headers.get("If-Match")
    if given is None:
        raise version_required()
    if not _names(given, tag):
        raise stale(tag, current())


def version_required() -> Problem:
    return Problem(
        "version-required", "Send If-Match with the ETag of your last read, or * for whatever is there."
    )


def stale(tag: str, current: Mapping[str, Any] | None) -> Problem:
    """412: `current` is the thing as it is now, null when there is none."""
    return Problem(
        "stale-version",
        "It was changed since that version.",
        extra={"current": current},
        headers={"ETag": tag} if current is not None else {},
    )


def expected_version(request: Request) -> int | None:
    """The version in If-Match, as a number; None for `*`. Raises 428 without one, 412 for what no version of ours looks
    like."""
    given = request.headers.get("If-Match")
    if given is None:
        raise version_required()
    tags = _tags(given)
    if tags is None:
        return None
    numbers = [int(tag) for tag, weak in tags if not weak and tag.isdecimal() and len(tag) < 19]
    return numbers[0] if len(numbers) == 1 else -1


def expected_text(request: Request) -> str | None:
    """The tag in If-Match; None for `*`. Raises 428 without one; several tags, or a weak one, match nothing of ours."""
    given = request.headers.get("If-Match")
    if given is None:
        raise version_required()
    tags = _tags(given)
    if tags is None:
        return None
    strong = [tag for tag, weak in tags if not weak and tag]
    return strong[0] if len(strong) == len(tags) == 1 else "-"


def _names(given: str, tag: str, *, weak: bool = False) -> bool:
    tags = _tags(given)
    return tags is None or any(f'"{text}"' == tag and (weak or not is_weak) for text, is_weak in tags)


def _tags(given: str) -> list[tuple[str, bool]] | None:
    """(text, whether weak) of each tag; None for `*`. Raises 400 for what is no list of tags."""
    found: list[tuple[str, bool]] = []
    at = 0
    while at < len(given):
        match = _TAGS.match(given, at)
        if match is None:
            raise Problem.invalid("If-Match", 'Entity tags are quoted: "4".')
        if match[3]:
            return None
        found.append((match[2], bool(match[1])))
        at = match.end()
    return found
