"""What `arguments` may be, by the JSON Schema of an agent kind. Pure; nothing is fetched from anywhere.

The library is imported with the first schema: it takes as long as Django's own models, and most processes never have one.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agents.exceptions import InvalidConfigError, TooLargeError
from supervision.runtime.fielddoc import escape
from supervision.trees.exceptions import Fault

if TYPE_CHECKING:
    from jsonschema.exceptions import SchemaError, ValidationError

MAX_SCHEMA_BYTES = 64 * 1024
MAX_FAULTS = 100


def check_schema(schema: object) -> dict[str, Any]:
    """The schema, if it is one. Raises InvalidConfigError, TooLargeError."""
    if not isinstance(schema, dict):
        raise InvalidConfigError([Fault("/schema", "a JSON Schema is an object")])
    size = len(json.dumps(schema))
    if size > MAX_SCHEMA_BYTES:
        raise TooLargeError("/schema", f"the schema has {size} bytes: at most {MAX_SCHEMA_BYTES}")
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError
    from referencing.exceptions import Unresolvable

    try:
        Draft202012Validator.check_schema(schema)
        _faults(schema, {})  # its references lead somewhere
    except SchemaError as error:
        raise InvalidConfigError([_fault(error, "/schema")]) from error
    except Unresolvable as error:
        raise InvalidConfigError([Fault("/schema", f"the reference {error.ref!r} leads nowhere")]) from error
    except RecursionError as error:
        raise InvalidConfigError(
            [Fault("/schema", "it is nested too deeply, or refers to itself")]
        ) from error
    return schema


def argument_faults(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[Fault]:
    """Every fault of `arguments`, with the pointer of the field; at most MAX_FAULTS."""
    from referencing.exceptions import Unresolvable

    try:
        return _faults(schema, arguments)
    except Unresolvable as error:
        return [Fault("/arguments", f"the kind's schema refers to {error.ref!r}, which leads nowhere")]


def _faults(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> list[Fault]:
    from jsonschema import Draft202012Validator
    from referencing import Registry

    nothing: Registry[Any] = (
        Registry()
    )  # a `$ref` to another document finds nothing: a schema stands for itself
    found: list[Fault] = []
    for error in Draft202012Validator(schema, registry=nothing).iter_errors(arguments):
        found.append(_fault(error, "/arguments"))
        if len(found) == MAX_FAULTS:
            break
    return sorted(found, key=lambda fault: fault.pointer)


def _fault(error: "ValidationError | SchemaError", at: str) -> Fault:
    pointer = at + "".join(f"/{escape(str(part))}" for part in error.absolute_path)
    words = error.message if len(error.message) <= 300 else error.message[:297] + "..."
    return Fault(pointer, words)
