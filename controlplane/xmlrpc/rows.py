"""The backend on rows: reads what was observed, orders by the same services as REST, asks the same policy."""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from controlplane.access.policy import Permission, Principal, visible_trees
from controlplane.api.waiting import let_go
from controlplane.xmlrpc.backend import Forbidden, Piece, Refused, Stream, Verb
from controlplane.xmlrpc.output import Output
from controlplane.xmlrpc.programs import Program
from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.fleet.models import Node
from supervision.journal import selectors
from supervision.journal.models import ObservedChild
from supervision.runtime.client import ControlClient, ControlError
from supervision.runtime.clock import SystemClock
from supervision.runtime.output import OutputStore
from supervision.runtime.paths import Paths
from supervision.trees import services as trees
from supervision.trees.commands import request_command
from supervision.trees.exceptions import TreesError
from supervision.trees.models import Command, CommandState, Tree

MOST_PROGRAMS = 20_000
ACKNOWLEDGED_EVERY_S = 0.05
LATE_S = 5.0
"""Past a command's own deadline: whoever expires it may be away too."""


class RowsBackend:
    """On behalf of `principal`; see controlplane.xmlrpc.backend.Backend."""

    def __init__(self, principal: Principal, actor: Actor, paths: Paths, output: Output) -> None:
        self._principal, self._actor = principal, actor
        self._paths, self._output = paths, output
        self._clock = SystemClock()

    def now(self) -> float:
        return self._clock.wall()

    def pid(self) -> int:
        node = Node.objects.filter(id=self._output.node_id or "").first()
        return (node.guardian_pid or node.pid or 0) if node is not None else 0

    def sleep(self, seconds: float) -> None:
        let_go()
        time.sleep(seconds)

    def programs(self) -> Sequence[Program]:
        rows = list(selectors.children(visible_trees(self._principal))[:MOST_PROGRAMS])
        shared = {key for key, count in Counter(row.key for row in rows).items() if count > 1}
        return [self._program(row, is_shared=row.key in shared) for row in rows]

    def again(self, program: Program) -> Program | None:
        rows = selectors.children(visible_trees(self._principal)).filter(key=program.key)
        row = rows.filter(node_id=program.node_id).first()
        return None if row is None else self._program(row, is_shared=program.is_shared)

    def command(self, verb: Verb, program: Program, **args: str) -> None:
        self._may(Permission.OPERATE, program.tree)
        try:
            ordered = request_command(
                verb=verb,
                key=program.key,
                node_id=program.node_id,
                args=args,
                actor=self._actor,
                reason="supervisorctl",
            )
        except TreesError as error:
            raise Refused(str(error)) from error
        for command in ordered:
            self._await(command)

    def log(self, program: Program, stream: Stream, offset: int, length: int) -> Piece:
        return self._output.read(program, stream, offset, length)

    def forget_log(self, program: Program) -> None:
        self._may(Permission.OPERATE, program.tree)
        self._output.forget(program)

    def main_log(self, offset: int, length: int) -> Piece:
        self._may(Permission.VIEW)
        return self._output.main(offset, length)

    def add_group(self, group: str) -> None:
        self._may(Permission.ADMIN)

    def remove_group(self, group: str) -> None:
        self._may(Permission.ADMIN, group.partition("/")[0])
        if not Tree.objects.filter(name=group, deleted_at=None).exists():
            raise Refused(f"{group} is part of a tree: apply the tree without it")
        try:
            trees.delete_tree(name=group, actor=self._actor, reason="supervisorctl remove")
        except TreesError as error:
            raise Refused(str(error)) from error

    def shut_down(self) -> None:
        self._local("shutdown", "node.shutdown", lambda client: client.call("shutdown", timeout_s=10.0))

    def restart(self) -> None:
        self._local(
            "reexec", "node.reexec", lambda client: client.call("reexec", timeout_s=10.0, what="both")
        )

    def _local(self, word: str, action: str, act: Callable[[ControlClient], object]) -> None:
        """Something only this host's own node can do."""
        self._may(Permission.ADMIN)
        auditlog.record(
            actor=self._actor,
            action=action,
            target=self._output.node_id or "",
            reason=f"supervisorctl {word}",
        )
        try:
            with ControlClient(self._paths.control_socket) as client:
                act(client)
        except (ControlError, OSError) as error:
            raise Refused(f"the node of this host: {error}") from error

    def _may(self, permission: Permission, tree: str = "") -> None:
        if not self._principal.can(permission, tree):
            where = f" on {tree}" if tree else ""
            raise Forbidden(f"this needs the permission {permission}{where}")

    def _await(self, command: Command) -> None:
        """Until the node has acknowledged it, or said why not, or its deadline has passed."""
        patience = self._clock.boot() + (command.deadline_at - command.created_at).total_seconds() + LATE_S
        while self._clock.boot() < patience:
            command.refresh_from_db(fields=["state", "error"])
            if command.state == CommandState.DONE:
                return
            if command.state in (CommandState.FAILED, CommandState.EXPIRED):
                error = command.error or {}
                raise Refused(str(error.get("message") or f"the command {command.state}"))
            self.sleep(ACKNOWLEDGED_EVERY_S)
        raise Refused("the node did not acknowledge the command in time")

    def _program(self, row: ObservedChild, *, is_shared: bool) -> Program:
        is_local = row.node_id == self._output.node_id
        logs = OutputStore(self._paths.logs_dir).directory(row.key) if is_local else ""
        return Program(
            key=row.key,
            node_id=row.node_id,
            node_name=row.node.name,
            state=row.state,
            pid=row.pid,
            incarnation=row.incarnation,
            since=row.since.timestamp() if row.since else 0.0,
            ended_at=row.last_exit_at.timestamp() if row.last_exit_at else 0.0,
            last_exit=row.last_exit_reason,
            position=row.position,
            command=tuple(str(word) for word in row.command),
            restart=row.restart,
            log_directory=logs,
            is_shared=is_shared,
        )
