"""Whatever stands in a tree file: a valid tree or clear errors, never anything else.

Sixty examples of each kind here, many thousands under the marker `soak`.
"""

import copy
import json
import os
import re
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from supervision.kernel import Kernel
from supervision.runtime.processdoc import ProcessBody
from supervision.runtime.treedoc import DocumentError, DocumentErrors, TreeDocument, parse_tree
from supervision.trees.schema import tree_schema
from supervision.trees.treefile import Problem, TreeFileErrors, export_yaml, read_tree_text
from tests.supervision.runtime.tree_documents import FULL, places

Json = Any
"""Anything at all: that is the point."""

MINUTES = float(os.environ.get("OVERSTORY_SOAK_MINUTES", "30"))
VALIDATOR = jsonschema.Draft202012Validator(tree_schema())
PLACES = list(places(FULL))


def runs(examples: int) -> Callable[[Any], Any]:
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(max_examples=examples, deadline=None, suppress_health_check=quiet)


words = st.sampled_from(
    [
        "", "a", "t", "web", "web@1", "web/x", "../x", "/", "/etc", "~", "on", "no", "yes", "true", "null", "1", "0", "-1",
        "1.5", "5s", "1m30s", "500ms", "5 s", "1e999", "99999999999999999999s", "64MiB", "1kb", "infinity", "unlimited",
        "brutal_kill", "TERM", "SIGTERM", "SIGKIL", "KILL", "22", "022", "0o22", "999", "permanent", "permanant",
        "one_for_all",
        "http://[::1", "http://a:99999/", "http://a b/", "ftp://a/", "127.0.0.1:80", "[::1]:80", "::1:80", "*:80", ":0",
        "a\0b", "\ud800", "\x85", "\u2028", "\ufeff", "x" * 5000, "<<", "&a", "*a", "!!int", "@x", "%x", "{{x}}", "- a",
        "a: b", "a\nb", "\t", "'", '"', "# x", "🙂", "1:30", "2026-11-21", ".inf", "0x1F", "1_000", "=",
    ]
)  # fmt: skip
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | words
    | st.sampled_from([10**400, -(2**63), 2**64, float("nan"), float("inf"), -0.0, 0.1 + 0.2])
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=12,
)
odd_values = st.sampled_from(
    [b"bytes", {1, 2}, (1, 2), object(), {1: 2}, {None: 1}, {("a",): 1}, 1j, range(3)]
).map(copy.deepcopy)  # a later change must not reach the next example


def parts() -> st.SearchStrategy[Json]:
    """Some other part of the document, where it does not belong."""
    return st.sampled_from(PLACES).map(lambda path: copy.deepcopy(_at(FULL, path)))


def _at(document: Json, path: tuple[str | int, ...]) -> Json:
    for step in path:
        document = document[step]
    return document


@st.composite
def mutations(draw: st.DrawFn, replacement: st.SearchStrategy[Json]) -> Json:
    """The full document with one to three of its places changed, removed, doubled or added to."""
    document = copy.deepcopy(FULL)
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 3]))):
        path = draw(st.sampled_from(list(places(document))))
        if not path:
            continue
        above, last = _at(document, path[:-1]), path[-1]
        what = draw(st.sampled_from(["replace", "replace", "replace", "remove", "add"]))
        if what == "replace":
            above[last] = draw(replacement)
        elif what == "remove":
            del above[last]
        elif isinstance(above, dict):
            above[draw(words | st.text(max_size=10))] = draw(replacement)
        else:
            above.insert(draw(st.integers(0, len(above))), draw(replacement))
    return document


def check(document: object) -> None:
    """A valid tree in every respect, or errors in every respect."""
    tree = _parsed(document)
    if tree is not None:
        check_valid(tree)
        VALIDATOR.validate(json.loads(json.dumps(document)))


def _parsed(document: object) -> TreeDocument | None:
    """The tree; None when it was refused in clear words."""
    found: tuple[DocumentError, ...] = ()
    try:
        return parse_tree(document)
    except DocumentErrors as errors:
        found = errors.errors
    assert found
    for error in found:
        assert error.pointer == "" or error.pointer.startswith("/")
        assert error.message
        assert "\n" not in error.message
        assert len(error.message) < 1000
        str(error)
    return None


