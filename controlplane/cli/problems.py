"""Problems of a tree file, told as compilers tell theirs: file, line, column, severity, words."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from controlplane.cli.terminal import Terminal, Tone
from controlplane.cli.text import printable


@dataclass(frozen=True, slots=True)
class Trouble:
    """One problem. severity: `error` refuses an apply, `warning` does not. line, column: from 1; 0 for the whole file."""

    severity: str
    file: str
    line: int
    column: int
    pointer: str
    message: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def show(troubles: Iterable[Trouble], terminal: Terminal) -> None:
    """`tree.yaml:14:9: error: /supervisor/children/0: ...`, one a line, whole: editors and people jump to it."""
    for trouble in troubles:
        where = f"{trouble.file}:{trouble.line}:{trouble.column}" if trouble.line else trouble.file
        tone = Tone.CRIT if trouble.severity == "error" else Tone.WARN
        pointer = f"{trouble.pointer}: " if trouble.pointer else ""
        terminal.line(
            f"{printable(where)}: {terminal.paint(trouble.severity, tone)}: {printable(pointer + trouble.message)}"
        )


def carried_by(details: Mapping[str, Any]) -> list[Trouble]:
    """The problems that an error carries in its details."""
    return [Trouble(**one) for one in details.get("problems", [])]
