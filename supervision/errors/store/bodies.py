"""How JSON stands in a column: compressed, and bounded when it is read back."""

import zlib
from typing import Any

import orjson

MOST_BYTES = 16 * 1024 * 1024


def packed(value: Any) -> bytes:
    """Any: cleaned JSON."""
    return zlib.compress(orjson.dumps(value), 3)


def unpacked(data: bytes | memoryview) -> Any:
    """ValueError for what is no such column. Any: what JSON can say."""
    reader = zlib.decompressobj()
    try:
        text = reader.decompress(bytes(data), MOST_BYTES)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not reader.eof:
        raise ValueError("larger than it may be, or cut off")
    return orjson.loads(text)
