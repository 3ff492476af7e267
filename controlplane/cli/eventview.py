"""Journal records as lines."""

from typing import Any

from controlplane.cli.people import who
from controlplane.cli.terminal import Terminal, Tone
from controlplane.cli.text import cut, cut_middle, pad, printable, width
from supervision.explain.narration import narrate
from supervision.explain.records import JournalRecord
from supervision.explain.words import clock_time

SUBJECT_COLUMNS = 22
TONES = {"good": None, "info": Tone.IDLE, "warning": Tone.WARN, "trouble": Tone.CRIT}


def event_line(record: JournalRecord, terminal: Terminal, *, now: float) -> str:
    """`14:03:22.123 shop/mail  ended: exit(3); restart 2 of 3 in 5s`; cut to the terminal's width, whole in a pipe."""
    line = narrate(record, who=who)
    at = clock_time(float(record["t"]), now=now, millis=True) if record.get("t") else "-"
    subject = printable(line.subject)
    text = printable(line.text)
    if terminal.tty:
        subject = cut_middle(subject, SUBJECT_COLUMNS)
        text = cut(text, max(20, terminal.columns - len(at) - max(SUBJECT_COLUMNS, width(subject)) - 3))
    return (
        f"{terminal.paint(at, Tone.IDLE)} {terminal.paint(pad(subject, SUBJECT_COLUMNS), Tone.STRONG)}  "
        f"{terminal.paint(text, TONES.get(line.severity))}"
    )


def show(record: JournalRecord, terminal: Terminal, *, now: float) -> None:
    """One record, as JSON lines have it or as people read it."""
    if terminal.json:
        terminal.record(_plain(record))
    else:
        terminal.line(event_line(record, terminal, now=now))


def _plain(record: JournalRecord) -> dict[str, Any]:
    return dict(record)
