"""The templates of a node and their spares: which process an agent comes out of.

    start(order) ──► a spare that waits            at once
                 ──► the template, when ready      a fork
                 ──► its next template             once that is ready
                 ──► refused, with the reason      exec'd by the driver, while a template cannot be had

One template for each TemplateKey. It is replaced when it died, and when the file of a module that it imports by name
changed (looked at for every start: a restarted agent runs what is on disk, as one that is exec'd would); its agents are not
touched by that. It ends when no child that is to run needs it. Everything here ends with the node; agents go on.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from supervision.runtime import template_policy as policy
from supervision.runtime.forking import TemplateKey
from supervision.runtime.launch import Launcher
from supervision.runtime.launch_errors import LaunchError
from supervision.runtime.launch_spec import UserIds
from supervision.runtime.loop import Loop, Timer
from supervision.runtime.template_order import ForkOrder
from supervision.runtime.template_process import TemplateProcess
from supervision.runtime.template_spare import Spare

REFILL_DELAY_S = 0.05
"""After the last start: spares are forked when nothing else is to be done."""
REAP_DELAY_S = 0.02
MARK_KEY = "~template"
"""Stands for a child's key in the marker of templates and spares; no tree can be called so."""


class TemplateTable(Protocol):
    """What the manager tells the table of processes."""

    def helper_started(self, pid: int, *, direct: bool = True) -> None: ...

    def helper_ended(self, pid: int, *, direct: bool = True) -> None: ...

    def template_ended(self, template: int) -> None: ...


@dataclass(slots=True, eq=False)
class Pool:
    """A template and its spares, over the lives of the process."""

    key: TemplateKey
    user: UserIds | None
    output: str
    owners: dict[str, int] = field(default_factory=dict)
    """Child's key -> the spares it asks for."""
    process: TemplateProcess | None = None
    waiting: list[Spare] = field(default_factory=list)
    forming: list[Spare] = field(default_factory=list)
    why_exec: str = ""
    not_before: float = 0.0
    failures: int = 0
    retry: Timer | None = None
    refill: Timer | None = None
    retired: bool = False

    def to_json(self) -> dict[str, Any]:
        process = self.process
        return {
            "modules": list(self.key.modules),
            "python": self.key.python,
            "user": None if self.user is None else self.user.name,
            "pid": None if process is None else process.pid,
            "state": "down" if process is None else process.state,
            "children": len(self.owners),
            "spares": len(self.waiting),
            "spares_wanted": policy.spares_wanted(self.owners),
            "why_exec": self.why_exec,
        }


