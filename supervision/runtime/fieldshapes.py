"""Types made of other types: lists, mappings, alternatives, short forms."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from supervision.runtime.fielddoc import (
    INVALID,
    Definitions,
    FieldType,
    Report,
    Section,
    escape,
    nearest,
    shown,
)


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list. `unique`: no two items have the same normal form."""

    item: FieldType
    most: int
    least: int = 0
    unique: bool = False
    called: str = ""
    """The type in words, where `list of` and the words of the item read badly."""

    @property
    def words(self) -> str:
        return self.called or f"list of {self.item.words}"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, list | tuple)

    def read(self, value: Any, at: str, report: Report) -> Any:
        if not isinstance(value, list | tuple):
            report.add(at, f"{shown(value)} is no {self.words}")
            return INVALID
        if not self.least <= len(value) <= self.most:
            report.add(at, f"a list of {len(value)}: it holds {self.least} to {self.most}")
            return INVALID
        result = [self.item.read(item, f"{at}/{index}", report) for index, item in enumerate(value)]
        if self.unique:
            self._check_unique(result, at, report)
        return result

    @staticmethod
    def _check_unique(result: list[Any], at: str, report: Report) -> None:
        for index, item in enumerate(result):
            if item is not INVALID and item in result[:index]:
                report.add(f"{at}/{index}", f"{shown(item)} stands here twice")

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        return [self.item.sparse(item, human=human) for item in value]

    def schema(self, defs: Definitions) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "array", "items": self.item.schema(defs), "maxItems": self.most}
        if self.least:
            schema["minItems"] = self.least
        return schema


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping with keys of one type to values of another."""

    key: FieldType
    value: FieldType
    most: int

    @property
    def words(self) -> str:
        return f"mapping of {self.key.words} to {self.value.words}"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, Mapping)

    def read(self, value: Any, at: str, report: Report) -> Any:
        if not isinstance(value, Mapping):
            report.add(at, f"{shown(value)} is no {self.words}")
            return INVALID
        if len(value) > self.most:
            report.add(at, f"{len(value)} entries: at most {self.most}")
            return INVALID
        result: dict[Any, Any] = {}
        for key, held in value.items():
            if not isinstance(key, str):
                report.add(at, f"{shown(key)} is not a key: keys are text")
                continue
            below = f"{at}/{escape(key)}"
            name = self.key.read(key, below, report)
            read = self.value.read(held, below, report)
            if name is not INVALID:
                result[name] = read
        return result

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        return {key: self.value.sparse(held, human=human) for key, held in value.items()}

    def schema(self, defs: Definitions) -> dict[str, Any]:
        return {
            "type": "object",
            "propertyNames": self.key.schema(defs),
            "additionalProperties": self.value.schema(defs),
            "maxProperties": self.most,
        }


@dataclass(frozen=True, slots=True)
class Either:
    """One of several types; the first that has the value's shape reads it."""

    types: tuple[FieldType, ...]

    @property
    def words(self) -> str:
        return " or ".join(each.words for each in self.types)

    def accepts(self, value: Any) -> bool:
        return any(each.accepts(value) for each in self.types)

    def read(self, value: Any, at: str, report: Report) -> Any:
        hint = self._hint(value) if isinstance(value, str) and value[:1].isalpha() else ""
        if not hint:
            for each in self.types:
                if each.accepts(value):
                    return each.read(value, at, report)
        report.add(at, f"{shown(value)} is no {self.words}{hint}")
        return INVALID

    def _hint(self, value: str) -> str:
        """For text that is nearly one of the words that may stand here, beside types that take text too."""
        words = [word for each in self.types for word in getattr(each, "choices", ())]
        return nearest(value, words) if words and value not in words else ""

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        for each in self.types:
            if each.accepts(value):
                return each.sparse(value, human=human)
        return value

    def schema(self, defs: Definitions) -> dict[str, Any]:
        return {"anyOf": [each.schema(defs) for each in self.types]}


@dataclass(frozen=True, slots=True)
class Short:
    """A section that may be written as the value of its one important field. Normal form: the section."""

    section: Section
    name: str

    @property
    def _type(self) -> FieldType:
        return self.section.by_name[self.name].type

    @property
    def words(self) -> str:
        fields = ", ".join(each.name for each in self.section.fields)
        return f"{self._type.words} or `{{{fields}}}`"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, Mapping) or self._type.accepts(value)

    def read(self, value: Any, at: str, report: Report) -> Any:
        if isinstance(value, Mapping):
            return self.section.read(value, at, report)
        if not self._type.accepts(value):
            report.add(at, f"{shown(value)} is no {self.words}")
            return INVALID
        return {self.name: self._type.read(value, at, report), **self.section.all_defaults()}

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        kept = self.section.sparse(value, human=human)
        return kept[self.name] if list(kept) == [self.name] else kept

    def schema(self, defs: Definitions) -> dict[str, Any]:
        return {"anyOf": [self._type.schema(defs), self.section.schema(defs)]}


@dataclass(frozen=True, slots=True)
class OneOrMore:
    """An item, or a list of them. Normal form: the list."""

    items: ListOf

    @property
    def words(self) -> str:
        return f"{self.items.item.words}, or a list of them"

    def accepts(self, value: Any) -> bool:
        return self.items.accepts(value) or self.items.item.accepts(value)

    def read(self, value: Any, at: str, report: Report) -> Any:
        if self.items.accepts(value):
            return self.items.read(value, at, report)
        item = self.items.item.read(value, at, report)
        return item if item is INVALID else [item]

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        kept = self.items.sparse(value, human=human)
        return kept[0] if len(kept) == 1 else kept

    def schema(self, defs: Definitions) -> dict[str, Any]:
        return {"anyOf": [self.items.item.schema(defs), self.items.schema(defs)]}


@dataclass(frozen=True, slots=True)
class Nested:
    """A section that may contain itself; `part` is what each level adds to the pointer, `depth` how many there may be."""

    find: Callable[[], Section]
    part: str
    depth: int
    words: str = "mapping"

    def accepts(self, value: Any) -> bool:
        return self.find().accepts(value)

    def read(self, value: Any, at: str, report: Report) -> Any:
        if at.count(self.part) > self.depth:
            report.add(at, f"nested too deep: at most {self.depth} levels")
            return INVALID
        return self.find().read(value, at, report)

    def sparse(self, value: Any, *, human: bool = False) -> Any:
        return self.find().sparse(value, human=human)

    def schema(self, defs: Definitions) -> dict[str, Any]:
        return self.find().schema(defs)
