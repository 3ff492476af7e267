"""The JSON Schema of tree documents, made from the tables the parser reads by.

It describes what may be written, also in short forms and with units, so that an editor can help. What the parser takes, the
schema takes; the parser also refuses what a schema has no words for (dependencies, siblings, combinations).
"""

import json
from pathlib import Path
from typing import Any

from supervision.runtime.treefields import TREE

PATH = Path(__file__).resolve().parents[2] / "docs" / "schema" / "tree-v1.json"
WIDTH = 120


def tree_schema() -> dict[str, Any]:
    """JSON Schema 2020-12."""
    definitions: dict[str, Any] = {}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:overstory:tree:1",
        "title": "Overstory tree, version 1",
        **TREE.schema(definitions),
        "$defs": dict(sorted(definitions.items())),
    }


def schema_text() -> str:
    """As it is published."""
    return _laid_out(tree_schema(), "") + "\n"


def _laid_out(value: Any, indent: str) -> str:
    """JSON with what is short on one line: the schema is read by people too."""
    short = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(short) + len(indent) <= WIDTH:
        return short
    inner = indent + "  "
    if isinstance(value, list):
        return "[\n" + ",\n".join(inner + _laid_out(each, inner) for each in value) + f"\n{indent}]"
    lines = (f"{inner}{json.dumps(key)}: {_laid_out(each, inner)}" for key, each in value.items())
    return "{\n" + ",\n".join(lines) + f"\n{indent}}}"


def write_schema(path: Path = PATH) -> None:
    """Publish it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(schema_text(), encoding="utf-8")
