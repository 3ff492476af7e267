"""Reading a document that came to the control plane, as text or as JSON, into a tree."""

from typing import Any

from supervision.runtime.treedoc import DocumentError, DocumentErrors, TreeDocument, parse_tree
from supervision.trees.exceptions import Fault, InvalidDocumentError
from supervision.trees.treefile import TreeFileErrors, read_tree_text

SYSTEM_TREE = "system"
"""Every node has one of its own, for its own parts; it is nobody's to apply."""


def read_document(document: object) -> TreeDocument:
    """A tree from JSON values. Raises InvalidDocumentError. Relative paths begin at `/`: nobody knows another base here."""
    try:
        tree = parse_tree(document, base="/")
    except DocumentErrors as errors:
        raise InvalidDocumentError([Fault(each.pointer, each.message) for each in errors.errors]) from errors
    _refuse_system(tree)
    return tree


def read_text(text: str | bytes, *, name: str = "document") -> TreeDocument:
    """A tree from YAML or JSON text. Raises InvalidDocumentError with lines."""
    try:
        tree = read_tree_text(text, name=name, base="/").parse()
    except TreeFileErrors as errors:
        faults = [Fault(each.pointer, each.message, each.line, each.column) for each in errors.problems]
        raise InvalidDocumentError(faults) from errors
    _refuse_system(tree)
    return tree


def stored(document: dict[str, Any]) -> TreeDocument:
    """A tree from a revision's document, which was valid when it was stored. Raises InvalidDocumentError when a release
    since then became stricter."""
    return read_document(document)


def _refuse_system(tree: TreeDocument) -> None:
    if tree.name == SYSTEM_TREE:
        error = DocumentError("/tree", "`system` is the name of each node's own tree: choose another")
        raise InvalidDocumentError([Fault(error.pointer, error.message)])
