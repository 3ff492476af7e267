"""One template process: started with its imports, asked to fork, reaping what it is told to.

Guarantee: each order that `fork` took is answered, also when the process dies in the middle: a child that was forked says
so on the socket it inherited, so what is unanswered when the socket ends was never forked. The process is SIGKILLed by us or
ends with us; its children go on.
"""

import contextlib
import itertools
import os
import socket
from collections import deque
from typing import Any, Literal, Protocol

from supervision.runtime import agentdoc
from supervision.runtime.forking import TemplateKey
from supervision.runtime.launch import Launcher
from supervision.runtime.launch_spec import LaunchPlan, UserIds
from supervision.runtime.link import Link, Message
from supervision.runtime.loop import Loop, Timer
from supervision.runtime.template_order import Forked, ForkOrder, kill

PROGRAM = str(agentdoc.SDK / "overstory" / "_template.py")
IN_FLIGHT = 16
"""Forks asked for at a time: more would only wait in the socket, with their output files open."""
START_LIMIT_S = 60.0
"""Imports that take longer do not come to an end."""
FORK_LIMIT_S = 5.0
MARK_ROOM = 1024
"""Bytes of the environment that a child may write its marker over; keys are shorter."""
ARGUMENT_ROOM = 512

State = Literal["starting", "ready", "ended"]
Verdict = Literal["died", "failed", "unforkable", "ended"]


class TemplateOwner(Protocol):
    """Who uses it."""

    def ready(self, process: "TemplateProcess") -> None: ...

    def ended(self, process: "TemplateProcess", verdict: Verdict, why: str) -> None:
        """It is gone. `unforkable` and `failed` are its own words about what it was to import."""

    def over(self, process: "TemplateProcess") -> None:
        """It is dead, and nobody will say anything more on its socket."""

    def unanswered(self, orders: list[ForkOrder]) -> None:
        """These were never forked."""

    def hold(self, process: "TemplateProcess", order: ForkOrder) -> None:
        """Fork it as a spare, so that it waits until what it needs of us is done."""

    def helper_started(self, pid: int) -> None: ...

    def helper_ended(self, pid: int) -> None: ...


