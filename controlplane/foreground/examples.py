"""The trees in `examples/`, as `manage.py up` applies them: unchanged, except for a port that is taken."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controlplane.foreground.network_ports import next_free
from supervision.trees.treefile import load_tree

EXAMPLES_DIR = Path(__file__).resolve().parents[2] / "examples"
NEEDS = re.compile(r"^# needs: (.+)$", re.MULTILINE)
"""A tree file says in a comment which environment its programs cannot do without."""
ADDRESS = re.compile(r"^127\.0\.0\.1:(\d+)$")


@dataclass(slots=True)
class Example:
    """One example tree, in the normal form of a document. Any: its values, as the tree's own parser made them."""

    name: str
    document: dict[str, Any]
    needs: frozenset[str]

    def addresses(self) -> list[str]:
        """The TCP addresses its sockets are bound to."""
        return addresses_of(self.document)

    def urls(self) -> list[str]:
        return [f"http://{address}/" for address in self.addresses()]

    def move_ports(self, taken: set[int], ours: frozenset[int] = frozenset()) -> list[str]:
        """Give each socket a port that is free now, or one of `ours`; in every string of the tree. What was moved."""
        moved = []
        for address in self.addresses():
            port = int(address.rpartition(":")[2])
            new = next_free(port, taken=frozenset(taken), ours=ours)
            taken.add(new)
            if new != port:
                self.document = _replaced(self.document, address, f"127.0.0.1:{new}")
                moved.append(f"example {self.name}: port {port} is taken, using {new}")
        return moved


def addresses_of(document: dict[str, Any]) -> list[str]:
    """The TCP addresses on the loopback that the sockets of a tree document are bound to."""
    return [
        socket["address"]
        for process in _values_of(document, "process")
        for socket in process.get("sockets", ())
        if ADDRESS.match(str(socket.get("address")))
    ]


def load_examples(directory: Path = EXAMPLES_DIR) -> list[Example]:
    """Every tree file of the directory, by name. Raises TreeFileErrors."""
    examples = []
    for path in sorted(directory.glob("*.yaml")):
        needs = frozenset(
            name for found in NEEDS.findall(path.read_text()) for name in found.replace(",", " ").split()
        )
        tree = load_tree(path)
        examples.append(Example(tree.name, tree.document, needs))
    return examples


def _values_of(value: Any, key: str) -> Iterator[dict[str, Any]]:
    """Every object under `key`, at any depth."""
    if isinstance(value, dict):
        if isinstance(value.get(key), dict):
            yield value[key]
        for inner in value.values():
            yield from _values_of(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _values_of(inner, key)


def _replaced(value: Any, old: str, new: str) -> Any:
    """`value` with `old` replaced in every string."""
    if isinstance(value, str):
        return value.replace(old, new)
    if isinstance(value, list):
        return [_replaced(inner, old, new) for inner in value]
    if isinstance(value, dict):
        return {key: _replaced(inner, old, new) for key, inner in value.items()}
    return value
