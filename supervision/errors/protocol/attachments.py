"""Files that come with an event: how they stand in the intake, within bounds and without secrets that can be read."""

import base64
import binascii
import codecs
import contextlib
from collections.abc import Container
from dataclasses import dataclass
from typing import Any

from supervision.errors.protocol.envelope import Item
from supervision.errors.scrubbing.options import NOTHING_OWN, Options
from supervision.errors.scrubbing.values import texts_of

MOST_BYTES = 1024 * 1024
"""Of all files of one request together."""
MOST_NAME, MOST_TYPE = 200, 100
TEXT_BYTES = 256 * 1024
"""A longer text is not looked through, and so not kept."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """One file."""

    name: str
    content_type: str
    data: bytes


def body_of(item: Item, scrubbing: Options = NOTHING_OWN) -> dict[str, Any] | None:
    """As it is committed. None for a text that is too long to be looked through for secrets."""
    data, scrubbed = item.payload, texts_of(scrubbing).text
    encoding, text = _text(data)
    if encoding:
        if len(data) > TEXT_BYTES:
            return None
        data = scrubbed(text).encode(encoding)
    name = str(item.header.get("filename") or "attachment").rpartition("/")[2]
    kind = str(item.header.get("content_type") or "application/octet-stream")
    return {
        "name": scrubbed(_printable(scrubbed(name), without='\\/"'))[:MOST_NAME] or "attachment",
        "content_type": scrubbed(_printable(scrubbed(kind)))[:MOST_TYPE],
        "data": base64.b64encode(data).decode(),
    }


def told_apart(name: str, taken: Container[str]) -> str:
    """The name, or where another file of its event has it one with a number: `(2) core.log`. The same for the same files."""
    number, made = 1, name
    while made in taken:
        number += 1
        made = f"({number}) {name}"[:MOST_NAME]
    return made


def read(body: dict[str, Any]) -> Attachment:
    """What `body_of` made. ValueError for anything else."""
    try:
        data = base64.b64decode(str(body["data"]), validate=True)
    except (KeyError, binascii.Error) as error:
        raise ValueError("no attachment") from error
    return Attachment(str(body.get("name")), str(body.get("content_type")), data)


def _text(data: bytes) -> tuple[str, str]:
    """Its encoding and what it says; no encoding where it is no text: with a byte of zero, unless it says that it is UTF-16.
    What is neither is read letter by letter, as old logs are written."""
    encodings: tuple[str, ...] = (
        ("utf-16",) if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else ()
    )
    if b"\0" not in data:
        encodings = ("utf-8", "latin-1")
    for encoding in encodings:
        with contextlib.suppress(UnicodeDecodeError):
            return encoding, data.decode(encoding)
    return "", ""


def _printable(text: str, *, without: str = "") -> str:
    return "".join(letter for letter in text if letter.isprintable() and letter not in without)