def check_valid(tree: TreeDocument) -> None:
    """Normal forms are stable, the kernel and the driver take it, the schema says so too."""
    json.dumps(tree.document, allow_nan=False).encode()
    for form in (tree.document, tree.sparse, tree.for_people):
        again = parse_tree(form)
        assert again == tree
        assert again.digest == tree.digest
    VALIDATOR.validate(tree.document)
    Kernel(tree.name, tree.spec)
    for each in tree.declared():
        if each.kind == "process":
            ProcessBody.from_body({"kind": "process", "process": each.child["process"]})
    assert read_tree_text(export_yaml(tree), name="x.yaml", base="/").parse() == tree


def check_text(text: str | bytes, name: str) -> None:
    found: tuple[Problem, ...] = ()
    try:
        check_valid(read_tree_text(text, name=name, base="/base").parse())
    except TreeFileErrors as errors:
        found = errors.problems
    content = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    for problem in found:
        assert 1 <= problem.line <= len(re.split(rb"\r\n|\n|\r", content)) + 1
        assert problem.column >= 1
        assert problem.message
        str(problem).encode()


FORMS: dict[str, tuple[st.SearchStrategy[Json], Callable[[Json], None]]] = {
    "a document with anything anywhere": (mutations(values | parts() | odd_values), check),
    "anything as a document": (values | odd_values, check),
}


def _dumped_as_yaml(document: Json) -> None:
    try:
        text = yaml.safe_dump(document, allow_unicode=True)
    except (yaml.YAMLError, UnicodeError):
        return
    check_text(text, "x.yaml")


def _dumped_as_json(document: Json) -> None:
    check_text(json.dumps(document, indent=1), "x.json")


FORMS["a YAML file with anything anywhere"] = (mutations(values | parts()), _dumped_as_yaml)
FORMS["a JSON file with anything anywhere"] = (mutations(values | parts()), _dumped_as_json)

TEXT = export_yaml(parse_tree(FULL))
JSON_TEXT = json.dumps(FULL, indent=1)
PIECES = (
    st.text(max_size=10)
    | st.text("{}[],:&*!|>'\"%@`#-? \t\n~<=0123456789abce\\x", max_size=8)
    | words.map(lambda word: word.replace("\ud800", ""))
)


@st.composite
def spliced(draw: st.DrawFn, text: str) -> str:
    """A file with some of it cut out, moved or overwritten."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 40)))
        text = text[:start] + draw(PIECES) + text[end:]
    return text


FORMS["a YAML file with text cut and pasted"] = (spliced(TEXT), lambda text: check_text(text, "x.yaml"))
FORMS["a JSON file with text cut and pasted"] = (spliced(JSON_TEXT), lambda text: check_text(text, "x.json"))
FORMS["any text"] = (st.lists(PIECES, max_size=20).map("".join), lambda text: check_text(text, "x"))
FORMS["any bytes"] = (st.binary(max_size=60), lambda text: check_text(text, "x"))


def _run(form: str, examples: int) -> None:
    strategy, test = FORMS[form]
    runs(examples)(given(strategy)(test))()


@pytest.mark.parametrize("form", FORMS)
def test_gives_a_valid_tree_or_clear_errors(form: str) -> None:
    _run(form, 60)


@pytest.mark.soak
@pytest.mark.parametrize("form", FORMS)
def test_gives_a_valid_tree_or_clear_errors_for_long(form: str) -> None:
    _run(form, int(1000 * MINUTES))


def test_the_full_document_is_valid_in_every_respect() -> None:
    check(FULL)
    check_text(TEXT, "x.yaml")
    check_text(JSON_TEXT, "x.json")


SHAPES: list[Json] = [None, True, -1, 1.5, "x", "", "1", [], {}, ["x"], {"x": 1}, [[]], 10**30]


def alone(path: tuple[str | int, ...]) -> tuple[Json, tuple[str | int, ...]]:
    """The full document without the children that the place is not in, where that is a tree too; and the place in it."""
    document = copy.deepcopy(FULL)
    if path[:2] != ("supervisor", "children") or len(path) == 2:
        return document, path
    _at(document, path[:2])[:] = [_at(document, path[:3])]
    if _parsed(document) is None:
        return copy.deepcopy(FULL), path
    return document, (*path[:2], 0, *path[3:])


@pytest.mark.parametrize("path", PLACES[1:], ids=lambda path: "/".join(map(str, path)))
def test_takes_or_refuses_each_shape_of_value_at(path: tuple[str | int, ...]) -> None:
    document, place = alone(path)
    for value in SHAPES:
        _at(document, place[:-1])[place[-1]] = copy.deepcopy(value)
        tree = _parsed(document)
        if tree is not None:
            assert parse_tree(tree.document) == tree
            assert parse_tree(tree.for_people).digest == tree.digest
