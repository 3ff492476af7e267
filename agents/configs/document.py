"""What an agent config says: fields of the tree file's `agent` section and of a child's restart policy, under one roof.

It is read by the same strict tables as a tree, so that whatever a config says could also stand in the tree that names it.
"""

import difflib
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from agents.exceptions import InvalidConfigError, TooLargeError
from supervision.runtime.fielddoc import DocumentErrors, Field, Report, Section, collect, held
from supervision.runtime.fieldtypes import NAME_TEXT
from supervision.runtime.kindfields import AGENT
from supervision.runtime.treefields import WORKER
from supervision.trees.exceptions import Fault
from supervision.trees.treefile import TreeFileErrors, read_tree_text, yaml_text

MAX_METADATA_BYTES = 16 * 1024
DEFAULT_KIND = "agent"
POLICY = ("restart", "shutdown", "backoff")
"""What a config says of the child beside its `agent` section."""
_NOT_IN_A_CONFIG = ("config", "revision", "namespace")


def _check(values: dict[str, Any], at: str, report: Report) -> None:
    given = [name for name in ("entry_point", "command") if name in values]
    if len(given) != 1:
        many = "both are given" if given else "none is given"
        report.add(at, f"exactly one of entry_point, command: {many}")
    if held(values, "start") == "template" and "command" in values:
        values["start"] = "exec"


CONFIG = Section(
    "agent config",
    (
        Field("kind", NAME_TEXT, DEFAULT_KIND, "Agent kind: its JSON Schema says what `arguments` may be."),
        *(each for each in AGENT.fields if each.name not in _NOT_IN_A_CONFIG),
        *(WORKER.by_name[name] for name in POLICY),
    ),
    checks=(_check,),
    elsewhere={
        "config": "this is one",
        "revision": "it stands in the tree that names the config",
        "namespace": "it is part of the config's name",
        "process": "an agent config has no sections: its fields stand here",
        "agent": "an agent config has no sections: its fields stand here",
    },
)


@dataclass(frozen=True, slots=True)
class ConfigDocument:
    """A valid config. `sparse`: what it says, without what equals its default; JSON, not to be changed."""

    sparse: dict[str, Any]

    @property
    def kind(self) -> str:
        return str(self.sparse.get("kind", DEFAULT_KIND))

    @property
    def arguments(self) -> dict[str, Any]:
        found: dict[str, Any] = self.sparse.get("arguments", {})
        return found

    @property
    def digest(self) -> str:
        """Hex SHA-256 of what it says."""
        canonical = json.dumps(self.sparse, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


def read_config(document: object) -> ConfigDocument:
    """A config from JSON values. Raises InvalidConfigError with every fault, TooLargeError for its metadata."""
    _refuse_large(document)
    try:
        normal = collect(lambda report: CONFIG.read(document, "", report))
    except DocumentErrors as errors:
        raise InvalidConfigError([Fault(each.pointer, each.message) for each in errors.errors]) from errors
    return ConfigDocument(CONFIG.sparse(normal))


def read_config_text(text: str | bytes) -> ConfigDocument:
    """A config from YAML or JSON text; faults have their lines. Raises InvalidConfigError, TooLargeError."""
    try:
        file = read_tree_text(text, name="config", base="/")
    except TreeFileErrors as errors:
        faults = [Fault(each.pointer, each.message, each.line, each.column) for each in errors.problems]
        raise InvalidConfigError(faults) from errors
    try:
        return read_config(file.text.value)
    except InvalidConfigError as error:
        placed = [(fault, file.text.locate(fault.pointer)) for fault in error.faults]
        raise InvalidConfigError(
            [Fault(fault.pointer, fault.detail, place.line, place.column) for fault, place in placed]
        ) from error


def check_names(**names: str) -> None:
    """That these may be names. Raises InvalidConfigError with the pointer of each that may not."""
    report = Report()
    for field, text in names.items():
        NAME_TEXT.read(text, f"/{field}", report)
    if report.errors:
        raise InvalidConfigError([Fault(each.pointer, each.message) for each in report.errors])


def _refuse_large(document: object) -> None:
    metadata = document.get("metadata") if isinstance(document, dict) else None
    if not isinstance(metadata, dict):
        return
    try:
        size = len(json.dumps(metadata, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    except (TypeError, ValueError, RecursionError):
        return  # not JSON: the tables say so, with the place
    if size > MAX_METADATA_BYTES:
        raise TooLargeError("/metadata", f"the metadata has {size} bytes: at most {MAX_METADATA_BYTES}")


def config_yaml(sparse: dict[str, Any]) -> str:
    """The config as a person edits it, units written out; the same text each time."""
    if not sparse:
        return ""
    normal = collect(lambda report: CONFIG.read(sparse, "", report))
    shown = CONFIG.sparse(normal, human=True)
    return yaml_text(shown)


def config_diff(older: dict[str, Any] | None, newer: dict[str, Any] | None) -> str:
    """A unified diff of two configs as text; empty when they say the same."""
    before, after = (config_yaml(each or {}).splitlines() for each in (older, newer))
    return "\n".join(difflib.unified_diff(before, after, "before", "after", lineterm="", n=4))
