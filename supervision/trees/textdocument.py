"""What a text file with a document becomes: plain values, and for each the place where it is written.

The YAML and the JSON reader both hand their pieces to one Builder, which keeps the bounds (depth, number of values, also
after aliases were expanded) and finds what both notations have to refuse: keys that are given twice, keys that are no text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

MAX_DEPTH = 200
MAX_VALUES = 500_000
MAX_FAULTS = 100


class Place(NamedTuple):
    """Line and column, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the text, and where."""

    place: Place
    message: str


class TextError(Exception):
    """The text cannot be read any further."""

    def __init__(self, place: Place, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(place, message)


class Spot(NamedTuple):
    """Where a value is written: its key, or its first character when it has none; `inside` says the same of its parts."""

    place: Place
    inside: "Mapping[str, Spot] | Sequence[Spot] | None"


@dataclass(frozen=True, slots=True)
class TextDocument:
    """A document that was read."""

    value: Any
    root: Spot

    def locate(self, pointer: str) -> Place:
        """Where the value at a JSON pointer is written; of what is not written, the nearest thing around it.

        A pointer may name the normal form of what was written shorter (`/pre_start/0/command/0` for a bare list).
        """
        spot = self.root
        for token in pointer.split("/")[1:]:
            key = token.replace("~1", "/").replace("~0", "~")
            inside = spot.inside
            if isinstance(inside, Mapping):
                found = inside.get(key)
            elif isinstance(inside, Sequence):
                found = inside[int(key)] if key.isdecimal() and int(key) < len(inside) else None
                if found is None and not key.isdecimal():
                    continue
            else:
                break
            if found is None:
                break
            spot = found
        return spot.place


@dataclass(slots=True)
class _Open:
    """A mapping or list that is being read."""

    place: Place
    value: Any
    inside: Any
    before: int
    anchor: str | None = None
    key: str | None = None
    key_place: Place | None = None
    merging: bool = False
    merged: list[tuple[Any, Any]] = field(default_factory=list)


class _Anchor(NamedTuple):
    value: Any
    inside: Any
    size: int


class Builder:
    """Makes a TextDocument of pieces in their order. Raises TextError where a bound is passed; `faults` are the rest."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        """What is wrong, but leaves the rest readable."""
        self._stack: list[_Open] = []
        self._anchors: dict[str, _Anchor | None] = {}
        self._count = 0
        self.document: TextDocument | None = None

    @property
    def wants_key(self) -> bool:
        """Whether the next piece is a key of a mapping, or its end."""
        return bool(self._stack) and isinstance(self._stack[-1].value, dict) and self._stack[-1].key is None

    def fault(self, place: Place, message: str) -> None:
        """Note a fault and go on."""
        self.faults.append(Fault(place, message))
        if len(self.faults) >= MAX_FAULTS:
            raise TextError(place, f"only the first {MAX_FAULTS} errors are shown")

    def key(self, key: str, place: Place, *, merge: bool = False) -> None:
        """The key of the value that follows. merge: YAML's `<<`, whose value is taken apart into this mapping."""
        top = self._stack[-1]
        top.key, top.key_place, top.merging = key, place, merge
        if key in top.value or (merge and top.merged):
            first = top.inside[key].place.line if key in top.inside else place.line
            self.fault(place, f"key {key[:60]!r} stands here twice, first on line {first}")

    def scalar(self, value: Any, place: Place, anchor: str | None = None) -> None:
        self._counted(1, place)
        if anchor is not None:
            self._anchors[anchor] = _Anchor(value, None, 1)
        self._add(value, place, None)

    def open(self, value: dict[str, Any] | list[Any], place: Place, anchor: str | None = None) -> None:
        """Begin a mapping or a list."""
        self._counted(1, place)
        if len(self._stack) >= MAX_DEPTH:
            raise TextError(place, f"nested too deep: at most {MAX_DEPTH} levels")
        if anchor is not None:
            self._anchors[anchor] = None
        inside: Any = {} if isinstance(value, dict) else []
        self._stack.append(_Open(place, value, inside, self._count, anchor))

    def close(self) -> None:
        """End the mapping or list that was begun last."""
        done = self._stack.pop()
        for value, inside in done.merged:
            for key in value:
                if key not in done.value:
                    done.value[key] = value[key]
                    done.inside[key] = inside[key]
        if done.anchor is not None:
            self._anchors[done.anchor] = _Anchor(done.value, done.inside, self._count - done.before + 1)
        self._add(done.value, done.place, done.inside)

    def alias(self, name: str, place: Place) -> None:
        """A value that was written before; it counts in full each time."""
        if name not in self._anchors:
            raise TextError(place, f"*{name[:60]} names nothing: there is no such anchor before it")
        anchor = self._anchors[name]
        if anchor is None:
            raise TextError(place, f"*{name[:60]} stands inside of what it names")
        self._counted(anchor.size, place)
        self._add(anchor.value, place, anchor.inside)

    def _counted(self, size: int, place: Place) -> None:
        self._count += size
        if self._count > MAX_VALUES:
            raise TextError(place, f"too many values, aliases counted: at most {MAX_VALUES}")

    def _add(self, value: Any, place: Place, inside: Any) -> None:
        if not self._stack:
            self.document = TextDocument(value, Spot(place, inside))
            return
        top = self._stack[-1]
        if isinstance(top.value, list):
            top.value.append(value)
            top.inside.append(Spot(place, inside))
            return
        key, key_place = top.key, top.key_place
        assert key is not None  # noqa: S101 the readers hand a key before each value
        assert key_place is not None  # noqa: S101
        top.key = None
        if top.merging:
            self._merge(top, value, inside, key_place)
        elif key not in top.value:
            top.value[key] = value
            top.inside[key] = Spot(key_place, inside)

    def _merge(self, top: _Open, value: Any, inside: Any, place: Place) -> None:
        parts = [(value, inside)] if isinstance(value, dict) else []
        if isinstance(value, list):
            parts = [(part, spot.inside) for part, spot in zip(value, inside, strict=True)]
        if not parts or not all(isinstance(part, dict) for part, _ in parts):
            self.fault(place, "<< takes a mapping, or a list of mappings, such as *defaults")
            return
        top.merged += parts
