"""The viewers that a benchmark lets look on: one that is sent away as silent comes again, and counts on."""

import asyncio

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosedError

from bench.programs import crowd
from bench.programs.crowd import SILENT, Viewer

SNAP = '{"op":"snap","t":"procs","cols":["key","since"]}'
FRAME = '{"t":"procs","e":"1","a":1,"b":2,"u":[]}'


async def look_on(code: int) -> Viewer:
    """At a page that closes the first connection with `code` after a frame, and goes away after another."""
    times = 0

    async def page(connection: ServerConnection) -> None:
        nonlocal times
        times += 1
        assert '"op": "sub"' in str(await connection.recv())
        await connection.send(SNAP)
        await connection.send(FRAME)
        assert await connection.recv() == '{"op":"ack","t":"procs","b":2}'
        await connection.close(code if times == 1 else 1000)

    async with serve(page, "127.0.0.1", 0) as server:
        [listening] = server.sockets
        viewer = Viewer(f"ws://127.0.0.1:{listening.getsockname()[1]}", "token", "everything", measures=True)
        await viewer.run()
    return viewer


def test_a_viewer_that_is_sent_away_as_silent_comes_again_and_counts_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(crowd, "AGAIN_WITHIN_S", 0.01)
    viewer = asyncio.run(look_on(SILENT))
    assert (viewer.again, viewer.frames, viewer.since_bit) == (1, 2, 1)
    assert viewer.taken > 2 * len(SNAP + FRAME)


def test_a_viewer_that_is_sent_away_for_another_cause_is_a_failure() -> None:
    with pytest.raises(ConnectionClosedError):
        asyncio.run(look_on(4403))
