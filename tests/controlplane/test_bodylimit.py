"""A body that is too long is answered before it is read whole."""

import asyncio
import json
from typing import Any

import pytest

from controlplane.bodylimit import BodyLimit


def send(
    *chunks: bytes, said: int | None = None, kind: str = "http", started: bool = False
) -> tuple[list[Any], int]:
    """What was answered, and how many bytes the application had read."""
    read = 0
    answered: list[Any] = []
    waiting = list(chunks)

    async def application(scope: Any, receive: Any, send: Any) -> None:
        nonlocal read
        if started:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        more = True
        while more:
            message = await receive()
            read += len(message["body"])
            more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Any:
        return {"type": "http.request", "body": waiting.pop(0), "more_body": bool(waiting)}

    async def answer(message: Any) -> None:
        answered.append(message)

    headers = [] if said is None else [(b"content-length", str(said).encode())]
    limited = BodyLimit(application, max_bytes=10)
    asyncio.run(limited({"type": kind, "headers": headers}, receive, answer))
    return answered, read


def test_what_fits_passes() -> None:
    answered, read = send(b"12345", b"67890", said=10)
    assert (answered[0]["status"], read) == (200, 10)


def test_what_says_that_it_is_too_long_is_not_read_at_all() -> None:
    answered, read = send(b"x" * 11, said=11)
    assert (answered[0]["status"], read) == (413, 0)
    assert json.loads(answered[1]["body"])["type"] == "/problems/too-large"


@pytest.mark.parametrize("said", [None, 5])
def test_what_lies_about_its_length_is_stopped_when_it_is_over(said: int | None) -> None:
    answered, read = send(b"123456", b"789012", b"never read", said=said)
    assert (answered[0]["status"], read) == (413, 6)


def test_an_answer_that_has_begun_is_not_begun_again() -> None:
    answered, _read = send(b"x" * 11, started=True)
    assert [message["status"] for message in answered] == [200]


def test_sockets_have_limits_of_their_own() -> None:
    answered, read = send(b"x" * 20, kind="websocket")
    assert (answered[0]["status"], read) == (200, 20)
