"""A tree's document on its way in: read, planned, applied. Shared by the editor, a new tree and the roll-back."""

from typing import Any

import yaml

from controlplane.api.planning import plan_document
from supervision.runtime.treedoc import TreeDocument
from supervision.trees import selectors
from supervision.trees.documents import read_text
from supervision.trees.exceptions import (
    IllegalTransitionError,
    InvalidDocumentError,
    NotFoundError,
    StaleVersionError,
    TreesError,
)
from supervision.trees.models import Tree

TONES = {"error": "crit", "warning": "warn", "note": "idle"}
"""Of what a preflight found, by its severity."""
MAX_DOCUMENT = 4 * 1024 * 1024
SHOWN_STEPS = 500

Errors = list[dict[str, Any]]


class RefusedError(Exception):
    """The document was not taken; `errors` as templates show them, `status` as HTTP has it."""

    def __init__(self, errors: Errors, status: int = 400) -> None:
        super().__init__(errors[0]["detail"] if errors else "")
        self.errors = errors
        self.status = status


def read(text: str, *, name: str | None) -> TreeDocument:
    """The document of tree `name` (None: any). Raises RefusedError."""
    if len(text) > MAX_DOCUMENT:
        raise RefusedError([{"detail": "The document has more than 4 MiB."}])
    try:
        document = read_text(text)
    except InvalidDocumentError as error:
        raise refused(error) from error
    if name is not None and document.name != name:
        detail = f"this page is about the tree {name}, and the document declares {document.name}"
        raise RefusedError([{"pointer": "/tree", "detail": detail, "line": None}])
    return document


def refused(error: TreesError) -> RefusedError:
    """What the rows' services refuse, for a person."""
    if isinstance(error, InvalidDocumentError):
        faults = [
            {"pointer": fault.pointer, "detail": fault.detail, "line": fault.line} for fault in error.faults
        ]
        return RefusedError(faults)
    if isinstance(error, StaleVersionError):
        detail = (
            "The tree was changed meanwhile, so nothing was done. Look at its history, then decide again."
        )
        return RefusedError([{"detail": detail}], 412)
    if isinstance(error, NotFoundError):
        return RefusedError([{"detail": str(error)}], 404)
    return RefusedError([{"detail": str(error)}], 409 if isinstance(error, IllegalTransitionError) else 400)


def plan(document: TreeDocument, *, as_it_ran: bool = False) -> dict[str, Any]:
    """`plan` (steps, summary) and `preflight` of the templates: what applying it does on each node that has it.

    Raises RefusedError.
    """
    try:
        made = plan_document(document, as_it_ran=as_it_ran)
    except TreesError as error:
        raise refused(error) from error
    steps: list[dict[str, Any]] = []
    findings: list[dict[str, Any]] = []
    several = len(made["nodes"]) > 1
    for node in made["nodes"]:
        where = f" on {node['node_name']}" if several else ""
        steps += [
            {"do": step["do"], "key": step["key"], "why": f"{step['why'] or ''}{where}".strip()}
            for step in node["steps"]
            if step["do"] != "keep"
        ]
        findings += [
            {
                "key": finding.get("key", ""),
                "detail": f"{_words(finding)}{where}",
                "tone": TONES.get(finding.get("severity", ""), "warn"),
            }
            for finding in node.get("findings", [])
        ]
        if node["preflight"] != "done" and node["node"] is not None:
            findings.append({"key": "", "detail": f"No preflight{where}: {node['preflight']}"})
    return {"plan": {"steps": steps[:SHOWN_STEPS], "summary": _summary(steps)}, "preflight": findings}


def _words(finding: dict[str, Any]) -> str:
    return str(finding.get("message") or finding.get("detail") or finding)


def _summary(steps: list[dict[str, Any]]) -> str:
    counts: dict[str, int] = {}
    for step in steps:
        counts[step["do"]] = counts.get(step["do"], 0) + 1
    if not counts:
        return "nothing changes"
    return ", ".join(f"{number} to {verb}" for verb, number in sorted(counts.items()))


def diff_lines(older: dict[str, Any] | None, newer: dict[str, Any] | None) -> list[dict[str, str]]:
    """A unified diff as templates show it: `sign` (+, -, @ or space) and `text`."""
    lines = selectors.diff(older, newer).splitlines()
    return [{"sign": line[:1] or " ", "text": line} for line in lines if not line.startswith(("---", "+++"))]


def child_yaml(document: dict[str, Any], key: str) -> str:
    """What the document declares for `key`, as YAML; the whole of it for a root, empty for what it does not declare."""
    whole = yaml.safe_load(selectors.yaml_of(document))
    found: Any = whole
    for name in key.split("/")[1:]:
        children = (found.get("supervisor") or {}).get("children") or []
        declared = name.partition("@")[0]
        found = next((child for child in children if child.get("id") in (name, declared)), None)
        if found is None:
            return ""
    return str(yaml.safe_dump(found, sort_keys=False, allow_unicode=True, width=110))


def version_of(etag: str) -> int | None:
    """The version that a form was made from; None when it names none."""
    text = etag.strip().strip('"')
    return int(text) if text.isdecimal() and len(text) < 19 else None


def tree_or_none(name: str) -> Tree | None:
    return selectors.trees().filter(name=name).first()
