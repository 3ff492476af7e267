"""How a document is described: tables of fields, from which the parser, the JSON Schema and the reference are made.

A type reads a value that anybody may have written and answers what we keep of it (its normal form), or reports every
fault it finds, each with a JSON pointer. Reading a normal form gives the same normal form again. A type also knows its
JSON Schema and its own words, so that what is published can never differ from what is accepted.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from supervision.exceptions import SupervisionError

MAX_ERRORS = 100
"""After so many faults reading stops: more help nobody, and a hostile document must not cost us minutes."""

_SHOWN = 60


class _Invalid:
    """What a type answers for a value it reported."""

    def __repr__(self) -> str:
        return "INVALID"


INVALID: Final = _Invalid()


@dataclass(frozen=True, slots=True)
class DocumentError:
    """One fault: where (JSON pointer into the document) and what, in words."""

    pointer: str
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or '/'}: {self.message}"


class DocumentErrors(SupervisionError, ValueError):  # noqa: N818 it holds errors
    """The document is not valid; `errors` holds every fault found."""

    def __init__(self, errors: Sequence[DocumentError]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = tuple(errors)


class _TooManyErrors(Exception):  # noqa: N818 it is a signal between reader and report
    """Reading may stop."""


class Report:
    """Collects faults while a document is read. `base`: the directory at which relative paths begin, if there is one."""

    def __init__(self, base: str | None = None) -> None:
        self.base = base
        self.errors: list[DocumentError] = []

    def add(self, pointer: str, message: str) -> None:
        self.errors.append(DocumentError(pointer, message))
        if len(self.errors) >= MAX_ERRORS:
            self.errors.append(DocumentError("", f"only the first {MAX_ERRORS} errors are shown"))
            raise _TooManyErrors


def collect(work: Callable[[Report], Any], base: str | None = None) -> Any:
    """Run `work` with a report and answer its result; DocumentErrors with all faults if there was one."""
    report = Report(base)
    result: Any = INVALID
    with contextlib.suppress(_TooManyErrors):
        result = work(report)
    if report.errors:
        raise DocumentErrors(report.errors)
    return result


Definitions = dict[str, dict[str, Any]]
"""Schemas by name, for `$ref`."""


class FieldType(Protocol):
    """What a field may hold. Any: values come from documents, whose types are what is being checked."""

    def read(self, value: Any, at: str, report: Report) -> Any:
        """The normal form of `value`, or INVALID after reporting why not."""
        ...

    def accepts(self, value: Any) -> bool:
        """Whether the value has the shape of this type, so that `read` is the right one to find its faults."""
        ...

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        """A normal form without what equals its default; for people with units."""
        ...

    def schema(self, defs: Definitions) -> dict[str, Any]:
        """JSON Schema 2020-12; it may accept more than `read`, never less. Sections go into `defs`."""
        ...

    @property
    def words(self) -> str:
        """The type as the reference and error messages name it."""
        ...


def shown(value: object) -> str:
    """A value inside a message: short, on one line, and never an error itself."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "nothing (null)"}[value]
    if isinstance(value, int) and value.bit_length() > 128:
        return f"a number of {value.bit_length()} bits"
    if not isinstance(value, str | int | float):
        return f"a {type(value).__name__}"
    text = ascii(value) if isinstance(value, str) and not is_text(value) else repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..." + text[0]


