"""Reads the traceback that a Python program left in its output before it died: an error without any SDK.

Source of the forms: CPython's `traceback` module, 3.8 to 3.14: chains of causes, exception groups with their margins,
markers below a line (`~~~^^^`), repeated lines that were folded, errors of syntax. Of several in a text the last is read.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from supervision.errors.event import Frame, Raised

MOST_TEXT = 64 * 1024
MOST_FRAMES = 250
MOST_RAISED = 50
MOST_MESSAGE = 8192

_HEAD = re.compile(r"^(?:(?:  \+ )?Exception Group )?Traceback \(most recent call last\):$")
_GROUP_HEAD = "  + Exception Group Traceback (most recent call last):"
_FILE = re.compile(
    r'^  File "(?P<path>[^"]{0,4096})", line (?P<line>\d{1,9})(?:, in (?P<function>.{1,512}))?$'
)
_REPEATED = re.compile(r"^  \[Previous line repeated \d+ more times?\]$")
_MARKERS = re.compile(r"^\s*[~^]+\s*$")
_LINK = {
    "The above exception was the direct cause of the following exception:": "__cause__",
    "During handling of the above exception, another exception occurred:": "__context__",
}
_TYPE = re.compile(r"^(?P<type>[A-Za-z_][\w.]{0,255})(?::\s?(?P<value>.*))?$", re.DOTALL)
_MEMBER = re.compile(r"^\+-[+-]-+ (?:\d+|\.\.\.) -+$")
_END = re.compile(r"^\+-{4,}$")


@dataclass(slots=True)
class _Block:
    """One exception as it was written: its calls, its last lines, and the members of a group."""

    frames: list[Frame] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    members: list[list["_Block"]] = field(default_factory=list)


def read_traceback(text: str) -> tuple[Raised, ...]:
    """The last traceback of the text, oldest cause first; empty where there is none."""
    lines = [line.rstrip("\r") for line in text[-MOST_TEXT:].split("\n")]
    start = _start(lines)
    if start is None:
        return ()
    chain = _chain(_without_margins(lines[start:]))
    return _numbered(chain)


def _start(lines: Sequence[str]) -> int | None:
    """Where the last chain begins: a head that no link leads to."""
    heads = [index for index, line in enumerate(lines) if _HEAD.match(line)]
    if not heads:
        return None
    start = heads[-1]
    while True:
        linked = [index for index in range(max(0, start - 3), start) if lines[index].strip() in _LINK]
        before = [head for head in heads if head < start]
        if not linked or not before:
            return start
        start = before[-1]


def _without_margins(lines: Sequence[str]) -> list[str]:
    """The outermost group's lines as if they stood at the margin: its own plain, its members' behind `| `."""
    made: list[str] = []
    inside = False
    for line in lines:
        if line == _GROUP_HEAD:
            inside = True
            made.append(line[4:])
        elif not inside:
            made.append(line)
        elif line.startswith(("  | ", "    ")):
            made.append(line[4:])
        elif line.startswith("  +-") or line == "  |":
            made.append(line[2:] if line != "  |" else "")
        else:
            inside = False
            made.append(line)
    return made


def _chain(lines: Sequence[str], *, headless: bool = False) -> list[_Block]:
    """Blocks parted by links, oldest first. `headless`: a member of a group that was never raised has no calls."""
    blocks: list[_Block] = []
    current: list[str] = []
    for line in lines:
        if line.strip() in _LINK:
            blocks.append(_block(current, headless=headless))
            current = []
        else:
            current.append(line)
    blocks.append(_block(current, headless=headless))
    return [block for block in blocks if block.said or block.frames][-MOST_RAISED:]


def _block(lines: Sequence[str], *, headless: bool) -> _Block:
    block = _Block()
    at = next((index for index, line in enumerate(lines) if _HEAD.match(line)), None)
    if at is None:
        if headless:
            _say(block, lines)
        return block
    at += 1
    while at < len(lines):
        line = lines[at]
        found = _FILE.match(line)
        if found is not None:
            source = lines[at + 1] if at + 1 < len(lines) and lines[at + 1].startswith("    ") else ""
            block.frames.append(_frame(found, source, len(block.frames)))
            at += 2 if source else 1
        elif line.startswith("    ") or _REPEATED.match(line) or _MARKERS.match(line):
            at += 1  # markers, and further lines of the same call
        else:
            break
    _say(block, lines[at:])
    return block


def _frame(found: re.Match[str], source: str, number: int) -> Frame:
    path = found["path"]
    return Frame(
        module="",
        function=found["function"] or "<module>",
        path=path,
        line=int(found["line"]),
        context_line=source.strip()[:512],
        in_app=None,
        number=number,
    )


def _say(block: _Block, lines: Sequence[str]) -> None:
    """Type and message, to the first line that cannot belong to them; and a group's members."""
    for index, line in enumerate(lines):
        if _MEMBER.match(line):
            block.members = _members(lines[index:])
            return
        if not line.strip() and index:
            return
        if block.said and _HEAD.match(line):
            return
        block.said.append(line)


def _members(lines: Sequence[str]) -> list[list[_Block]]:
    """Each member's chain. `+-+` opens the first of a group: one that is not ours belongs to a group inside a member."""
    parts: list[list[str]] = []
    for line in lines:
        if _MEMBER.match(line) and (not parts or not line.startswith("+-+")):
            parts.append([])
        elif _END.match(line) or not parts:
            break
        elif line.startswith(("| ", "  ")):
            parts[-1].append(line[2:])
        elif line.startswith("+-+"):
            parts[-1].append(line)
        elif line == "|":
            parts[-1].append("")
        else:
            break
    made = [_chain(part, headless=True) for part in parts[:MOST_RAISED]]
    return [chain for chain in made if chain]


def _numbered(chain: Sequence[_Block]) -> tuple[Raised, ...]:
    """With the ids that the protocol gives: the one that was raised last is 0, causes and members name it as parent."""
    made: list[Raised] = []
    count = 0

    def add(blocks: Sequence[_Block], parent: int | None, source: str) -> None:
        nonlocal count
        *causes, last = blocks
        own, count = count, count + 1
        at = len(made)
        made.append(_raised(last, own, parent, source))
        if causes:
            add(causes, own, "__cause__")
        for number, member in enumerate(last.members):
            if count < MOST_RAISED:
                add(member, own, f"exceptions[{number}]")
        if not last.members and not causes:
            return
        made[at:] = [*made[at + 1 :], made[at]]  # who is raised last stands last

    if chain:
        add(chain, None, "")
    return tuple(made)


def _raised(block: _Block, own: int, parent: int | None, source: str) -> Raised:
    text = "\n".join(block.said)[:MOST_MESSAGE]
    found = _TYPE.match(text)
    full = found["type"] if found is not None else "Error"
    module, _, name = full.rpartition(".")
    return Raised(
        type=name,
        value=(found["value"] or "") if found is not None else text,
        module=module,
        frames=tuple(block.frames[-MOST_FRAMES:]),
        handled=False,
        mechanism="output",
        id=own,
        parent=parent,
        source=source,
        is_group=bool(block.members),
    )
