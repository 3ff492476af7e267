"""Captured output on a terminal or in a pipe: which children, in which order, with which prefix.

Reads files, so it works with the node dead. In a pipe a line is what the program wrote; on a terminal it may still colour
its text, but not move the cursor, clear the screen or rename the window.
"""

import heapq
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from controlplane.cli.command import Invocation
from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.keys import covers, is_pattern, not_found
from controlplane.cli.terminal import Terminal, Tone
from controlplane.cli.text import pad, printable, width
from supervision.explain.words import clock_time, iso_time
from supervision.runtime.client import ControlError
from supervision.runtime.output import OutputLine
from supervision.runtime.output_files import STREAMS, StreamName

COLOURS = ("36", "35", "34", "33", "32", "96", "95", "94")
"""One for each child, by turns, when several are shown together."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_]|.)?", re.DOTALL)
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")


class Output(Protocol):
    """Where output is read: files on this host, or a control plane."""

    def keys(self, key: str = "") -> list[str]: ...

    def read(
        self,
        key: str,
        *,
        since: float | None = None,
        lines: int | None = None,
        streams: Iterable[StreamName] = STREAMS,
        incarnation: int | None = None,
    ) -> Iterator[OutputLine]: ...

    def follow(
        self, key: str, *, lines: int = 10, streams: Iterable[StreamName] = STREAMS
    ) -> Iterator[list[OutputLine]]: ...


@dataclass(frozen=True, slots=True)
class Selection:
    """What of the output is wanted."""

    words: tuple[str, ...]
    streams: tuple[StreamName, ...] = STREAMS
    since: float | None = None
    incarnation: int | None = None
    lines: int | None = None

    def takes(self, line: OutputLine) -> bool:
        """True for a line that the reader was not asked to leave out, but should be."""
        return (
            any(covers(word, line.key) for word in self.words)
            and line.stream in self.streams
            and self.incarnation in (None, line.incarnation)
            and (self.since is None or line.time >= self.since)
        )


def select_keys(invocation: Invocation, store: Output, words: Iterable[str]) -> list[str]:
    """Children with output that `words` mean. Empty when they exist and have written nothing.

    CliError (not found) where neither files nor node know a word.
    """
    written = store.keys()
    keys = [key for key in written if any(covers(word, key) for word in words)]
    for word in words:
        if any(covers(word, key) for key in written):
            continue
        known = _known_to_node(invocation)
        if known is None:
            message = f"{word}: nothing was captured here, and no node answers that could know it"
            raise CliError(message, exit_code=ExitCode.NOT_FOUND)
        if not any(covers(word, key) for key in known):
            raise not_found(word, sorted({*known, *written}))
    return keys


def _known_to_node(invocation: Invocation) -> list[str] | None:
    try:
        return [member.key for member in invocation.observe().walk()]
    except ControlError:
        return None


def past(store: Output, keys: list[str], selection: Selection) -> Iterator[OutputLine]:
    """What was written, by time; the last `selection.lines` of all of it."""
    found = heapq.merge(
        *(
            store.read(
                key,
                since=selection.since,
                lines=selection.lines,
                streams=selection.streams,
                incarnation=selection.incarnation,
            )
            for key in keys
        ),
        key=lambda line: line.time,
    )
    wanted = (line for line in found if selection.takes(line))
    return (
        wanted
        if selection.lines is None
        else iter(list(wanted)[-selection.lines :] if selection.lines else [])
    )


def following(store: Output, keys: list[str], selection: Selection) -> Iterator[list[OutputLine]]:
    """The last lines, then what comes, in batches, for ever."""
    top = common(selection.words)
    lines = 10 if selection.lines is None else selection.lines
    first = True
    for batch in store.follow(top, lines=lines * max(1, len(store.keys(top))), streams=selection.streams):
        wanted = [line for line in batch if selection.takes(line)]
        if first:
            wanted = wanted[-lines:] if lines else []
            first = False
        yield wanted


def common(words: Iterable[str]) -> str:
    """The key above everything that `words` mean; CliError where they share no tree."""
    paths = []
    for word in words:
        parts = word.split("/")
        literal = next((n for n, part in enumerate(parts) if is_pattern(part)), len(parts))
        # `shop/web/api` may mean its instances, which lie beside a child of that name.
        paths.append(
            parts[: literal if literal < len(parts) or "@" in word or len(parts) == 1 else literal - 1]
        )
    shared: list[str] = []
    for level in zip(*paths, strict=False):
        if len(set(level)) > 1:
            break
        shared.append(level[0])
    if not shared:
        raise CliError("follow children of one tree at a time", exit_code=ExitCode.USAGE)
    return "/".join(shared)


class LogPrinter:
    """Prints lines, each with what tells it apart: key, time, and a mark where another life began."""

    def __init__(self, terminal: Terminal, *, keys: list[str], times: bool, now: float) -> None:
        self._terminal = terminal
        self._times = times
        self._now = now
        self._several = len(keys) > 1
        self._columns = min(32, max((width(key) for key in keys), default=0))
        self._colours: dict[str, str] = {}
        self._lives: dict[str, int] = {}

    def show(self, line: OutputLine) -> None:
        terminal = self._terminal
        if terminal.json:
            terminal.record(
                {
                    "time": iso_time(line.time),
                    "key": line.key,
                    "incarnation": line.incarnation,
                    "stream": line.stream,
                    "text": line.text,
                }
            )
            return
        lead = self._lead(line)
        if terminal.tty and self._lives.get(line.key, line.incarnation) != line.incarnation:
            terminal.line(lead + terminal.paint(f"--- incarnation {line.incarnation} ---", Tone.IDLE))
        self._lives[line.key] = line.incarnation
        terminal.line(lead + (_for_terminal(line.text) if terminal.tty else line.text))

    def several(self, keys: Iterable[str]) -> None:
        """More children than were known at first."""
        self._several = self._several or len(set(keys) | set(self._lives)) > 1

    def _lead(self, line: OutputLine) -> str:
        lead = ""
        if self._times:
            lead += self._terminal.paint(clock_time(line.time, now=self._now, millis=True), Tone.IDLE) + " "
        if self._several:
            self._columns = max(self._columns, min(32, width(line.key)))
            lead += self._painted(line.key) + " "
        return lead

    def _painted(self, key: str) -> str:
        text = pad(printable(key), self._columns) + " |"
        if not self._terminal.color:
            return text
        colour = self._colours.setdefault(key, COLOURS[len(self._colours) % len(COLOURS)])
        return f"\x1b[{colour}m{text}\x1b[0m"


def _for_terminal(text: str) -> str:
    """Colours stay, everything else that a terminal would obey goes."""
    if text.isprintable():
        return text
    coloured = False

    def keep(match: re.Match[str]) -> str:
        nonlocal coloured
        if _COLOUR.fullmatch(match[0]):
            coloured = True
            return match[0]
        return ""

    kept = "".join(
        part if part.startswith("\x1b") else printable(part, keep="\t")
        for part in re.split(f"({_COLOUR.pattern})", _ESCAPES.sub(keep, text))
    )
    return kept + ("\x1b[0m" if coloured else "")
