"""A bound on request bodies, before anything reads them: Django under ASGI writes a body to disk whole, however long it
is."""

import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]

MAX_BODY = 5 << 20
"""A tree document of 4 MiB fits with its headers; nothing here takes more."""


class BodyTooLargeError(Exception):
    """Stops the application in the middle of reading."""


class BodyLimit:
    """ASGI application around another: answers 413 to a body over `max_bytes`, by its length where that is said, else when
    that much has arrived."""

    def __init__(self, application: Application, *, max_bytes: int = MAX_BODY) -> None:
        self.application = application
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        if self._said(scope) > self.max_bytes:
            await _refuse(send, self.max_bytes)
            return
        taken, started = 0, False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self.max_bytes:
                raise BodyTooLargeError
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.application(scope, counted, noted)
        except BodyTooLargeError:
            if not started:
                await _refuse(send, self.max_bytes)

    @staticmethod
    def _said(scope: Scope) -> int:
        for name, value in scope.get("headers", ()):
            if name == b"content-length" and value.isdigit():
                return int(value)
        return 0


async def _refuse(send: Send, max_bytes: int) -> None:
    body = json.dumps(
        {
            "type": "/problems/too-large",
            "title": "The body is too large",
            "status": 413,
            "detail": f"The body has more than {max_bytes} bytes.",
        }
    ).encode()
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
