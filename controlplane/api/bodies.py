"""Request bodies: JSON that can be stored, tree documents as text, both bounded; answers as strict JSON."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any

from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

from controlplane.api.exceptions import Problem

MAX_JSON = 1 << 20
MAX_DOCUMENT = 4 << 20
"""Bytes; the second is what a tree file may have (supervision/trees/treefile.py)."""
MAX_DEPTH = 64


def read_bounded(stream: IO[bytes], limit: int) -> bytes:
    """The body, or the problem that it is larger than `limit` bytes."""
    body = stream.read(limit + 1)
    if len(body) > limit:
        raise Problem("too-large", f"The body has more than {limit} bytes.")
    return body


class StrictJSONParser(BaseParser):
    """JSON (RFC 8259) with what PostgreSQL cannot keep or nobody can mean refused: NaN, doubled names, U+0000, lone
    surrogates, nesting deeper than MAX_DEPTH."""

    media_type = "application/json"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return parse_json(read_bounded(stream, MAX_JSON))


def parse_json(body: bytes) -> Any:
    """Any: it is JSON. Raises Problem."""
    if not body:
        return {}
    try:
        value = json.loads(
            body.decode("utf-8"), parse_constant=_constant, object_pairs_hook=_once, parse_int=_integer
        )
        _check(value, "", 0)
    except UnicodeDecodeError:
        raise Problem.invalid("", "The body is not UTF-8.") from None
    except RecursionError:
        raise Problem.invalid("", "The body is nested too deeply.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise Problem(
            "bad-request",
            f"The body is not JSON: {error.msg} at {where}.",
            errors=[{"pointer": "", "detail": error.msg, "line": error.lineno}],
        ) from None
    return value


def _constant(text: str) -> float:
    raise Problem.invalid("", f"{text} is no JSON number.")


def _integer(text: str) -> int:
    if len(text) > 30:
        raise Problem.invalid("", "A number has more than 30 digits.")
    return int(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _value in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Problem.invalid("", f"The name {twice[:80]!r} stands twice in one object.")
    return made


def _check(value: Any, pointer: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Problem.invalid(pointer, "The body is nested too deeply.")
    if isinstance(value, str):
        _check_text(value, pointer)
    elif isinstance(value, float) and not math.isfinite(value):
        raise Problem.invalid(pointer, "The number is too large.")
    elif isinstance(value, dict):
        for name, inner in value.items():
            _check_text(name, pointer)
            _check(inner, f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}", depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check(inner, f"{pointer}/{index}", depth + 1)


def _check_text(text: str, pointer: str) -> None:
    if "\0" in text:
        raise Problem.invalid(pointer, "The character U+0000 cannot be stored.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise Problem.invalid(pointer, "Half of a surrogate pair is no character.") from None


class DocumentText:
    """A tree document as it was sent: its text decides which lines faults are reported at."""

    def __init__(self, content: bytes, *, is_json: bool) -> None:
        self.content = content
        self.is_json = is_json


class DocumentJSONParser(BaseParser):
    """A tree document in JSON, as text."""

    media_type = "application/json"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return DocumentText(read_bounded(stream, MAX_DOCUMENT), is_json=True)


class DocumentYAMLParser(BaseParser):
    """A tree document in YAML, as text."""

    media_type = "application/yaml"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return DocumentText(read_bounded(stream, MAX_DOCUMENT), is_json=False)


class DocumentOtherYAMLParser(DocumentYAMLParser):
    """The same under the name it had before RFC 9512."""

    media_type = "application/x-yaml"


class DocumentTextYAMLParser(DocumentYAMLParser):
    media_type = "text/yaml"


DOCUMENT_PARSERS = [DocumentJSONParser, DocumentYAMLParser, DocumentOtherYAMLParser, DocumentTextYAMLParser]


class StrictJSONRenderer(JSONRenderer):
    """JSON without NaN: what is not known is null."""

    charset = None
    strict = True
    ensure_ascii = False
    format = "json"


class BytesRenderer(StrictJSONRenderer):
    """For Accept, where an answer is bytes; an error is JSON all the same."""

    media_type = "application/octet-stream"
    format = "bytes"
