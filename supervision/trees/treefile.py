"""Tree files: YAML or JSON text to a tree, every fault with its line; and a tree to YAML that people can go on with."""

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from supervision.exceptions import SupervisionError
from supervision.runtime.treedoc import DocumentErrors, TreeDocument, parse_tree
from supervision.trees.jsontext import read_json
from supervision.trees.textdocument import Builder, Fault, Place, TextDocument, TextError
from supervision.trees.yamltext import plain_value, read_yaml

MAX_BYTES = 4 * 1024 * 1024
STDIN = "-"

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufeff\ufffe\uffff]")
_ESCAPED = re.compile("[\n\r\t\x85\u2028\u2029\ufeff]")
"""Characters that end or begin something in YAML when they are not escaped."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of a file. line and column from 1, or 0 when the file as a whole is meant; pointer may be empty."""

    file: str
    line: int
    column: int
    pointer: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}: {self.pointer}: {self.message}" if self.pointer else f"{where}: {self.message}"


class TreeFileErrors(SupervisionError):  # noqa: N818 it holds errors
    """The file is not a valid tree; `problems` holds every fault, in the order of the lines."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = tuple(
            sorted(problems, key=lambda each: (each.line, each.column))
        )
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class TreeFile:
    """A file that was read, and whose notation is right; whether it is a tree, `parse` says.

    base   directory at which the relative paths in it begin
    """

    name: str
    base: str
    text: TextDocument

    def parse(self) -> TreeDocument:
        """The tree. Raises TreeFileErrors."""
        try:
            return parse_tree(self.text.value, base=self.base)
        except DocumentErrors as errors:
            found = [self.problem(error.pointer, error.message) for error in errors.errors]
            raise TreeFileErrors(found) from errors

    def problem(self, pointer: str, message: str) -> Problem:
        """A fault at a place in the document (also one the node found), with its line."""
        place = self.text.locate(pointer)
        return Problem(self.name, place.line, place.column, pointer, message)


def load_tree(path: str | Path) -> TreeDocument:
    """The tree in a file (`-`: standard input). Raises TreeFileErrors."""
    return read_tree_file(path).parse()


def read_tree_file(path: str | Path) -> TreeFile:
    """Read a file, YAML or JSON by its name and else by its first character. Raises TreeFileErrors."""
    name = "standard input" if str(path) == STDIN else str(path)
    try:
        if str(path) == STDIN:
            content = sys.stdin.buffer.read(MAX_BYTES + 1)
            base = str(Path.cwd())
        else:
            with Path(path).open("rb") as file:
                content = file.read(MAX_BYTES + 1)
            base = str(Path(path).absolute().parent)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = os.strerror(error.errno or 0) if isinstance(error, OSError) else str(error)
        raise TreeFileErrors([Problem(name, 0, 0, "", f"cannot be read: {reason}")]) from error
    return read_tree_text(content, name=name, base=base)


def read_tree_text(content: bytes | str, *, name: str, base: str) -> TreeFile:
    """The same for text that is already here. `name` is what messages call it; `base` is absolute."""
    try:
        text = _decode(content)
        return TreeFile(name, base, _read(text, name))
    except _Faults as faults:
        raise TreeFileErrors(
            Problem(name, each.place.line, each.place.column, "", each.message) for each in faults.faults
        ) from None
    except TextError as error:
        fault = error.fault
        raise TreeFileErrors(
            [Problem(name, fault.place.line, fault.place.column, "", fault.message)]
        ) from error


class _Faults(Exception):  # noqa: N818 it carries faults to the place that knows the file's name
    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__()
        self.faults = faults


def _read(text: str, name: str) -> TextDocument:
    if name.endswith(".json"):
        return _read_with(read_json, text)
    if name.endswith((".yaml", ".yml")) or re.match(r'\s*\{\s*["}]', text) is None:
        return _read_with(read_yaml, text)
    try:  # it begins as JSON does, and as YAML may
        return _read_with(read_json, text)
    except _Faults:
        with contextlib.suppress(_Faults):
            return _read_with(read_yaml, text)
        raise


def _read_with(reader: Callable[[str, Builder], TextDocument], text: str) -> TextDocument:
    builder = Builder()
    try:
        document = reader(text, builder)
    except TextError as error:
        raise _Faults([*builder.faults, error.fault]) from error
    if builder.faults:
        raise _Faults(builder.faults)
    return document


def _decode(content: bytes | str) -> str:
    if isinstance(content, str):
        content = content.encode(errors="surrogatepass")
    if len(content) > MAX_BYTES:
        raise TextError(Place(1, 1), f"larger than {MAX_BYTES // 2**20} MiB")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise TextError(Place(1, 1), "UTF-16: a tree file is UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(errors="replace")
        raise TextError(_place(before, len(before)), "not UTF-8") from error
    control = _CONTROL.search(text)
    if control is not None:
        place = _place(text, control.start())
        raise TextError(
            place, f"a control character, U+{ord(control[0]):04X}; write it as an escape in quotes"
        )
    if not text.strip():
        raise TextError(Place(1, 1), "the file is empty")
    return text


def _place(text: str, index: int) -> Place:
    return Place(text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index))


class _Dumper(yaml.SafeDumper):
    """Block style, lists of plain values on one line, quotes wherever our reader or YAML 1.1 would not see text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, indentless=False)

    def represent_text(self, text: str) -> yaml.ScalarNode:
        style = "'" if plain_value(text) is not text else None
        if _ESCAPED.search(text):
            style = '"'
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    def represent_items(self, items: list[Any]) -> yaml.SequenceNode:
        flow = not any(isinstance(item, dict | list) for item in items)
        return self.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=flow)


_Dumper.add_representer(str, _Dumper.represent_text)
_Dumper.add_representer(list, _Dumper.represent_items)


def export_yaml(tree: TreeDocument) -> str:
    """A tree file that parses to the same tree, without what equals its default, with units."""
    return yaml_text(tree.for_people)


def yaml_text(document: dict[str, Any]) -> str:
    """JSON values as YAML that our own reader reads back as the same; the same text each time."""
    return yaml.dump(
        document,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=110,
        default_flow_style=False,
    )
