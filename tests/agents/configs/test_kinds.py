"""Agent kinds: what arguments may be."""

from typing import Any

import pytest

from agents.configs import kinds
from agents.configs.argumentschema import check_schema
from agents.exceptions import (
    ChangedMeanwhileError,
    InUseError,
    InvalidConfigError,
    TooLargeError,
    UnknownError,
)
from tests.agents.config_rows import ADA, put

pytestmark = pytest.mark.django_db

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["start"],
    "properties": {"start": {"type": "string"}, "depth": {"$ref": "#/$defs/depth"}},
    "additionalProperties": False,
    "$defs": {"depth": {"type": "integer", "minimum": 1}},
}


def _declare(schema: object = SCHEMA, name: str = "crawler", expected: int | None = None) -> None:
    kinds.put_kind(name=name, schema=schema, description="", actor=ADA, expected=expected)


def test_arguments_that_the_kind_does_not_take_are_refused_with_their_field() -> None:
    _declare()
    put(kind="crawler", arguments={"start": "https://example.org", "depth": 3})
    with pytest.raises(InvalidConfigError) as refused:
        put(kind="crawler", arguments={"depth": 0, "more": 1})
    assert [(fault.pointer, fault.detail) for fault in refused.value.faults] == [
        ("/arguments", "'start' is a required property"),
        ("/arguments", "Additional properties are not allowed ('more' was unexpected)"),
        ("/arguments/depth", "0 is less than the minimum of 1"),
    ]


def test_a_kind_that_nobody_declared_is_refused_and_the_plain_one_takes_anything() -> None:
    put(arguments={"whatever": [1, 2]})
    with pytest.raises(InvalidConfigError, match="no agent kind"):
        put(kind="crawler")


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        ([], "/schema"),
        ({"type": "sequence"}, "/schema/type"),
        ({"properties": {"a": {"minimum": "1"}}}, "/schema/properties/a/minimum"),
        ({"$ref": "https://example.org/schema.json"}, "/schema"),
        ({"$ref": "#/$defs/none"}, "/schema"),
        ({"$ref": "#"}, "/schema"),
    ],
)
def test_what_is_no_schema_by_itself_is_refused(schema: object, pointer: str) -> None:
    with pytest.raises(InvalidConfigError) as refused:
        check_schema(schema)
    assert [fault.pointer for fault in refused.value.faults] == [pointer]


def test_a_schema_has_a_bound() -> None:
    with pytest.raises(TooLargeError):
        check_schema({"description": "x" * 65_536})


def test_a_stricter_schema_is_refused_while_a_config_would_not_fit() -> None:
    _declare({})
    put(kind="crawler", arguments={"depth": 0})
    with pytest.raises(InUseError) as refused:
        _declare()
    assert refused.value.users == ("shop/crawler",)


def test_a_kind_in_use_is_not_deleted() -> None:
    _declare({})
    put(kind="crawler")
    with pytest.raises(InUseError):
        kinds.delete_kind(name="crawler", actor=ADA)
    put(arguments={"n": 1})
    kinds.delete_kind(name="crawler", actor=ADA)
    with pytest.raises(UnknownError):
        kinds.kind_by_name("crawler")


def test_who_saw_another_version_of_a_kind_is_told() -> None:
    _declare(expected=0)
    for expected in (0, 2):
        with pytest.raises(ChangedMeanwhileError):
            _declare({}, expected=expected)
    _declare({}, expected=1)
