"""The WebSocket: carries a session's text, and asks it again when a table changed, a deadline came, or rights may have."""

import asyncio
import contextlib

from channels.generic.websocket import AsyncWebsocketConsumer

from controlplane.access.policy import Principal
from controlplane.dashboard.live.identity import StoreAwayError, comes_from_here, principal_of_scope
from controlplane.dashboard.live.service import LIVE
from controlplane.dashboard.live.session import LOGIN_AGAIN, Close, Output, Session

RECHECK_S = 60.0
TOO_MANY = 4429
TRY_LATER = 1013
CALM_S = 0.01
"""Between two looks at the tables: changes that come together are sent together."""


class LiveConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]  # channels is not typed
    """One connection. It uses no channel of the layer: rows and wake-ups come from this process's hub, so that a Redis
    that is away closes no page."""

    channel_layer_alias = "none"  # any name that CHANNEL_LAYERS lacks

    session: Session | None = None
    admitted: int | None = None
    resyncs = 0
    """Those of the session that were counted."""
    task: "asyncio.Task[None] | None" = None

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
        self.wake = asyncio.Event()
        self.recheck = asyncio.Event()
        self.session = Session(LIVE.hub, principal, now=LIVE.hub.clock.boot())
        await self._put(self.session.open())
        LIVE.hub.listen(self.wake.set)
        LIVE.rechecks.add(self._recheck_now)
        self.task = asyncio.create_task(self._tell(self.session))

    async def _refuse(self, code: int) -> None:
        """A code only reaches a browser on a connection that was accepted."""
        await self.accept()
        await self.close(code)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.session is None:
            return
        await self._put(self.session.receive(text_data or "", now=LIVE.hub.clock.boot()))
        self.wake.set()

    async def disconnect(self, code: int) -> None:
        if self.task is not None:
            LIVE.hub.unlisten(self.wake.set)
            LIVE.rechecks.discard(self._recheck_now)
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)  # sending to who is gone fails, as may be
        if self.admitted is not None:
            LIVE.release(self.admitted)
            LIVE.traffic.clients -= 1
            self.admitted = None

    # -- telling -----------------------------------------------------------------------------------------------------

    async def _tell(self, session: Session) -> None:
        """Until cancelled: what is due, when it is due."""
        clock = LIVE.hub.clock
        check_at = clock.boot() + RECHECK_S
        while not session.closed:
            self.wake.clear()
            if self.recheck.is_set() or clock.boot() >= check_at:
                self.recheck.clear()
                await self._authorise(session)
                check_at = clock.boot() + RECHECK_S
            outputs, when = session.due(now=clock.boot())
            await self._put(outputs)
            wait_s = min(when, check_at) - clock.boot()
            if wait_s > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.wake.wait(), wait_s)
                await asyncio.sleep(CALM_S)

    async def _authorise(self, session: Session) -> None:
        try:
            principal: Principal | None = await principal_of_scope(self.scope)
        except StoreAwayError:
            return  # nobody can be asked; what is shown grows old and is marked so
        await self._put(session.authorise(principal))

    def _recheck_now(self) -> None:
        self.recheck.set()
        self.wake.set()

    async def _put(self, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, Close):
                await self.close(output.code)
                return
            await self.send(text_data=output)
            LIVE.traffic.frames += 1
            LIVE.traffic.bytes += len(
                output
            )  # nearly all of it is ASCII: encoding it twice would be for nothing
        if self.session is not None and self.session.resyncs != self.resyncs:
            LIVE.traffic.resyncs += self.session.resyncs - self.resyncs
            self.resyncs = self.session.resyncs