class Templates:
    """See the module's docstring. One owner, the node's loop."""

    def __init__(
        self,
        *,
        loop: Loop,
        launcher: Launcher,
        table: TemplateTable,
        mark_prefix: str,
        directory: str,
        record: Callable[[dict[str, Any]], Any],
    ) -> None:
        self.loop, self.launcher, self.table = loop, launcher, table
        self.mark = f"{mark_prefix}{MARK_KEY}:0:template"
        self.directory, self.record = directory, record
        self.pools: dict[TemplateKey, Pool] = {}
        self._pool_of: dict[str, Pool] = {}
        self._processes: dict[int, TemplateProcess] = {}
        """By pid, those that live."""
        self._speaking: list[TemplateProcess] = []
        """Those, and the dead whose last children may still say something."""
        self._spares: set[Spare] = set()
        """Those with a socket: forming, waiting, or just become an agent."""
        self._to_reap: list[tuple[int, int]] = []
        self._outputs = 0
        self._closed = False
        if os.path.isdir(directory):  # a dead node's
            for name in os.listdir(directory):
                os.unlink(os.path.join(directory, name))

    # -- orders -----------------------------------------------------------------------------------------------------

    def start(self, order: ForkOrder) -> bool:
        """Answered through the order; True when it has been, or will be as soon as a fork takes."""
        pool = self._pool(order.key, order.user, order.owner, order.spares)
        self._replace_old(pool)
        if self._from_spare(pool, order):
            return True
        return self._from_template(pool, order)

    def _from_spare(self, pool: Pool, order: ForkOrder) -> bool:
        while pool.waiting:
            spare = pool.waiting.pop(0)
            if spare.become(order):
                self._refill_later(pool)
                return True
            spare.end()
        return False

    def _from_template(self, pool: Pool, order: ForkOrder) -> bool:
        if pool.process is None and (not pool.why_exec or self.loop.clock.boot() >= pool.not_before):
            self._start(pool)
        process = pool.process
        if process is None or pool.why_exec:  # nobody waits for one that may fail once more
            order.on_refused(pool.why_exec)
            return True
        at_once = process.idle
        process.fork(order)
        self._refill_later(pool)
        return at_once

    def hold(self, process: TemplateProcess, order: ForkOrder) -> None:
        pool = self._of(process)
        if pool is None:
            self.unanswered([order])
        else:
            self._ask_spare(pool, process, order)

    def cancel(self, order: ForkOrder) -> bool:
        """The order is not wanted any more: True when nothing was done for it, and nothing will be."""
        order.unwanted = True
        return any(process.cancel(order) for process in self._speaking)

    def drain(self) -> None:
        """Hear what templates and spares have said by now."""
        for spare in list(self._spares):
            spare.read()
        for process in list(self._speaking):
            process.read()

    def reap(self, template: int, pid: int) -> None:
        """How the child `pid` of a template ended is on record. The template hears of it behind the replacement's start."""
        if not self._to_reap:
            self.loop.call_later(REAP_DELAY_S, self._reap)
        self._to_reap.append((template, pid))

    def _reap(self) -> None:
        due, self._to_reap = self._to_reap, []
        for template, pid in due:
            process = self._processes.get(template)
            if process is not None:
                process.reap(pid)

    # -- pools ------------------------------------------------------------------------------------------------------

    def need(self, key: TemplateKey, user: UserIds | None, owner: str, spares: int) -> None:
        """A child that lives is to be forked when it starts again: have a template, and its spares, by then."""
        pool = self._pool(key, user, owner, spares)
        if pool.process is None and not pool.why_exec:
            self._start(pool)
        self._refill_later(pool)

    def _pool(self, key: TemplateKey, user: UserIds | None, owner: str, spares: int) -> Pool:
        pool = self.pools.get(key)
        if pool is None:
            self._outputs += 1
            pool = Pool(key, user, os.path.join(self.directory, f"{self._outputs}.log"))
            self.pools[key] = pool
        known = self._pool_of.get(owner)
        if known is not pool:
            if known is not None:  # its configuration changed
                self.forget(owner)
            self._pool_of[owner] = pool
        pool.owners[owner] = spares
        return pool

    def forget(self, owner: str) -> None:
        """The child is gone, or is not to run: what only it needed ends."""
        pool = self._pool_of.pop(owner, None)
        if pool is None:
            return
        pool.owners.pop(owner, None)
        if not pool.owners:
            self._retire(pool)
        else:
            self._refill_later(pool)

    def keep_only(self, wanted: Callable[[str], bool]) -> None:
        """Forget every child that is not to run; call it from time to time."""
        for owner in [owner for owner in self._pool_of if not wanted(owner)]:
            self.forget(owner)

    def _retire(self, pool: Pool) -> None:
        pool.retired = True
        for timer in (pool.retry, pool.refill):
            if timer is not None:
                timer.cancel()
        self.pools.pop(pool.key, None)
        self._end_process(pool)
        if os.path.exists(pool.output):
            os.unlink(pool.output)

    def _end_process(self, pool: Pool) -> None:
        """Its template and the spares of it, which its successor does not take over."""
        process, pool.process = pool.process, None
        spares = [*pool.waiting, *pool.forming]
        pool.waiting.clear()
        pool.forming.clear()
        for spare in spares:
            spare.end()
        if process is not None:
            process.retire()
        self.unanswered([spare.order for spare in spares if spare.order is not None])

    def _replace_old(self, pool: Pool) -> None:
        process = pool.process
        changed = next((path for path, at in process.files if _mtime(path) != at), None) if process else None
        if changed is not None:
            self._say(pool, "replaced", f"{changed} changed")
            self._end_process(pool)
            pool.why_exec, pool.failures = "", 0

    def why_exec(self, python: str, modules: tuple[str, ...]) -> str:
        """Why agents with these modules are exec'd for now; empty when they are forked, or nobody has tried yet."""
        reasons = (
            pool.why_exec
            for pool in self.pools.values()
            if pool.process is None and (pool.key.python, pool.key.modules) == (python, modules)
        )
        return next((why for why in reasons if why), "")

    # -- the template's process -------------------------------------------------------------------------------------

    def _start(self, pool: Pool) -> None:
        if pool.retry is not None:
            pool.retry.cancel()
            pool.retry = None
        process = TemplateProcess(pool.key, pool.user, loop=self.loop, owner=self)
        try:
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            process.start(self.launcher, mark=self.mark, output=pool.output)
        except (LaunchError, OSError, ValueError) as error:
            self._failed(pool, policy.after_end("failed", str(error), lived_s=None, failures=pool.failures))
            return
        self._processes[process.pid] = process
        self._speaking.append(process)
        pool.process = process
        # On record, so that its end is never taken for a child's.
        self.record({"what": "helper", "role": "template", "pid": process.pid})

    def ready(self, process: TemplateProcess) -> None:
        pool = self._of(process)
        if pool is not None:
            pool.why_exec = ""
            self._refill_later(pool)

    def ended(self, process: TemplateProcess, verdict: policy.Verdict, why: str) -> None:
        self.table.template_ended(process.pid)
        self._processes.pop(process.pid, None)
        for spare in list(self._spares):
            if spare.template == process.pid:
                spare.orphaned()
        own = self._of(process)
        if own is None:
            return
        own.process = None
        lived = None if process.ready_at is None else self.loop.clock.boot() - process.ready_at
        self._failed(own, policy.after_end(verdict, why, lived_s=lived, failures=own.failures))

    def _failed(self, pool: Pool, after: policy.After) -> None:
        pool.failures, pool.why_exec = after.failures, after.why_exec
        pool.not_before = self.loop.clock.boot() + after.not_before_s
        self._say(pool, "ended", after.why_exec)
        if after.again_after_s is not None:
            pool.retry = self.loop.call_later(after.again_after_s, lambda: self._again(pool))

    def _again(self, pool: Pool) -> None:
        pool.retry = None
        if pool.process is None and pool.owners and not pool.retired:
            self._start(pool)

    def over(self, process: TemplateProcess) -> None:
        if process in self._speaking:
            self._speaking.remove(process)

    def unanswered(self, orders: list[ForkOrder]) -> None:
        """A template died before it forked these: the next one does. Once we are closed it is our successor's to do."""
        for order in orders:
            if self._closed:
                return
            if order.unwanted:
                order.on_refused("it is not wanted any more")
            else:
                self.start(order)

    def _of(self, process: TemplateProcess) -> Pool | None:
        pool = self.pools.get(process.key)
        return pool if pool is not None and pool.process is process else None

    def _say(self, pool: Pool, what: str, why: str) -> None:
        self.record({"what": "template", "state": what, "modules": list(pool.key.modules), "why": why})

    # -- spares -----------------------------------------------------------------------------------------------------

    def _refill_later(self, pool: Pool) -> None:
        if pool.refill is not None:
            pool.refill.cancel()
        pool.refill = self.loop.call_later(REFILL_DELAY_S, lambda: self._refill(pool))

    def _refill(self, pool: Pool) -> None:
        if pool.refill is not None:
            pool.refill.cancel()
            pool.refill = None
        process = pool.process
        wanted = policy.spares_wanted(pool.owners)
        for _ in range(policy.to_end(wanted, waiting=len(pool.waiting))):
            pool.waiting.pop().end()
        if process is None or process.state != "ready" or pool.retired:
            return
        if process.orders:
            self._refill_later(pool)
        elif policy.to_fork(wanted, waiting=len(pool.waiting), forming=len(pool.forming)):
            self._ask_spare(pool, process, None)

    def _ask_spare(self, pool: Pool, process: TemplateProcess, order: ForkOrder | None) -> None:
        spare = Spare(process.pid, loop=self.loop, owner=self, order=order)
        theirs = spare.channel()
        self._spares.add(spare)
        pool.forming.append(spare)
        asked = process.spare(theirs)
        theirs.close()
        if not asked:  # so the end of its socket is what comes
            self._refill_later(pool)

    def spare_waits(self, spare: Spare) -> None:
        pool = self._pool_with(spare)
        if pool is None:
            spare.end()
            return
        pool.forming.remove(spare)
        order = spare.order
        if order is None:
            pool.waiting.append(spare)
            self._refill(pool)
            return
        if order.unwanted:
            order.on_refused("it is not wanted any more")
            spare.end()
        elif not spare.become(order):
            order.on_refused("what it needs could not be given to a forked process")
            spare.end()

    def spare_lost(self, spare: Spare) -> None:
        pool = self._pool_with(spare)
        if pool is None:
            return
        for spares in (pool.waiting, pool.forming):
            if spare in spares:
                spares.remove(spare)
        if spare.order is not None:
            self.unanswered([spare.order])
        self._refill_later(pool)

    def spare_over(self, spare: Spare) -> None:
        self._spares.discard(spare)

    def _pool_with(self, spare: Spare) -> Pool | None:
        return next(
            (pool for pool in self.pools.values() if spare in pool.waiting or spare in pool.forming), None
        )

    def helper_started(self, pid: int, *, direct: bool = True) -> None:
        self.table.helper_started(pid, direct=direct)

    def helper_ended(self, pid: int, *, direct: bool = True) -> None:
        self.table.helper_ended(pid, direct=direct)

    # -- the whole --------------------------------------------------------------------------------------------------

    def pids(self) -> list[int]:
        """Of templates: their ends are nobody's else."""
        return list(self._processes)

    def to_json(self) -> list[dict[str, Any]]:
        """For `status`."""
        return [pool.to_json() for pool in self.pools.values()]

    def close(self) -> None:
        """End them all for good; agents become our own children."""
        self._closed = True
        for pool in list(self.pools.values()):
            for timer in (pool.retry, pool.refill):
                if timer is not None:
                    timer.cancel()
            pool.process = None
            pool.waiting.clear()
            pool.forming.clear()
        for process in list(self._speaking):
            process.close()
        for pid in self._processes:
            self.table.template_ended(pid)
        self._processes.clear()
        self.pools.clear()
        self._pool_of.clear()
        for spare in list(self._spares):
            spare.orphaned()
            spare.close()


def _mtime(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return -1
