"""One child in a file, for `start_child --child`."""

from typing import Any

from controlplane.cli.exits import CliError
from controlplane.cli.treefiles import invalid
from supervision.trees.treefile import TreeFile, TreeFileErrors, read_tree_file


def read_child(path: str) -> tuple[TreeFile, dict[str, Any]]:
    """The document and where its parts are written; CliError for text that is neither YAML nor JSON, or no mapping."""
    try:
        file = read_tree_file(path)
    except TreeFileErrors as errors:
        raise invalid(path, errors.problems, what="child") from None
    if not isinstance(file.text.value, dict):
        raise CliError(f"{path}: a child is a mapping, such as one entry of `children:`", code="invalid")
    return file, file.text.value
