"""The checkers helper: runs probes with deadlines, so that the node never waits for anything.

One event loop and no thread for each probe, so a probe that hangs costs a socket or a process and delays no other. Only
names that need a resolver use threads. At most MAX_EXEC processes run at a time; a probe that waits for its turn past its
deadline says so. Whatever an exec probe leaves behind is killed: it runs in a session of its own, and this process is a
subreaper, so even a double-forked rest comes up here.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from supervision.runtime.helper_channel import HelperChannel
from supervision.runtime.identity import read_stat
from supervision.runtime.link import Message
from supervision.runtime.linux import become_subreaper, raise_nofile
from supervision.runtime.probes import DETAIL_CHARS, Leaders, NotAProbeError, Outcome, Surroundings, run_probe
from supervision.runtime.processes import direct_children

MAX_EXEC = 128
MAX_CONNECTIONS = 2000
RESOLVERS = 64
DEADLINE_S = 5.0
"""Of a probe that names none."""
SWEEP_AGAIN_S = 0.05


class Checkers:
    """Probes under way, by the id that the node gave them."""

    def __init__(self, channel: HelperChannel) -> None:
        self._channel = channel
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._leaders = Leaders()
        self._exec = asyncio.Semaphore(MAX_EXEC)
        self._connections = asyncio.Semaphore(MAX_CONNECTIONS)
        self._sweeping = False

    async def serve(self) -> None:
        """Until the channel closes; nothing that a probe started is left then."""
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(RESOLVERS))
        closed = asyncio.Event()
        loop.add_reader(self._channel.fileno(), lambda: self._readable(closed))
        await closed.wait()
        loop.remove_reader(self._channel.fileno())
        loop.remove_writer(self._channel.fileno())
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._sweep()

    def _readable(self, closed: asyncio.Event) -> None:
        messages = self._channel.receive()
        if messages is None:
            closed.set()
            return
        for message in messages:
            self._hear(message)

    def _hear(self, message: Message) -> None:
        probe_id = message.body.get("id")
        if type(probe_id) is not int:
            return
        if message.op == "cancel":
            task = self._tasks.pop(probe_id, None)
            if task is not None:
                task.cancel()
        elif message.op == "probe" and probe_id not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._answer(probe_id, message.body))
            self._tasks[probe_id] = task
            task.add_done_callback(lambda done: self._done(probe_id, done))

    def _done(self, probe_id: int, task: "asyncio.Task[None]") -> None:
        if self._tasks.get(probe_id) is task:
            del self._tasks[probe_id]
        if not task.cancelled():
            task.result()  # a bug of ours: the loop's handler ends the helper, the node starts another

    async def _answer(self, probe_id: int, body: Mapping[str, Any]) -> None:
        deadline_s = body.get("deadline_s")
        if not isinstance(deadline_s, int | float) or deadline_s <= 0:
            deadline_s = DEADLINE_S
        outcome = await self._within(float(deadline_s), body)
        detail = outcome.detail[:DETAIL_CHARS]
        if not self._channel.send("result", id=probe_id, ok=outcome.ok, detail=detail):
            asyncio.get_running_loop().add_writer(self._channel.fileno(), self._flush)

    def _flush(self) -> None:
        """The node takes messages again."""
        if self._channel.flush():
            asyncio.get_running_loop().remove_writer(self._channel.fileno())

    async def _within(self, deadline_s: float, body: Mapping[str, Any]) -> Outcome:
        probe = body.get("probe")
        if not isinstance(probe, Mapping):
            return Outcome(ok=False, detail="not a probe")
        turn = self._exec if "exec" in probe else self._connections
        has_turn = False
        try:
            async with asyncio.timeout(deadline_s), turn:
                has_turn = True
                return await run_probe(probe, _surroundings(body), self._leaders)
        except TimeoutError:
            why = "no answer" if has_turn else "no turn among too many probes"
            return Outcome(ok=False, detail=f"{why} within {deadline_s:g} s")
        except NotAProbeError as error:
            return Outcome(ok=False, detail=f"not a probe: {error}")
        finally:
            if "exec" in probe:
                self._sweep()

    def _sweep(self) -> None:
        """Kill and reap children of ours that no running probe owns; again soon while some are left."""
        left = 0
        for pid in direct_children(os.getpid()):
            if pid in self._leaders:
                continue
            stat = read_stat(pid)
            if stat is None or stat.session in self._leaders:
                continue
            if not stat.is_zombie:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                left += os.waitpid(pid, os.WNOHANG)[0] == 0
        if left and not self._sweeping:
            self._sweeping = True
            asyncio.get_running_loop().call_later(  # audit: ignore[SUP110] it ends with the loop
                SWEEP_AGAIN_S, self._sweep_again
            )

    def _sweep_again(self) -> None:
        self._sweeping = False
        self._sweep()


def _surroundings(body: Mapping[str, Any]) -> Surroundings:
    environment, user = body.get("environment"), body.get("user")
    if not isinstance(environment, Mapping):
        environment = {}
    if not isinstance(user, Mapping):
        user = {}
    return Surroundings(
        environment={str(name): str(value) for name, value in environment.items()},
        cwd=body.get("cwd"),
        uid=user.get("uid"),
        gid=user.get("gid"),
        groups=tuple(user.get("groups", ())),
    )


async def _serve(channel: HelperChannel) -> None:
    broken: list[BaseException] = []

    def die(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        loop.default_exception_handler(context)
        error = context.get("exception")
        if error is not None:
            broken.append(error)
            serving.cancel()

    asyncio.get_running_loop().set_exception_handler(die)
    serving = asyncio.ensure_future(Checkers(channel).serve())
    try:
        await serving
    finally:
        # Not through the resolver threads: one may hang in a name server for a minute.
        os._exit(1 if broken else 0)


def main(argv: list[str]) -> int:
    """`checkers`, the channel on descriptor 3; returns when the channel closes."""
    del argv
    channel = HelperChannel.inherited()
    become_subreaper()
    raise_nofile()
    asyncio.run(_serve(channel))
    return 0
