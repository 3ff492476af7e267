"""Probes of stores, by the first words of their own protocols: whether a server takes connections. Nobody logs in."""

import asyncio
import contextlib
import struct
from collections.abc import Mapping
from typing import Any

_STARTUP = struct.pack("!I", 196608)
"""Version 3.0 of PostgreSQL's protocol."""
_NOT_YET = {b"57P03": "it starts or stops", b"53300": "it has too many connections"}
_MOST = 4096


async def postgres(section: Mapping[str, Any]) -> tuple[bool, str]:
    """As pg_isready asks: a start-up message. Asking for a password is an answer, and so is refusing an unknown user."""
    message = _STARTUP + b"user\0overstory_probe\0database\0postgres\0application_name\0overstory probe\0\0"
    reader, writer = await _connect(section, 5432)
    try:
        writer.write(struct.pack("!I", len(message) + 4) + message)
        await writer.drain()
        kind = await reader.readexactly(1)
        if kind != b"E":
            return (
                kind == b"R",
                "takes connections" if kind == b"R" else f"answers {kind!r}, which is not PostgreSQL",
            )
        text = await reader.read(_MOST)
        fields = {part[:1]: part[1:] for part in text[4:].split(b"\0") if part}
        why = _NOT_YET.get(fields.get(b"C", b""))
        return why is None, why or "takes connections"
    except asyncio.IncompleteReadError:
        return False, "closed the connection without an answer"
    finally:
        writer.close()


async def redis(section: Mapping[str, Any]) -> tuple[bool, str]:
    """PING; asking for a password is an answer, loading is none."""
    reader, writer = await _connect(section, 6379)
    try:
        writer.write(b"*1\r\n$4\r\nPING\r\n")
        await writer.drain()
        line = (await reader.readline()).decode("utf-8", "replace").strip()
    finally:
        writer.close()
    if line.startswith(("+PONG", "-NOAUTH", "-NOPERM")):
        return True, "answers"
    return False, line.removeprefix("-") or "closed the connection without an answer"


async def _connect(
    section: Mapping[str, Any], port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    path = section.get("socket")
    if isinstance(path, str):
        return await asyncio.open_unix_connection(path)
    host = section.get("host") or "127.0.0.1"
    with contextlib.suppress(TypeError, ValueError):
        port = int(section.get("port") or port)
    return await asyncio.open_connection(str(host), port)
