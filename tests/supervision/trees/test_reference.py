"""What is published about tree files is what the parser does."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from supervision.kernel import Kernel
from supervision.runtime.fielddoc import Section
from supervision.runtime.fieldshapes import Either, ListOf, MapOf, OneOrMore, Short
from supervision.runtime.hostfields import HOST
from supervision.runtime.treedoc import parse_tree
from supervision.runtime.treefields import TREE
from supervision.trees import reference, schema
from supervision.trees.reference import sections_of
from supervision.trees.treefile import load_tree, read_tree_text
from tests.supervision.runtime.tree_documents import FULL

PAGE = reference.PATH.read_text(encoding="utf-8")
ROOT = Path(__file__).resolve().parents[3]
RENEW = "run `python -m supervision.trees.reference`"


def test_the_published_schema_is_current() -> None:
    assert schema.PATH.read_text(encoding="utf-8") == schema.schema_text(), RENEW


def test_the_tables_of_the_reference_are_current() -> None:
    assert reference.with_tables(PAGE) == PAGE, RENEW


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(schema.tree_schema())


@pytest.mark.parametrize("section", reference.sections(), ids=lambda section: section.name)
def test_every_field_stands_in_the_reference(section: Section) -> None:
    _, _, below = PAGE.partition(f"\n### {section.name}\n")
    table = below.partition("\n### ")[0]
    for each in section.fields:
        assert f"`{each.name}`" in table, f"{each.name} of {section.name}"
        assert each.meaning.strip().endswith(".")
        assert each in HOST or f"| `{each.name}` |" in table


def test_the_examples_of_the_reference_are_trees() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert blocks
    for block in blocks:
        found = read_tree_text(block, name="x.yaml", base="/srv").parse()
        Kernel(found.name, found.spec)


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_the_examples_are_trees(path: Path) -> None:
    found = load_tree(path)
    Kernel(found.name, found.spec)
    jsonschema.Draft202012Validator(schema.tree_schema()).validate(found.document)


def _written(section: Section, value: Any, found: set[tuple[str, str]]) -> None:
    """Note every (section, field) that a document says."""
    if not isinstance(value, dict):
        return
    for each in section.fields:
        if each.name in value:
            found.add((section.name, each.name))
            _follow(each.type, value[each.name], found)


def _follow(kind: Any, value: Any, found: set[tuple[str, str]]) -> None:
    items: list[Any] = [value]
    if isinstance(kind, ListOf | OneOrMore) and isinstance(value, list):
        items = value
    elif isinstance(kind, MapOf) and isinstance(value, dict):
        items = list(value.values())
    elif isinstance(kind, Either | Short) or not isinstance(kind, ListOf | MapOf):
        items = [value]
    for item in items:
        for section in sections_of(kind):
            _written(section, item, found)


def test_the_document_of_the_tests_says_every_field() -> None:
    found: set[tuple[str, str]] = set()
    _written(TREE, FULL, found)
    every = {
        (section.name, each.name)
        for section in reference.sections()
        for each in section.fields
        if section.name not in ("node.toml", "node limits")
    }
    assert every - found == set()


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.update(nonsense=1),
        lambda document: document.update(version=2),
        lambda document: document["supervisor"].update(strategy="x"),
        lambda document: document["supervisor"]["children"][0].pop("id"),
        lambda document: document["supervisor"]["children"][0]["process"].update(command=[]),
        lambda document: document["supervisor"]["children"][0]["process"].update(watchdog="soon"),
        lambda document: document["supervisor"]["children"][1]["supervisor"].update(intensity=-1),
        lambda document: document["supervisor"]["children"][1].update(process={"command": ["x"]}),
    ],
)
def test_the_schema_refuses_what_it_has_words_for(change: Any) -> None:
    document = json.loads(json.dumps(FULL))
    validator = jsonschema.Draft202012Validator(schema.tree_schema())
    assert validator.is_valid(document)
    change(document)
    assert not validator.is_valid(document)


def test_the_schema_knows_the_normal_form() -> None:
    jsonschema.Draft202012Validator(schema.tree_schema()).validate(parse_tree(FULL).document)
