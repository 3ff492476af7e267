"""The WebSocket: carries a session's text, and looks again who it is, each minute and when rights may have changed."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer

from controlplane.access.policy import Principal
from controlplane.dashboard.live.identity import StoreAwayError, comes_from_here, principal_of_scope
from controlplane.dashboard.live.pacing import Line
from controlplane.dashboard.live.service import LIVE
from controlplane.dashboard.live.session import LOGIN_AGAIN, Close, Output, Session

RECHECK_S = 60.0
TOO_MANY = 4429
TRY_LATER = 1013


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels is not typed
    """One connection. It uses no channel of the layer: rows and wake-ups come from this process's hub, so that a Redis
    that is away closes no page."""

    channel_layer_alias = "none"  # any name that CHANNEL_LAYERS lacks

    session: Session | None = None
    admitted: int | None = None
    resyncs = 0
    """Those of the session that were counted."""
    line: Line | None = None
    tasks: "tuple[asyncio.Task[None], ...]" = ()

    async def __call__(
        self,
        scope: dict[str, Any],  # Any, here and below: ASGI's scope and messages
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """Message by message. Channels' own makes two tasks of each, for a layer that we do not listen to, and sends it
        through a thread that closes connections of the database: half of what an acknowledgement cost. Who asks the
        database here closes its own (identity.py)."""
        self.scope, self.base_send = scope, send
        with contextlib.suppress(StopConsumer):
            while True:
                message = await receive()
                await getattr(self, message["type"].replace(".", "_"))(message)

    async def connect(self) -> None:
        if not comes_from_here(self.scope):
            await self.close()  # before accept: the handshake answers 403
            return
        try:
            principal = await principal_of_scope(self.scope)
        except StoreAwayError:
            await self._refuse(TRY_LATER)
            return
        if principal is None:
            await self._refuse(LOGIN_AGAIN)
            return
        if not LIVE.admit(principal.user_id):
            await self._refuse(TOO_MANY)
            return
        self.admitted = principal.user_id
        LIVE.traffic.clients += 1
        await self.accept()
        await LIVE.loaded()
        self.recheck = asyncio.Event()
        self.session = Session(LIVE.hub, principal, now=LIVE.hub.clock.boot())
        await self._put(self.session.open())
        self.line = Line(self.session)
        LIVE.pacer.lines.add(self.line)
        LIVE.pacer.soon()
        LIVE.rechecks.add(self.recheck.set)
        self.tasks = (
            asyncio.create_task(self._tell(self.line)),
            asyncio.create_task(self._recheck(self.session)),
        )

    async def _refuse(self, code: int) -> None:
        """A code only reaches a browser on a connection that was accepted."""
        await self.accept()
        await self.close(code)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.session is None:
            return
        await self._put(self.session.receive(text_data or "", now=LIVE.hub.clock.boot()))
        if self.session.wants_turn:
            LIVE.pacer.soon()

    async def disconnect(self, code: int) -> None:
        if self.line is not None:
            LIVE.pacer.lines.discard(self.line)
            LIVE.rechecks.discard(self.recheck.set)
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)  # sending to who is gone fails, as may be
        if self.admitted is not None:
            LIVE.release(self.admitted)
            LIVE.traffic.clients -= 1
            self.admitted = None

    # -- telling -----------------------------------------------------------------------------------------------------

    async def _tell(self, line: Line) -> None:
        """Until cancelled: what is due, as fast as it can be carried."""
        while True:
            await self._put(await line.take())
            if line.is_free():
                LIVE.pacer.soon()

    async def _recheck(self, session: Session) -> None:
        while not session.closed:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.recheck.wait(), RECHECK_S)
            self.recheck.clear()
            try:
                principal: Principal | None = await principal_of_scope(self.scope)
            except StoreAwayError:
                continue  # nobody can be asked; what is shown grows old and is marked so
            await self._put(session.authorise(principal))
            LIVE.pacer.soon()

    async def _put(self, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, Close):
                await self.close(output.code)
                return
            await self.base_send({"type": "websocket.send", "text": output})
            LIVE.traffic.frames += 1
            LIVE.traffic.bytes += len(
                output
            )  # nearly all of it is ASCII: encoding it twice would be for nothing
        if self.session is not None and self.session.resyncs != self.resyncs:
            LIVE.traffic.resyncs += self.session.resyncs - self.resyncs
            self.resyncs = self.session.resyncs
