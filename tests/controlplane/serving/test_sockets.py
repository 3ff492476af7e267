"""A real uvicorn and real WebSocket clients: what is packed once arrives whole at everybody."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from controlplane.serving import sockets

pytestmark = pytest.mark.asyncio

TEXTS = [json.dumps({"number": number, "rows": list(range(2000))}) for number in range(3)] + ["short", ""]


async def tell(scope: Any, receive: Any, send: Any) -> None:
    """Says TEXTS to who connects, then says back what it hears."""
    await receive()
    await send({"type": "websocket.accept"})
    for text in TEXTS:
        await send({"type": "websocket.send", "text": text})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


class Counted(sockets.Packed):
    """Knows how often each message was packed."""

    def __init__(self) -> None:
        super().__init__()
        self.times: dict[bytes, int] = {}

    def pack(self, data: bytes) -> bytes:
        self.times[data] = self.times.get(data, 0) + 1
        return super().pack(data)


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> Counted:
    counted = Counted()
    monkeypatch.setattr(sockets, "PACKED", counted)
    return counted


@contextlib.asynccontextmanager
async def served() -> AsyncIterator[str]:
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(tell, ws=sockets.SharingProtocol, lifespan="off", log_level="error")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve([listening]))
    try:
        yield f"ws://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


async def heard(connection: ClientConnection, number: int) -> list[str]:
    return [str(await asyncio.wait_for(connection.recv(), 30)) for _ in range(number)]


def extensions(connection: ClientConnection) -> str:
    """What was agreed on."""
    assert connection.response is not None
    return connection.response.headers.get("Sec-WebSocket-Extensions", "")


async def test_one_packing_serves_every_connection(packed: Counted) -> None:
    async with served() as url, connect(url) as one, connect(url) as two:
        for connection in (one, two):
            assert "server_no_context_takeover" in extensions(connection)
            assert await heard(connection, len(TEXTS)) == TEXTS
            await connection.send("x" * 5000)
            assert await heard(connection, 1) == ["x" * 5000]
    assert packed.times == {text.encode(): 1 for text in (*TEXTS[:3], "x" * 5000)}, "and nothing short"


async def test_a_client_that_packs_nothing_or_has_a_small_window_understands_us_too() -> None:
    async with served() as url:
        async with connect(url, compression=None) as plain:
            assert extensions(plain) == ""
            assert await heard(plain, len(TEXTS)) == TEXTS
        small = ClientPerMessageDeflateFactory(server_max_window_bits=9)
        async with connect(url, compression=None, extensions=[small]) as narrow:
            assert await heard(narrow, len(TEXTS)) == TEXTS
