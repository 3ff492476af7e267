"""Strays as a table."""

from collections.abc import Mapping, Sequence
from typing import Any

from controlplane.cli.terminal import Terminal, Tone
from controlplane.cli.text import cut, pad, printable
from supervision.explain.words import count, duration


def coverage_line(strays: Sequence[Mapping[str, Any]], processes: int | None) -> str:
    """How many of the processes that descend from us belong to a child; "" where that is not known."""
    if not processes:
        return ""
    covered = max(0, processes - len(strays))
    share = f"{100 * covered / processes:.1f} %"
    return f"Coverage {share}: {covered} of {count(processes, 'process', 'processes')} belong to a child."


def stray_lines(strays: Sequence[Mapping[str, Any]], terminal: Terminal) -> list[str]:
    """One line a process: pid, how long it is known, its command line."""
    if not strays:
        return ["No stray: every process belongs to a child."]
    lines = [terminal.paint(f"{pad('PID', 8, right=True)} {pad('SEEN', 7, right=True)} COMMAND", Tone.IDLE)]
    for stray in strays:
        command = stray.get("command")
        words = " ".join(map(str, command)) if isinstance(command, list) else str(command or "?")
        seen = stray.get("seen_s")
        since = duration(float(seen)) if isinstance(seen, int | float) else "-"
        row = f"{pad(str(stray.get('pid', '?')), 8, right=True)} {pad(since, 7, right=True)} "
        lines.append(row + cut(printable(words), max(20, terminal.columns - len(row))))
    return lines