class TemplateProcess:
    """See the module's docstring."""

    def __init__(self, key: TemplateKey, user: UserIds | None, *, loop: Loop, owner: TemplateOwner) -> None:
        self.key, self.user, self.loop, self.owner = key, user, loop, owner
        self.state: State = "starting"
        self.pid = -1
        self.ready_at: float | None = None
        self.files: list[tuple[str, int]] = []
        """(path, time of change in ns) of what it imported by name."""
        self._verdict: Verdict = "died"
        self._why = ""
        self._pidfd = -1
        self._link: Link | None = None
        self._ids = itertools.count(1)
        self._waiting: deque[ForkOrder] = deque()
        self._sent: dict[int, ForkOrder] = {}
        self._answered: dict[int, ForkOrder] = {}
        """Forked, and perhaps about to say that it cannot go on; the last few."""
        self._limit: Timer | None = None

    # -- start and end ----------------------------------------------------------------------------------------------

    def start(self, launcher: Launcher, *, mark: str, output: str) -> None:
        """Start it; LaunchError when that cannot be."""
        ours, theirs = Link.pair()
        try:
            self.pid, self._pidfd = launcher.start(self._plan(mark, output, theirs.fileno()))
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._link = ours
        self.owner.helper_started(self.pid)
        self.loop.watch(self._pidfd, self._died)
        self.loop.watch(ours.fileno(), self.read)
        ours.send("preload", modules=list(self.key.modules))
        self._limit = self.loop.call_later(START_LIMIT_S, lambda: self._too_slow("imports took too long"))

    def _plan(self, mark: str, output: str, channel: int) -> LaunchPlan:
        environment = dict(self.key.environment)
        environment["OVERSTORY_MARK"] = mark.ljust(MARK_ROOM)
        return LaunchPlan(
            argv=[self.key.python, PROGRAM, " " * ARGUMENT_ROOM],
            environment=environment,
            cwd=self.key.cwd,
            stdout=output,
            stderr=output,
            executable=self.key.python,
            user=self.user,
            sockets=(("template", channel),),
        )

    def kill(self) -> None:
        """End it; `owner.ended` follows."""
        if self._pidfd >= 0:
            kill(self._pidfd)

    def retire(self) -> None:
        """End it because nobody needs it any more."""
        self._verdict = "ended"
        self.kill()

    def close(self) -> None:
        """End it and wait for that: it is the last that is done with it."""
        self.retire()
        if self._pidfd >= 0:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
            self._gone()
        self._end_link()

    def _died(self) -> None:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)
        self.read()  # its last words
        waiting = self._gone()
        self.owner.ended(self, self._verdict, self._why)
        self.owner.unanswered(waiting)
        if self._link is None:
            self.owner.over(self)

    def _gone(self) -> list[ForkOrder]:
        """It was reaped; the orders that it was not even asked for."""
        self.state = "ended"
        self._stop_limit()
        self.loop.unwatch(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        self.owner.helper_ended(self.pid)
        waiting, self._waiting = [order for order in self._waiting if not order.cancelled], deque()
        return waiting

    def _too_slow(self, why: str) -> None:
        self._verdict, self._why = "failed", why
        self.kill()

    def _stop_limit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    # -- orders -----------------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """An order given now is carried out now."""
        return self.state == "ready" and not self._waiting and len(self._sent) < IN_FLIGHT

    @property
    def orders(self) -> int:
        """Orders that are not answered yet."""
        return len(self._waiting) + len(self._sent)

    def fork(self, order: ForkOrder) -> None:
        """Fork it as soon as the template is ready and has time."""
        self._waiting.append(order)
        self._send_waiting()

    def cancel(self, order: ForkOrder) -> bool:
        """Whether it was not asked for yet, and now never will be."""
        if order not in self._waiting:
            return False
        order.cancelled = True
        return True

    def spare(self, channel: socket.socket) -> bool:
        """Fork a process that says its pid on `channel` and waits there; False when that was not asked for."""
        return self._link is not None and self._link.send(
            "spare", fds=(channel.fileno(),), id=next(self._ids)
        )

    def reap(self, pid: int) -> None:
        """How that child ended is on record. A template that is gone reaps nothing: the child is ours then."""
        if self._link is not None:
            self._link.send("reap", pid=pid)

    def _send_waiting(self) -> None:
        while self.state == "ready" and self._waiting and len(self._sent) < IN_FLIGHT:
            order = self._waiting.popleft()
            if order.needs_us:
                self.owner.hold(self, order)
            elif not order.cancelled and not self._send(order):
                return

    def _send(self, order: ForkOrder) -> bool:
        assert self._link is not None  # noqa: S101 it is ready
        try:
            output = order.open_output()
        except OSError as error:
            order.on_refused(str(error))
            return True
        number = next(self._ids)
        sent = self._link.send("fork", fds=output, id=number, start=order.start())
        for fd in output:
            os.close(fd)
        if not sent:  # it does not read: it is dying, or so slow that the limit below ends it
            self._waiting.appendleft(order)
            self._limit = self._limit or self.loop.call_later(
                FORK_LIMIT_S, lambda: self._too_slow("it hangs")
            )
            return False
        self._sent[number] = order
        if self._limit is None:
            self._limit = self.loop.call_later(FORK_LIMIT_S, lambda: self._too_slow("a fork took too long"))
        return True

    # -- answers ----------------------------------------------------------------------------------------------------

    def read(self) -> None:
        """Take in what it and its children have said."""
        if self._link is None:
            return
        messages = self._link.receive()
        for message in messages or ():
            self._take(message)
        if messages is None:
            self._end_link()
        else:
            self._send_waiting()

    def _take(self, message: Message) -> None:
        body: dict[str, Any] = message.body
        if message.op == "ready":
            self.state, self.files = "ready", [(str(path), int(at)) for path, at in body["files"]]
            self.ready_at = self.loop.clock.boot()
            self._stop_limit()
            self.owner.ready(self)
        elif message.op in ("failed", "unforkable"):
            self._verdict = "failed" if message.op == "failed" else "unforkable"
            self._why = str(body.get("why"))
        elif message.op == "forked":
            self._forked(body["id"], body["pid"])
        elif message.op == "not_forked":
            order = self._take_order(body["id"])
            if order is not None:
                order.on_refused(f"the template could not fork: {body.get('why')}")
        elif message.op == "not_started":
            self._forked(body["id"], None)
            broken = self._answered.pop(body["id"], None)
            if broken is not None:
                broken.on_broken(str(body.get("why")))

    def _forked(self, number: int, pid: int | None) -> None:
        """Said by the child, and by its parent."""
        if number not in self._sent or pid is None:
            return
        order = self._take_order(number)
        assert order is not None  # noqa: S101 it is there
        try:
            pidfd = os.pidfd_open(pid)
        except ProcessLookupError:  # died and reaped behind the template's back: it was not ours to see
            order.on_refused("the forked process is gone")
            return
        self._answered[number] = order
        while len(self._answered) > IN_FLIGHT:
            del self._answered[next(iter(self._answered))]
        order.on_forked(Forked(pid, pidfd, "template", self.pid if self._pidfd >= 0 else None))

    def _take_order(self, number: int) -> ForkOrder | None:
        order = self._sent.pop(number, None)
        if order is not None:
            self._stop_limit()
            if self._sent:
                self._limit = self.loop.call_later(
                    FORK_LIMIT_S, lambda: self._too_slow("a fork took too long")
                )
        return order

    def _end_link(self) -> None:
        """Nobody holds the other end any more: what was not forked will not be."""
        if self._link is None:
            return
        self.loop.unwatch(self._link.fileno())
        self._link.close()
        self._link = None
        unanswered, self._sent = list(self._sent.values()), {}
        if self._pidfd < 0:
            self.owner.unanswered(unanswered)
            self.owner.over(self)
        else:  # its death comes next, and what is to follow that is decided then
            self.state = "ended"
            self._waiting.extendleft(reversed(unanswered))
            self.kill()
