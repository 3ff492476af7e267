"""The JSON form of events, actions, messages and steps: a list that begins with the kind's tag."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

from supervision.kernel.spec import ChildSpec, SupervisorSpec

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(kind: type[T]) -> type[T]:
    """A slotted dataclass that is frozen for the type checker.

    Not at run time: a frozen dataclass assigns each field by a call, and a restart makes six of these. Freezing them for
    real took a third off the restarts a second (bench/kernel_restarts.py: 75,000 instead of 105,000).
    """
    return dataclass(slots=True)(kind)


class Record:
    """A dataclass that can be written as a list. Fields hold JSON, specifications or other records."""

    __slots__: tuple[str, ...] = ()
    tag: ClassVar[str]

    def to_json(self) -> list[Any]:
        return [self.tag, *[_write(getattr(self, name)) for name in self.__slots__]]

    @classmethod
    def from_fields(cls, values: list[Any]) -> Self:
        return cls(*values)


def _write(value: Any) -> Any:
    """Any: a field's value is whatever its dataclass says."""
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, ChildSpec):
        return {"child": value.to_json()}
    if isinstance(value, SupervisorSpec):
        return {"supervisor": value.to_json()}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set):
        return sorted(value)
    return [_write(item) for item in value]


def reader(*kinds: type[Record]) -> Callable[[list[Any]], Any]:
    """A function that reads back what `to_json` of any of these kinds wrote. Any: a union cannot be built from `kinds`."""
    by_tag = {kind.tag: kind for kind in kinds}

    def read(document: list[Any]) -> Any:
        kind = by_tag[document[0]]
        values = []
        for name, value in zip((f.name for f in fields(kind)), document[1:], strict=False):  # type: ignore[arg-type]  # all are dataclasses
            values.append(_read(name, value, read))
        return kind.from_fields(values)

    return read


def _read(name: str, value: Any, read: Callable[[list[Any]], Any]) -> Any:
    match name, value:
        case (("request" | "child" | "spec"), list()):
            return read(value)
        case "child", {"child": document}:
            return ChildSpec.from_json(document)
        case "spec", {"supervisor": document}:
            return SupervisorSpec.from_json(document)
        case "extra", list():
            return tuple(value)
    return value
