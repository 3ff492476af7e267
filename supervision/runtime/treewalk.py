"""Every child of a tree document, with its path and its place."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from supervision.runtime.fielddoc import held


@dataclass(frozen=True, slots=True)
class Declared:
    """One child as it stands in the document; a child with instances is declared once.

    path      from the root, such as `web/api`, without the name of the tree
    above     path of its supervisor with a slash behind; empty for a child of the root
    pointer   JSON pointer to it
    child     its normal form
    template  it is what a simple_one_for_one supervisor makes its children of, or stands inside such a thing
    """

    path: str
    above: str
    pointer: str
    child: Mapping[str, Any]
    template: bool

    @property
    def kind(self) -> str:
        """The kind of a worker; `supervisor` for a supervisor."""
        return "supervisor" if "supervisor" in self.child else str(self.child["kind"])

    @property
    def is_supervisor(self) -> bool:
        return "supervisor" in self.child


def declared(document: Mapping[str, Any]) -> Iterator[Declared]:
    """In start order, a supervisor before its children. Faulty parts of a document that has faults are left out."""
    root = held(document, "supervisor")
    if isinstance(root, dict):
        yield from _below(root, "", "/supervisor", False)


def _below(supervisor: Mapping[str, Any], above: str, pointer: str, template: bool) -> Iterator[Declared]:
    template = template or held(supervisor, "strategy") == "simple_one_for_one"
    for index, child in enumerate(held(supervisor, "children") or ()):
        child_id = held(child, "id") if isinstance(child, dict) else None
        if child_id is None:
            continue
        found = Declared(above + child_id, above, f"{pointer}/children/{index}", child, template)
        yield found
        nested = held(child, "supervisor")
        if isinstance(nested, dict):
            yield from _below(nested, f"{found.path}/", f"{found.pointer}/supervisor", template)
