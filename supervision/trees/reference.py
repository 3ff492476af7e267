"""The tables of docs/tree-file.md, made from the tables the parser reads by. `python -m supervision.trees.reference` renews
them and the schema."""

import json
from collections.abc import Iterator
from pathlib import Path

from supervision.runtime.fielddoc import Field, FieldType, Section
from supervision.runtime.fieldshapes import Either, ListOf, MapOf, Nested, OneOrMore, Short
from supervision.runtime.fieldtypes import Duration, Size
from supervision.runtime.hostfields import HOST
from supervision.runtime.nodesettings import NODE
from supervision.runtime.treefields import SUPERVISOR_CHILD, TREE, WORKER, Child
from supervision.trees.schema import write_schema

PATH = Path(__file__).resolve().parents[2] / "docs" / "tree-file.md"
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"

_HOST = Section("host", HOST)
_SHARERS = ("agent", "celery_worker")
"""Sections that hold the fields of HOST without saying them again."""


def sections() -> list[Section]:
    """Every section of a tree document and of node.toml, those with several uses once."""
    found: dict[str, Section] = {}
    for section in (TREE, NODE):
        _collect(section, found)
    return list(found.values())


def _collect(section: Section, found: dict[str, Section]) -> None:
    if section.inline or section.name in found:
        return
    found[section.name] = section
    for each in section.fields:
        for inner in sections_of(each.type):
            _collect(inner, found)


def sections_of(kind: FieldType) -> Iterator[Section]:
    """The sections a type is directly made of."""
    match kind:
        case Section():
            yield kind
        case Nested():
            yield kind.find()
        case Short():
            yield kind.section
        case Child():
            yield from (WORKER, SUPERVISOR_CHILD)
        case ListOf():
            yield from sections_of(kind.item)
        case OneOrMore():
            yield from sections_of(kind.items)
        case MapOf():
            yield from sections_of(kind.value)
        case Either():
            for each in kind.types:
                yield from sections_of(each)


def tables() -> str:
    """All tables, as markdown."""
    parts = []
    for section in sections():
        fields = section.fields
        note = ""
        if section.name in _SHARERS:
            fields = tuple(each for each in fields if each not in HOST)
            shared = ", ".join(f"`{each.name}`" for each in HOST)
            note = f"\nAlso, as in [`process`](#process): {shared}.\n"
        parts.append(f"### {section.name}\n\n{_table(fields)}{note}")
    return "\n".join(parts)


def _table(fields: tuple[Field, ...]) -> str:
    rows = "".join(
        f"| `{each.name}` | {_type(each.type)} | {_default(each)} | {_cell(each.meaning)} |\n"
        for each in fields
    )
    return f"| field | type | default | meaning |\n|---|---|---|---|\n{rows}"


def _type(kind: FieldType) -> str:
    words = _cell(kind.words)
    links = " or ".join(_link(section) for section in sections_of(kind) if not section.inline)
    if not links:
        return words
    if words == "mapping":
        return links
    return f"list of {links}" if words in ("list of mapping", "list of child") else f"{words} ({links})"


def _link(section: Section) -> str:
    anchor = section.name.replace(" ", "-").replace(".", "")
    return f"[{section.name}](#{anchor})"


def _default(each: Field) -> str:
    if each.required:
        return "required"
    if each.default is None:
        return ""
    if isinstance(each.type, Duration | Size):
        return f"`{each.default}`"
    return f"`{json.dumps(each.default)}`" if not isinstance(each.default, str) else f"`{each.default}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def with_tables(page: str) -> str:
    """The page with its tables renewed."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


def main() -> None:
    PATH.write_text(with_tables(PATH.read_text(encoding="utf-8")), encoding="utf-8")
    write_schema()


if __name__ == "__main__":
    main()
