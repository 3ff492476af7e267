"""Tree documents in requests: text to a valid tree, every fault with its pointer and its line."""

from collections.abc import Iterable

from rest_framework.request import Request

from controlplane.api.bodies import DocumentText
from controlplane.api.exceptions import Problem
from supervision.runtime.treedoc import DocumentErrors, TreeDocument, parse_tree
from supervision.trees.documents import SYSTEM_TREE
from supervision.trees.treefile import Problem as Fault
from supervision.trees.treefile import TreeFileErrors, read_tree_text

MAX_ERRORS = 100


def sent(request: Request) -> DocumentText:
    """The document that a request brings; the endpoint has the parsers for one."""
    body: object = request.data
    return body if isinstance(body, DocumentText) else DocumentText(b"", is_json=False)


def read_document(text: DocumentText, *, tree: str | None = None) -> TreeDocument:
    """The tree that was sent. Raises the problem `invalid-document`. `tree`: the name it has to have.

    Relative paths are refused: there is no directory that they could begin at.
    """
    name = "document.json" if text.is_json else "document.yaml"
    try:
        file = read_tree_text(text.content, name=name, base="/")
    except TreeFileErrors as errors:
        raise invalid(errors.problems) from None
    try:
        document = parse_tree(file.text.value)
    except DocumentErrors as errors:
        raise invalid(file.problem(error.pointer, error.message) for error in errors.errors) from None
    if document.name == SYSTEM_TREE:
        raise invalid([file.problem("/tree", "is the name of each node's own tree; choose another")])
    if tree is not None and document.name != tree:
        raise invalid([file.problem("/tree", f"is {document.name}, and the address says {tree}")])
    return document


def invalid(faults: Iterable[Fault]) -> Problem:
    """400 with each fault where it is."""
    found = [
        {"pointer": fault.pointer, "detail": fault.message, **({"line": fault.line} if fault.line else {})}
        for fault in faults
    ]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Problem("invalid-document", f"{found[0]['detail']}{more}", errors=found[:MAX_ERRORS])
