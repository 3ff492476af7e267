"""A text as it was before it was written into an address, a page, JSON or a terminal: secrets hide in there too."""

import html
import re
from urllib.parse import unquote

MOST_LAYERS = 4
_PERCENT = re.compile(r"%[2-7][0-9A-Fa-f]")
_ENTITY = re.compile(r"&(?:#\d{2,4}|#[xX][0-9A-Fa-f]{2,4}|quot|apos|amp|lt|gt|colon|equals);")
_ESCAPE = re.compile(r"(?<!\\)\\{1,16}+(?:u00([0-7][0-9A-Fa-f])|x([2-7][0-9A-Fa-f]))")
_TERMINAL = re.compile(r"(?:\x1b|(?<!\\)\\{1,16}+(?:x1b|u001b|033|e))\[[\d;]{0,16}[A-Za-z]")


def layer(text: str) -> str:
    """What it says below one layer; the text itself where nothing is encoded."""
    inner = _TERMINAL.sub("", text) if "[" in text and ("\x1b" in text or "\\" in text) else text
    inner = unquote(inner) if "%" in inner and _PERCENT.search(inner) else inner
    inner = html.unescape(inner) if "&" in inner and _ENTITY.search(inner) else inner
    return _ESCAPE.sub(_letter, inner) if "\\x" in inner or "\\u" in inner else inner


def _letter(match: re.Match[str]) -> str:
    return chr(int(match[1] or match[2], 16))
