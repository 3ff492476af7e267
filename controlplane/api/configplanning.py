"""What applying an agent config would do: the difference, and the plan of each tree that follows it."""

from typing import Any

from agents.configs import selectors
from agents.configs.canaries import why_none_can
from agents.configs.document import ConfigDocument, check_names, config_diff
from controlplane.api.planning import plan_document

MOST_TREES = 50
"""Each is planned on each of its nodes; an edit that concerns more shows the first."""


def plan_config(namespace: str, name: str, document: ConfigDocument) -> dict[str, Any]:
    """The plan. Raises InvalidConfigError, and InvalidDocumentError where a tree would not be valid with it."""
    check_names(namespace=namespace, name=name)
    selectors.check_kind(document)
    config = selectors.configs().filter(namespace=namespace, name=name).first()
    head = config.head if config is not None else None
    changed = head is None or head.digest != document.digest
    trees = (
        selectors.trees_after(config.ref, document, number=head.number + 1)
        if changed and config is not None and head is not None
        else []
    )
    return {
        "changed": changed,
        "revision": head.number if head is not None else None,
        "diff": config_diff(head.document if head is not None else None, document.sparse),
        "no_canary": why_none_can(config) if config is not None else "",
        "trees": [plan_document(after.tree, as_it_ran=True) for after in trees[:MOST_TREES]],
    }
