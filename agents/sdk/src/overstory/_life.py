"""The life of one agent in this process: init, READY, run, terminate, with whatever of it is a coroutine in one loop."""

import contextlib
import inspect
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from . import notify

if TYPE_CHECKING:
    from .agent import Agent

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
CONFIG_FAILURE_LIMIT_S = 10.0
"""For the end of a plain agent whose handle_config raised: nobody else would end one that does not look at `stopping`."""


class Life:
    """Runs `agent` from its start to its end: `run` in a program's main thread, `run_async` in a loop that runs."""

    def __init__(self, agent: "Agent") -> None:
        self.agent = agent
        self._failure: BaseException | None = None
        self._limit: threading.Timer | None = None

    def run(self) -> int:
        """The exit status: 0, 1 after an exception, or what a SystemExit said."""
        agent = self.agent
        methods = (agent.init, agent.run, agent.handle_config, agent.terminate)
        if any(inspect.iscoroutinefunction(method) for method in methods):
            import asyncio  # a program without coroutines does without it

            return asyncio.run(self.run_async())
        with _plain_signals(agent.stop):
            self._guard(self._begin_plain)
            notify.stopping()
            self._guard(lambda: agent.terminate(self._reason()))
        if self._limit is not None:
            self._limit.cancel()
        return self._status()

    def _begin_plain(self) -> None:
        agent = self.agent
        agent.init(agent.context.arguments)
        if not agent.stopping:
            agent.listen(self._configure)
            notify.ready()
            agent.run()

    def _configure(self, work: Callable[[], Any], told: Callable[[BaseException | None], None]) -> None:
        """In the thread of pushes."""
        try:
            work()
        except Exception as error:  # noqa: BLE001  see _guard
            self._failed(error)
            told(error)
            self.agent.stop()
            self._limit = threading.Timer(CONFIG_FAILURE_LIMIT_S, os._exit, (1,))
            self._limit.daemon = True
            self._limit.start()
        else:
            told(None)

    def _guard(self, work: Callable[[], Any]) -> None:
        try:
            work()
        except (Exception, SystemExit) as error:  # noqa: BLE001  whatever it is, it is how this agent ended
            self._failed(error)

    # -- with coroutines --------------------------------------------------------------------------------------------

    async def run_async(self) -> int:
        """As `run`. The loop's own work goes on meanwhile; a heartbeat that is asked for comes from it."""
        import asyncio

        loop = asyncio.get_running_loop()
        agent = self.agent
        work = loop.create_task(self._begin_async(agent, lambda: stop()))

        limits: list[asyncio.TimerHandle] = []

        def stop() -> None:
            agent.stop()
            limits.append(loop.call_later(agent.grace_s, work.cancel))

        with _loop_signals(loop, stop):
            beating = loop.create_task(_beat(agent)) if agent.context.heartbeat_s else None
            try:
                await work
            except asyncio.CancelledError:
                if not agent.stopping:
                    raise
            except (Exception, SystemExit) as error:  # noqa: BLE001  see _guard
                self._failed(error)
            finally:
                for each in (beating, *limits):
                    if each is not None:
                        each.cancel()
            notify.stopping()
            try:
                await _called(agent.terminate(self._reason()))
            except (Exception, SystemExit) as error:  # noqa: BLE001  see _guard
                self._failed(error)
        return self._status()

    async def _begin_async(self, agent: "Agent", stop: Callable[[], None]) -> None:
        import asyncio

        loop = asyncio.get_running_loop()
        await _called(agent.init(agent.context.arguments))
        tasks: set[asyncio.Task[Any]] = set()

        async def configure(work: Callable[[], Any], told: Callable[[BaseException | None], None]) -> None:
            try:
                await _called(work())
            except Exception as error:  # noqa: BLE001  see _guard
                self._failed(error)
                told(error)
                stop()
            else:
                told(None)

        def soon(work: Callable[[], Any], told: Callable[[BaseException | None], None]) -> None:
            task = loop.create_task(configure(work, told))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        agent.listen(lambda work, told: loop.call_soon_threadsafe(soon, work, told))
        notify.ready()
        await _called(agent.run())

    # -- how it ended -----------------------------------------------------------------------------------------------

    def _failed(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
        if not isinstance(error, SystemExit):
            traceback.print_exception(error, file=sys.stderr)

    def _reason(self) -> str:
        if self._failure is not None and self._status():
            return f"exception({type(self._failure).__name__})"
        return "shutdown" if self.agent.stopping else "normal"

    def _status(self) -> int:
        if isinstance(self._failure, SystemExit):
            code = self._failure.code
            return code if isinstance(code, int) else int(code is not None)
        return int(self._failure is not None)


async def _called(result: Any) -> Any:
    """What a method gave, waited for if it was a coroutine."""
    return await result if inspect.isawaitable(result) else result


async def _beat(agent: "Agent") -> None:
    """Signs of life from the loop: one that is blocked gives none."""
    import asyncio

    while True:
        notify.alive()
        await asyncio.sleep((agent.context.heartbeat_s or 1.0) / 3)


@contextlib.contextmanager
def _plain_signals(stop: Callable[[], Any]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # no signal reaches us here: the program hears of them and calls agent.stop()
        return
    before = {number: signal.signal(number, lambda *_: stop()) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _loop_signals(loop: Any, stop: Callable[[], Any]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in STOP_SIGNALS:
            loop.remove_signal_handler(number)
