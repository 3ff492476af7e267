"""YAML with the place of each value, and without its surprises.

Only the parser of PyYAML is used (libyaml's where it was built): its events are plain pieces of text, so no tag can make an
object. What a plain word means is decided here, as YAML 1.2 and JSON have it:

    true false (also True, TRUE)     null ~ and nothing     12  -3     1.5  2e3

and everything else is text: `on`, `no`, `1:30`, `2026-11-21`, `0x1F`, `022`, `1_000`, `.inf`. Keys are always text.
"""

import math
import re
from typing import Any, Final, cast

import yaml

from supervision.trees.textdocument import Builder, Place, TextDocument, TextError

_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"0|-?[1-9][0-9]{0,19}")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]{0,19})(?=[.eE])(?:\.[0-9]{1,40})?(?:[eE][-+]?[0-9]{1,4})?")
_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})

_BREAKS = re.compile("[\x85\u2028\u2029]")


def plain_value(word: str) -> Any:
    """What a word without quotes means."""
    if word in _NULLS:
        return None
    if word in _BOOLEANS:
        return _BOOLEANS[word]
    if _INT.fullmatch(word):
        return int(word)
    if _FLOAT.fullmatch(word):
        number = float(word)
        return number if math.isfinite(number) else word
    return word


def read_yaml(text: str, builder: Builder) -> TextDocument:
    """Read the one document in `text`. Raises TextError; faults that leave the rest readable are in the builder."""
    odd = _BREAKS.search(text)
    if odd is not None:
        line = text.count("\n", 0, odd.start()) + 1
        place = Place(line, odd.start() - text.rfind("\n", 0, odd.start()))
        raise TextError(
            place,
            f"U+{ord(odd[0]):04X}, which YAML takes for the end of a line; write it as an escape in quotes",
        )
    try:
        for event in yaml.parse(text, Loader=_Loader):
            _take(event, builder)
    except yaml.MarkedYAMLError as error:
        raise TextError(_mark(error.problem_mark or error.context_mark), _words(error, text)) from error
    except yaml.YAMLError as error:
        raise TextError(Place(1, 1), f"not YAML: {error}") from error
    if builder.document is None:
        raise TextError(Place(1, 1), "the file holds no document")
    return builder.document


def _mark(mark: Any) -> Place:
    return Place(1, 1) if mark is None else Place(mark.line + 1, mark.column + 1)


def _take(event: Any, builder: Builder) -> None:
    if isinstance(event, yaml.ScalarEvent):
        _scalar(event, builder)
    elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
        place = _mark(event.start_mark)
        what = "mapping" if isinstance(event, yaml.MappingStartEvent) else "list"
        if builder.wants_key:
            raise TextError(place, f"a {what} as a key: keys are text" + _braces_hint(event))
        if event.tag is not None:
            builder.fault(place, f"a tag, {event.tag[:60]}: tree files have none")
        builder.open({} if what == "mapping" else [], place, event.anchor)
    elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
        builder.close()
    elif isinstance(event, yaml.AliasEvent):
        place = _mark(event.start_mark)
        if builder.wants_key:
            raise TextError(place, "an alias as a key: keys are written out")
        builder.alias(cast("str", event.anchor), place)
    elif isinstance(event, yaml.DocumentStartEvent) and builder.document is not None:
        raise TextError(_mark(event.start_mark), "a second document: a file holds one tree")


def _braces_hint(event: Any) -> str:
    flow = isinstance(event, yaml.MappingStartEvent) and event.flow_style
    return "; text that begins with { is written in quotes" if flow else ""


def _scalar(event: Any, builder: Builder) -> None:
    place = _mark(event.start_mark)
    plain = not event.style and event.tag is None
    if event.tag is not None and event.tag not in _TEXT_TAGS:
        builder.fault(place, f"a tag, {event.tag[:60]}: tree files have none")
    if builder.wants_key:
        builder.key(event.value, place, merge=plain and event.value == "<<")
        return
    builder.scalar(plain_value(event.value) if plain else event.value, place, event.anchor)


def _words(error: yaml.MarkedYAMLError, text: str) -> str:
    """What the parser says, in words for people who did not write a YAML parser."""
    problem, mark = error.problem or "", error.problem_mark
    character = text[mark.index] if mark is not None and 0 <= mark.index < len(text) else ""
    if "cannot start any token" in problem:
        if character == "\t":
            return "a tab: YAML is indented with spaces"
        return f"text that begins with {character!r} is written in quotes"
    if "mapping values are not allowed" in problem:
        return "a colon where no value can begin: text with `: ` in it is written in quotes; is the indentation right?"
    if "did not find expected" in problem or "could not find expected" in problem:
        what = problem.partition("expected ")[2]
        return f"{what} is expected here; are indentation, brackets and quotes right?"
    if "unexpected end of stream" in problem:
        return "the text ends inside quotes"
    return f"{problem}" + (f" ({error.context})" if error.context else "")
