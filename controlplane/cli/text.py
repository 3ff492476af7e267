"""Text on a terminal: how wide it is, cutting and padding it, and keeping it from commanding the terminal."""

import unicodedata


def printable(text: str, *, keep: str = "") -> str:
    """`text` without anything a terminal would obey: control characters become `?`, except those in `keep`.

    Names, status and command lines come from programs; an escape sequence in one must not repaint the operator's screen.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else " " if c in "\t\n\r" else "?" for c in text)


def width(text: str) -> int:
    """Columns that `text` takes on a terminal: wide East Asian characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def cut(text: str, columns: int, *, mark: str = "…") -> str:
    """`text` in at most `columns`, its end replaced by `mark` where it is too long."""
    if width(text) <= columns:
        return text
    if columns <= len(mark):
        return mark[:columns]
    kept = ""
    room = columns - len(mark)
    for c in text:
        room -= width(c)
        if room < 0:
            break
        kept += c
    return kept + mark


def cut_middle(text: str, columns: int, *, mark: str = "…") -> str:
    """As `cut`, but the end stays: instance numbers stand there."""
    if width(text) <= columns or columns < 5 or not text.isascii():
        return cut(text, columns, mark=mark)
    tail = min(len(text), max(2, columns // 3))
    return text[: columns - tail - len(mark)] + mark + text[-tail:]


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """`text` filled with blanks to `columns`."""
    blanks = " " * max(0, columns - width(text))
    return blanks + text if right else text + blanks
