"""Commands: claimed, carried out over the control socket under their id, finished with what came of them.

Killed at any point: what was claimed is claimed again by the successor, the node knows the id and answers how it went, and
only an open command can be finished. So each is done once and finished once.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_ready
from typing import Any

from django.db import transaction

from controlplane.courier.control import NodeControl
from controlplane.courier.session import Session
from controlplane.operations.latency import count_action
from supervision.fleet.services import database_now
from supervision.runtime.client import ControlError, NodeUnreachableError, Pending
from supervision.trees import commands
from supervision.trees.models import Command, Verb
from supervision.trees.recycling import MAX_REASON

EVERY_S = 1.0
CLAIM_EVERY_S = 0.25
"""While others are under way: nobody waits for somebody else's stop."""
BUSY_S = 0.02
READ_LIMIT_S = 3.0
BEFORE_DEADLINE_S = 0.2
"""So that the answer "not in time" comes from us, with words, and not from who tidies up."""


@dataclass(slots=True)
class Order:
    """A claimed command. `due`: boot seconds by which it has to have ended."""

    command: Command
    due: float
    pending: Pending | None = None
    result: Mapping[str, Any] | None = None
    error: Mapping[str, Any] | None = None

    @property
    def has_ended(self) -> bool:
        return self.result is not None or self.error is not None


class Ordering:
    """The job `commands`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._control = NodeControl(session.paths)
        self._claimer = f"{session.node_id}:{uuid.uuid4().hex[:12]}"
        self._orders: dict[uuid.UUID, Order] = {}
        self._claimed_at = 0.0

    def step(self) -> float:
        """Claim what there is, ask what is not asked yet, take answers, finish."""
        session = self.session
        if session.epoch is None:
            return EVERY_S
        if not self._is_busy or session.clock.boot() - self._claimed_at >= CLAIM_EVERY_S:
            self._claim()
        self._ask()
        self._listen()
        self._finish()
        return BUSY_S if self._is_busy else EVERY_S

    @property
    def _is_busy(self) -> bool:
        return any(order.pending is not None for order in self._orders.values())

    def _claim(self) -> None:
        session = self.session
        with session.deadlines.within(READ_LIMIT_S):
            claimed = commands.claim_commands(node_id=session.node_id, claimer=self._claimer)
            now = database_now() if claimed else None
        self._claimed_at = session.clock.boot()
        for command in claimed:
            assert now is not None  # something was claimed  # noqa: S101
            left_s = (command.deadline_at - now).total_seconds() - BEFORE_DEADLINE_S
            self._orders.setdefault(command.id, Order(command, session.clock.boot() + max(0.0, left_s)))

    def _ask(self) -> None:
        for order in self._orders.values():
            if order.pending is None and not order.has_ended:
                try:
                    op, arguments = request_of(order.command)
                except (KeyError, TypeError, ValueError) as error:
                    order.error = {"code": "bad_request", "message": f"not a command a node can do: {error}"}
                    continue
                order.pending = self._begin(op, arguments)

    def _begin(self, op: str, arguments: dict[str, Any]) -> Pending:
        try:
            return self._control.client().begin(op, **arguments)
        except NodeUnreachableError:
            self._lose()
            raise

    def _listen(self) -> None:
        """Take the answers that are here; wait a little for one."""
        waiting = [order for order in self._orders.values() if order.pending is not None]
        if not waiting:
            return
        client = self._control.client()
        wait_ready([client.fileno()], BUSY_S)
        try:
            client.drain()
        except ControlError:
            self._lose()
            raise
        now = self.session.clock.boot()
        for order in waiting:
            pending = order.pending
            if pending is not None and pending.done:
                order.pending = None
                _take(order, pending)
            elif now >= order.due:
                order.error = {
                    "code": "deadline",
                    "message": f"the node did not {order.command.verb} {order.command.key} in time; "
                    "it may still be under way",
                }

    def _lose(self) -> None:
        """The connection is gone: everything under way is asked again, under the same ids."""
        self._control.close()
        for order in self._orders.values():
            order.pending = None

    def _finish(self) -> None:
        for order in [order for order in self._orders.values() if order.has_ended]:
            with self.session.deadlines.within(READ_LIMIT_S):
                _end(order)
            if order.pending is not None:
                self._control.client().forget(order.pending)
            del self._orders[order.command.id]


def _end(order: Order) -> None:
    command = order.command
    with transaction.atomic():
        ended = commands.finish_command(command_id=command.id, result=order.result, error=order.error)
        if ended and order.error is None:
            count_action(verb=command.verb, since=command.created_at)


def _take(order: Order, pending: Pending) -> None:
    if pending.error is None:
        order.result = pending.result if isinstance(pending.result, dict) else {"result": pending.result}
    else:
        error = pending.error
        order.error = {"code": error.code, "message": error.message} | (
            {"pointer": error.pointer} if error.pointer else {}
        )


def request_of(command: Command) -> tuple[str, dict[str, Any]]:
    """The operation of the control socket, and its arguments. KeyError for a verb that no node has."""
    op, arguments = _REQUESTS[Verb(command.verb)](command)
    return op, {
        **arguments,
        "command_id": str(command.id),
        "by": f"{command.actor_kind} {command.actor_name or command.actor_id}"[:200],
    }


def _plain(op: str) -> Callable[[Command], tuple[str, dict[str, Any]]]:
    return lambda command: (op, {"key": command.key})


def _some(op: str, *names: str) -> Callable[[Command], tuple[str, dict[str, Any]]]:
    return lambda command: (
        op,
        {
            "key": command.key,
            **{name: command.args[name] for name in names if command.args.get(name) is not None},
        },
    )


def _recycle(command: Command) -> tuple[str, dict[str, Any]]:
    """Why stands in the node's own records too: they are what `explain` reads."""
    op, args = _some("recycle", "incarnation", "stand_in")(command)
    return op, {**args, "why": command.reason[:MAX_REASON]}


def _start_child(command: Command) -> tuple[str, dict[str, Any]]:
    given = {name: command.args[name] for name in ("instance", "child") if command.args.get(name) is not None}
    return "start_child", {"supervisor": command.key, **given}


_REQUESTS: Mapping[Verb, Callable[[Command], tuple[str, dict[str, Any]]]] = {
    Verb.START: _plain("start"),
    Verb.STOP: _plain("stop"),
    Verb.RESTART: _plain("restart"),
    Verb.TERMINATE: _plain("stop"),
    Verb.RECYCLE: _recycle,
    Verb.HOLD: _some("hold", "seconds"),
    Verb.RELEASE: _plain("release"),
    Verb.SIGNAL: _some("signal", "signal"),
    Verb.RELOAD: _plain("reload"),
    Verb.START_CHILD: _start_child,
    Verb.DELETE_CHILD: _plain("delete_child"),
    Verb.ADOPT_STRAY: _some("adopt_stray", "pid"),
    Verb.END_STRAY: lambda command: ("end_stray", {"pid": command.args["pid"]}),
}
