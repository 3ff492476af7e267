"""One spare: a forked process that waits, its event loop running, for the agent it is to become.

Its socket is its own: the node says on it what to become, and its end tells that nobody waits at the other. So a spare
outlives its template, and ends with the node.
"""

import contextlib
import os
import socket
from typing import Any, Protocol

from supervision.runtime.link import Link
from supervision.runtime.loop import Loop
from supervision.runtime.template_order import Forked, ForkOrder, kill


class SpareOwner(Protocol):
    """Whose spare it is."""

    def spare_waits(self, spare: "Spare") -> None: ...

    def spare_lost(self, spare: "Spare") -> None:
        """It was never forked, or it died before it became anything; it is reaped."""

    def spare_over(self, spare: "Spare") -> None:
        """It has nothing more to say."""

    def helper_started(self, pid: int, *, direct: bool = True) -> None: ...

    def helper_ended(self, pid: int, *, direct: bool = True) -> None: ...

    def reap(self, template: int, pid: int) -> None: ...


class Spare:
    """See the module's docstring. `template` is its parent's pid, None once that is dead and the spare our own child."""

    def __init__(
        self, template: int, *, loop: Loop, owner: SpareOwner, order: ForkOrder | None = None
    ) -> None:
        self.template: int | None = template
        self.order = order
        """What it is forked for, when it is not to wait."""
        self.pid, self._pidfd = -1, -1
        self._loop, self._owner = loop, owner
        self._link: Link | None = None

    def channel(self) -> socket.socket:
        """The end that the process gets; the caller closes it."""
        self._link, theirs = Link.pair()
        self._loop.watch(self._link.fileno(), self.read)
        return theirs

    def read(self) -> None:
        """Take in what it has said."""
        if self._link is None:
            return
        messages = self._link.receive()
        for message in messages or ():
            body: dict[str, Any] = message.body
            if message.op == "spare" and self.pid < 0:
                self._waits(body["pid"])
            elif message.op == "not_started" and self.order is not None:
                self.order.on_broken(str(body.get("why")))
        if messages is None:
            self._end_link()
            if self.pid < 0:
                self._owner.spare_lost(self)

    def _waits(self, pid: int) -> None:
        try:
            self._pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            return  # the end of the socket follows
        self.pid = pid
        self._owner.helper_started(pid, direct=self.template is None)
        self._loop.watch(self._pidfd, self._died)
        self._owner.spare_waits(self)

    def become(self, order: ForkOrder) -> bool:
        """Make it the agent of `order`, or find that it cannot be: then the order is refused. False when it is dead."""
        if self._link is None or self.pid < 0:
            return False
        try:
            order.prepare(self.pid)
            output = order.open_output()
        except (OSError, ValueError) as error:
            self.end()
            order.on_refused(str(error))
            return True
        sent = self._link.send("start", fds=output, start=order.start())
        for fd in output:
            os.close(fd)
        if not sent:
            return False
        self.order = order
        self._loop.unwatch(self._pidfd)
        self._owner.helper_ended(self.pid, direct=self.template is None)
        pidfd, self._pidfd = self._pidfd, -1
        order.on_forked(Forked(self.pid, pidfd, "spare", self.template))
        return True

    def orphaned(self) -> None:
        """Its template is dead: it is our child now."""
        if self._pidfd >= 0:
            self._owner.helper_ended(self.pid, direct=False)
            self._owner.helper_started(self.pid)
        self.template = None

    def end(self) -> None:
        """Nobody needs it; `spare_lost` follows."""
        if self._pidfd >= 0:
            kill(self._pidfd)
        else:
            self._end_link()

    def close(self) -> None:
        """End it and, if it is our own child, wait for that: it is the last that is done with it."""
        if self._pidfd >= 0:
            kill(self._pidfd)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
            self._forget()
        self._end_link()

    def _died(self) -> None:
        if self.template is None:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, 0)
        else:
            self._owner.reap(self.template, self.pid)
        self._forget()
        self._end_link()
        self._owner.spare_lost(self)

    def _forget(self) -> None:
        self._loop.unwatch(self._pidfd)
        os.close(self._pidfd)
        self._pidfd = -1
        self._owner.helper_ended(self.pid, direct=self.template is None)

    def _end_link(self) -> None:
        if self._link is not None:
            self._loop.unwatch(self._link.fileno())
            self._link.close()
            self._link = None
            self._owner.spare_over(self)
