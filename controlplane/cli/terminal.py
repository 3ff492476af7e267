"""Where a command writes: colours only on a terminal, shapes only where the encoding has them, JSON when asked.

Healthy is quiet: colour grows with severity, and no state is told by colour alone (the word and the shape say it too).
"""

import json
import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TextIO

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class Tone(StrEnum):
    """What a piece of text means; the terminal decides how that looks."""

    OK = "32"
    BUSY = "34"
    WARN = "33"
    CRIT = "31;1"
    IDLE = "2"
    STRONG = "1"


SHAPES: dict[str, tuple[str, str, Tone]] = {
    "running": ("●", "*", Tone.OK),
    "starting": ("◐", "~", Tone.BUSY),
    "stopping": ("◑", "~", Tone.BUSY),
    "waiting": ("◌", ".", Tone.BUSY),
    "backoff": ("▲", "^", Tone.WARN),
    "failed": ("■", "#", Tone.CRIT),
    "lost": ("▪", "?", Tone.CRIT),
    "stopped": ("○", "o", Tone.IDLE),
    "completed": ("✓", "+", Tone.IDLE),
    "held": ("‖", "=", Tone.WARN),
}
"""State: shape, shape in ASCII, tone. The ten states of a child; supervisors use the same words."""


@dataclass(slots=True)
class Terminal:
    """One command's output. `interactive` means that a person looks at `out` and can answer."""

    out: TextIO
    err: TextIO
    color: bool = False
    unicode: bool = True
    interactive: bool = False
    json: bool = False
    fixed_width: int | None = None

    @classmethod
    def of(
        cls,
        out: TextIO,
        err: TextIO,
        *,
        environment: Mapping[str, str] | None = None,
        as_json: bool = False,
        no_color: bool = False,
        force_color: bool = False,
    ) -> "Terminal":
        """Look at the streams and at NO_COLOR, TERM and COLUMNS (no-color.org: any value but the empty one means none)."""
        env = os.environ if environment is None else environment
        tty = _isatty(out)
        wanted = tty and not env.get("NO_COLOR") and env.get("TERM") != "dumb" and not no_color
        encoding = (getattr(out, "encoding", None) or "utf-8").lower().replace("-", "")
        columns = env.get("COLUMNS", "")
        return cls(
            out,
            err,
            color=(wanted or force_color) and not as_json,
            unicode=encoding.startswith("utf"),
            interactive=tty and _isatty(sys.stdin),
            json=as_json,
            fixed_width=int(columns) if columns.isdigit() and int(columns) > 0 else None,
        )

    @property
    def tty(self) -> bool:
        return _isatty(self.out)

    @property
    def columns(self) -> int:
        """Columns to write in: the terminal's, 80 where there is none, never under 40."""
        if self.fixed_width is not None:
            return max(40, self.fixed_width)
        return max(40, self._measure().columns) if self.tty else 80

    @property
    def rows(self) -> int:
        return self._measure().lines if self.tty else 24

    def _measure(self) -> os.terminal_size:
        try:
            return os.get_terminal_size(self.out.fileno())
        except (OSError, ValueError):
            return shutil.get_terminal_size((80, 24))

    def paint(self, text: str, tone: Tone | None) -> str:
        """`text` in the colour of `tone`, plain where colours are off."""
        if not self.color or tone is None or not text:
            return text
        return f"\x1b[{tone.value}m{text}\x1b[0m"

    def shape(self, state: str) -> str:
        """The mark of a state; a question mark for a word of a newer node."""
        fancy, plain, _tone = SHAPES.get(state, ("?", "?", Tone.CRIT))
        return fancy if self.unicode else plain

    @staticmethod
    def tone(state: str) -> Tone:
        return SHAPES[state][2] if state in SHAPES else Tone.CRIT

    @property
    def ellipsis(self) -> str:
        return "…" if self.unicode else "..."

    def line(self, text: str = "") -> None:
        """One line of the answer."""
        self.out.write(text + "\n")

    def note(self, text: str) -> None:
        """One line beside the answer (progress, advice): standard error, so that the answer stays clean in a pipe."""
        self.err.write(text + "\n")
        self.err.flush()

    def document(self, value: Any) -> None:
        """The answer as one JSON document."""
        json.dump(value, self.out, indent=2, ensure_ascii=not self.unicode)
        self.out.write("\n")

    def record(self, value: Any) -> None:
        """One of many JSON documents, one a line, sent at once so that a reader sees it as it happens."""
        json.dump(value, self.out, separators=(",", ":"), ensure_ascii=not self.unicode)
        self.out.write("\n")
        self.out.flush()


def strip(text: str) -> str:
    """`text` without colours."""
    return ESCAPE.sub("", text)


def _isatty(stream: object) -> bool:
    try:
        return bool(stream.isatty())  # type: ignore[attr-defined]  # any text stream, or a wrapper around one
    except (AttributeError, ValueError):
        return False