def is_text(value: str) -> bool:
    """Whether it can be written as UTF-8: a lone surrogate cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def escape(key: str) -> str:
    """A key as a JSON pointer writes it; with a lone surrogate spelled out, for a pointer is printed."""
    if not is_text(key):
        key = key.encode(errors="backslashreplace").decode()
    return key.replace("~", "~0").replace("/", "~1")


def nearest(word: str, known: Sequence[str]) -> str:
    """`; did you mean ...?`, or nothing."""
    import difflib  # for an error's words only, and the node starts in milliseconds

    lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(word[:_SHOWN].lower(), lower, n=1)
    return f"; did you mean {lower[close[0]]!r}?" if close else ""


class _Required:
    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Final = _Required()


@dataclass(frozen=True, slots=True)
class Field:
    """One named field. `default` is written as in a document; None: the field may be left out, or be null.

    A normal form holds every field but those that are None. `meaning` is for the reference and the schema.
    """

    name: str
    type: FieldType
    default: Any
    meaning: str

    @property
    def required(self) -> bool:
        return self.default is REQUIRED


def _normal_default(each: Field) -> Any:
    return collect(lambda report: each.type.read(each.default, f"/{each.name}", report))


Check = Callable[[dict[str, Any], str, Report], None]
"""Looks at the fields of a section together; fields that were reported are INVALID (see `held`)."""


def held(values: Mapping[str, Any], name: str) -> Any:
    """A valid value of a section, else None: what was reported is not looked at again."""
    value = values.get(name)
    return None if value is INVALID else value


def copied(value: Any) -> Any:
    """A copy of JSON; copy.deepcopy also looks for cycles, and takes six times as long."""
    if isinstance(value, dict):
        return {key: copied(held) for key, held in value.items()}
    return [copied(held) for held in value] if isinstance(value, list) else value


@dataclass(frozen=True, eq=False)
class Section:
    """A mapping with exactly these fields."""

    name: str
    fields: tuple[Field, ...]
    checks: tuple[Check, ...] = ()
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    """Keys people write here that belong elsewhere: key -> advice."""
    one_of: tuple[str, ...] = ()
    """Exactly one of these fields is given."""
    words: str = "mapping"
    inline: bool = False
    """Another section has the same name, so the schema cannot refer to it."""

    def __post_init__(self) -> None:
        by_name = {each.name: each for each in self.fields}
        object.__setattr__(self, "by_name", by_name)
        defaults: dict[str, Any] = {}
        for each in self.fields:
            if not each.required and each.default is not None:
                defaults[each.name] = _normal_default(each)
        object.__setattr__(self, "defaults", defaults)
        object.__setattr__(self, "required", tuple(each for each in self.fields if each.required))
        changeable = {name: default for name, default in defaults.items() if isinstance(default, dict | list)}
        object.__setattr__(self, "_changeable", tuple(changeable.items()))
        usual = tuple((each.name, each.type, defaults.get(each.name, each.default)) for each in self.fields)
        object.__setattr__(self, "_usual", usual)

    by_name: Mapping[str, Field] = field(init=False, repr=False)
    defaults: Mapping[str, Any] = field(init=False, repr=False)
    required: tuple[Field, ...] = field(init=False, repr=False)
    _changeable: tuple[tuple[str, Any], ...] = field(init=False, repr=False)
    _usual: tuple[tuple[str, FieldType, Any], ...] = field(init=False, repr=False)
    """Name, type and normal default of each field; REQUIRED and None, which no normal form holds, for those without one."""

    def all_defaults(self) -> dict[str, Any]:
        """The normal form of a section where only what is required is said, for the caller to change."""
        made = dict(self.defaults)
        for name, default in self._changeable:
            made[name] = copied(default) if default else default.copy()
        return made

    def accepts(self, value: Any) -> bool:
        return isinstance(value, Mapping)

    def read(self, value: Any, at: str, report: Report) -> Any:
        if not isinstance(value, Mapping):
            report.add(at, f"{shown(value)} is not a mapping with the fields of `{self.name}`")
            return INVALID
        result = self.all_defaults()
        unknown = False
        for key, given in value.items():
            each = self.by_name.get(key)
            if each is None:
                unknown = True
                self._unknown(key, at, report)
            elif given is not None or each.default is not None:
                result[key] = each.type.read(given, f"{at}/{key}", report)
        for each in self.required:
            if each.name not in value:
                report.add(at, f"`{each.name}` is missing: {each.type.words}")
                result[each.name] = INVALID
        if self.one_of and not unknown:
            self._check_one_of(result, at, report)
        for check in self.checks:
            check(result, at, report)
        return result

    def _unknown(self, key: Any, at: str, report: Report) -> None:
        if not isinstance(key, str):
            report.add(at, f"{shown(key)} is not a key: keys are text")
            return
        advice = self.elsewhere.get(key)
        hint = f"; {advice}" if advice else nearest(key, tuple(self.by_name))
        report.add(f"{at}/{escape(key)}", f"unknown key {shown(key)} in `{self.name}`{hint}")

    def _check_one_of(self, result: dict[str, Any], at: str, report: Report) -> None:
        given = [name for name in self.one_of if name in result]
        if len(given) != 1:
            many = " and ".join(given) + " are given" if given else "none is given"
            report.add(at, f"exactly one of {', '.join(self.one_of)}: {many}")

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        kept = {}
        for name, kind, default in self._usual:
            given = value.get(name, default)
            if given != default:
                kept[name] = kind.sparse(given, human=human)
        return kept

    def schema(self, defs: Definitions) -> dict[str, Any]:
        if self.inline:
            return self._definition(defs)
        name = self.name.replace(" ", "_")
        if name not in defs:
            defs[name] = {}  # it may contain itself
            defs[name] = self._definition(defs)
        return {"$ref": f"#/$defs/{name}"}

    def _definition(self, defs: Definitions) -> dict[str, Any]:
        properties = {}
        for each in self.fields:
            written = dict(each.type.schema(defs))
            if each.default is None:
                written = {"anyOf": [written, {"type": "null"}]}
            written["description"] = each.meaning
            if each.name in self.defaults:
                written["default"] = self.defaults[each.name]
            properties[each.name] = written
        schema: dict[str, Any] = {
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
        }
        if self.required:
            schema["required"] = [each.name for each in self.required]
        if self.one_of:
            schema["oneOf"] = [
                {"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in self.one_of
            ]
        return schema
