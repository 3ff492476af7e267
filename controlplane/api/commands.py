"""Commands, and the operations they become: one for each node, acknowledged or failed within its deadline."""

import time
import uuid
from typing import Any

from django.db.models import QuerySet
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response

from controlplane.access.policy import EVERY_TREE, Permission, require, tree_of, visible_trees
from controlplane.api import schema, treeshapes
from controlplane.api.endpoint import Endpoint
from controlplane.api.exceptions import Problem
from controlplane.api.pages import Listing, choices, integer
from controlplane.api.reach import reach_of
from controlplane.api.shapes import read
from controlplane.api.versions import answer, require_match, tag_of_body
from controlplane.api.waiting import let_go
from controlplane.filters.keyset import Order
from supervision.runtime.arguments import signal_number
from supervision.runtime.treedoc import DocumentErrors, parse_tree
from supervision.trees import commands
from supervision.trees.models import Command, CommandState, Verb

TAG = ["commands"]
FINAL = (CommandState.DONE, CommandState.FAILED, CommandState.EXPIRED)
MAX_WAIT_S = 30
LOOK_EVERY_S = 0.1
ALL_TREES = frozenset({Verb.HOLD_ALL, Verb.RELEASE_ALL})
OF_STRAYS = frozenset({Verb.END_STRAY, Verb.ADOPT_STRAY})
NOT_TWICE = frozenset(
    {Verb.RESTART, Verb.RECYCLE, Verb.SIGNAL, Verb.RELOAD, Verb.TERMINATE, Verb.START_CHILD}
)
"""Carried out twice they do more than once: an Idempotency-Key is required."""


def render_operation(command: Command) -> dict[str, Any]:
    return dict(treeshapes.OperationShape(command).data)


OPERATIONS = Listing(
    {
        "newest": Order(("created_at", "id"), descending=True),
        "oldest": Order(("created_at", "id")),
    },
    render_operation,
)


def visible_commands(endpoint: Endpoint) -> QuerySet[Command]:
    names = visible_trees(endpoint.principal)
    rows = Command.objects.all()
    return rows if names is None else rows.filter(tree__in=names)


class Commands(Endpoint):
    needs = {"POST": None}

    @schema.says(
        "Do something to children",
        operation="request_command",
        description=(
            "Answers at once with one operation for each node that has the key; `GET /operations/{id}?wait=20` "
            "waits for its end. `restart`, `recycle`, `signal`, `reload`, `terminate` and `start_child` need an "
            "Idempotency-Key. `dry_run` says what it would reach and does nothing. Starting a child from a document "
            "(`args.child`) needs the permission admin."
        ),
        body=treeshapes.CommandBody,
        answers={202: treeshapes.CommandedShape, 200: treeshapes.CommandedShape},
        parameters=[schema.KEY],
        errors=(409, 413, 415, 422),
        tags=TAG,
    )
    def post(self, request: Request) -> Response:
        return self.once(request, lambda: self._act(request))

    def _act(self, request: Request) -> Response:
        body = read(treeshapes.CommandBody, request)
        verb, key = Verb(body["verb"]), body["key"]
        self._permit(verb, key, body["args"])
        args = _arguments(verb, key, body["args"])
        if body["dry_run"]:
            return Response({"operations": [], "reach": reach_of(verb, key, body["node"])})
        if verb in NOT_TWICE and "Idempotency-Key" not in request.headers:
            raise Problem.invalid(
                "Idempotency-Key", f"{verb} needs one: doing it twice is not the same as once."
            )
        made = commands.request_command(
            verb=verb,
            key=key,
            node_id=body["node"],
            args=args,
            actor=self.actor,
            reason=body["reason"],
            deadline_s=body["deadline_s"],
        )
        headers = {}
        if len(made) == 1:
            headers["Location"] = reverse("api:operation", args=[made[0].pk])
        return Response({"operations": [render_operation(one) for one in made]}, status=202, headers=headers)

    def _permit(self, verb: Verb, key: str, args: dict[str, Any]) -> None:
        if (verb in ALL_TREES and not key) or verb is Verb.END_STRAY:
            require(self.principal, Permission.OPERATE, EVERY_TREE)
            return
        if not key:
            raise Problem.invalid("/key", f"{verb} needs a key.")
        runs_something_new = verb is Verb.START_CHILD and args.get("child") is not None
        require(self.principal, Permission.ADMIN if runs_something_new else Permission.OPERATE, tree_of(key))
        if verb is Verb.ADOPT_STRAY:
            require(self.principal, Permission.OPERATE, EVERY_TREE)


ARGUMENTS: dict[Verb, frozenset[str]] = {
    Verb.HOLD: frozenset({"seconds"}),
    Verb.RECYCLE: frozenset({"incarnation", "stand_in"}),
    Verb.HOLD_ALL: frozenset({"seconds"}),
    Verb.SIGNAL: frozenset({"signal"}),
    Verb.START_CHILD: frozenset({"instance", "child"}),
    Verb.ADOPT_STRAY: frozenset({"pid"}),
    Verb.END_STRAY: frozenset({"pid"}),
}
MAX_SECONDS = 366 * 24 * 3600
MAX_PID = 4_194_304
MAX_NUMBER = 2**53


def _arguments(verb: Verb, key: str, given: dict[str, Any]) -> dict[str, Any]:
    """What the verb takes, checked here so that a mistake is answered at once; the node checks again."""
    known = ARGUMENTS.get(verb, frozenset())
    for name in given:
        if name not in known:
            said = ", ".join(sorted(known)) or "none"
            raise Problem.invalid(f"/args/{name[:80]}", f"{verb} has no such argument; it has: {said}.")
    seconds = given.get("seconds")
    if seconds is not None and (
        isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= MAX_SECONDS
    ):
        raise Problem.invalid("/args/seconds", f"A number of seconds up to {MAX_SECONDS}.")
    if verb is Verb.RECYCLE:
        _check_recycle(given)
    if "pid" in known:
        pid = given.get("pid")
        if isinstance(pid, bool) or not isinstance(pid, int) or not 0 < pid <= MAX_PID:
            raise Problem.invalid("/args/pid", f"A number up to {MAX_PID}.")
    if verb is Verb.SIGNAL:
        _check_signal(given.get("signal"))
    if verb is Verb.START_CHILD:
        _check_child(key, given)
    return given


def _check_signal(given: Any) -> None:
    try:
        signal_number(given)
    except ValueError as error:
        raise Problem.invalid("/args/signal", f"It {error}.") from None


def _check_recycle(given: dict[str, Any]) -> None:
    incarnation, stand_in = given.get("incarnation"), given.get("stand_in")
    if incarnation is not None and (
        isinstance(incarnation, bool) or not isinstance(incarnation, int) or not 0 < incarnation <= MAX_NUMBER
    ):
        raise Problem.invalid("/args/incarnation", "The number of a life.")
    if stand_in is not None and not isinstance(stand_in, bool):
        raise Problem.invalid("/args/stand_in", "True or false.")


def _check_child(key: str, given: dict[str, Any]) -> None:
    instance, child = given.get("instance"), given.get("child")
    if (instance is None) == (child is None):
        raise Problem.invalid("/args", "Either instance, a name, or child, a child's document.")
    if instance is not None and (
        not isinstance(instance, str) or not 0 < len(instance) <= 64 or "/" in instance
    ):
        raise Problem.invalid("/args/instance", "A name of 1 to 64 characters.")
    if child is None:
        return
    try:
        parse_tree({"version": 1, "tree": tree_of(key), "supervisor": {"children": [child]}})
    except DocumentErrors as errors:
        around = "/supervisor/children/0"
        faults = [
            {"pointer": f"/args/child{one.pointer.removeprefix(around)}", "detail": one.message}
            for one in errors.errors
        ]
        raise Problem("invalid-document", faults[0]["detail"], errors=faults[:100]) from None


class Operations(Endpoint):
    needs = {"GET": None}
    parameters = frozenset({"id", "tree", "node", "state", "verb", "key"})
    is_list = True

    @schema.says(
        "List operations",
        operation="list_operations",
        answers={200: schema.page_of(treeshapes.OperationShape)},
        parameters=[
            *schema.page_parameters(list(OPERATIONS.orders)),
            schema.query("id", "Repeatable.", many=True),
            schema.query("tree"),
            schema.query("key"),
            schema.query("node", "Id of a node."),
            schema.query("state", "Several with commas.", enum=CommandState.values),
            schema.query("verb", "Several with commas.", enum=Verb.values),
        ],
        tags=TAG,
    )
    def get(self, request: Request) -> Response:
        rows = visible_commands(self)
        for name, field in (("tree", "tree"), ("node", "node_id"), ("key", "key")):
            value = request.query_params.get(name)
            if value is not None:
                rows = rows.filter(**{field: value})
        ids = request.query_params.getlist("id")
        if ids:
            rows = rows.filter(pk__in=[_uuid(text) for text in ids[:200]])
        for name, known in (("state", CommandState.values), ("verb", Verb.values)):
            words = choices(request, name, known)
            if words:
                rows = rows.filter(**{f"{name}__in": words})
        return OPERATIONS.page(request, rows)


def _uuid(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise Problem.invalid("id", "A UUID.") from None


class OperationDetail(Endpoint):
    needs = {"GET": None, "DELETE": None}

    def known_parameters(self, request: Request) -> frozenset[str]:
        return frozenset({"wait"}) if request.method != "DELETE" else frozenset({"reason"})

    @schema.says(
        "One operation",
        operation="get_operation",
        description="With `wait` it answers as soon as the operation has ended, or after so many seconds as it is then.",
        answers={200: treeshapes.OperationShape},
        parameters=[schema.query("wait", "Seconds, 30 at most.", kind=int)],
        tags=TAG,
    )
    def get(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002  the URL's word
        wait_s = integer(request, "wait", default=0, least=0, most=MAX_WAIT_S)
        body = render_operation(self._ended(id, wait_s))
        return answer(request, body, tag_of_body(body))

    def _ended(self, number: uuid.UUID, wait_s: int) -> Command:
        """Looked up every LOOK_EVERY_S: a listening connection for each waiting request would cost more."""
        until = time.perf_counter() + wait_s
        while True:
            command = visible_commands(self).filter(pk=number).first()
            if command is None:
                raise Problem("not-found", f"There is no operation {number}.")
            if command.state in FINAL or time.perf_counter() >= until:
                return command
            let_go()
            time.sleep(LOOK_EVERY_S)

    @schema.says(
        "Take back an operation that no node took yet",
        operation="cancel_operation",
        answers={204: None},
        parameters=[schema.IF_MATCH, schema.query("reason")],
        errors=(409, 412, 428),
        tags=TAG,
    )
    def delete(self, request: Request, id: uuid.UUID) -> Response:  # noqa: A002  the URL's word
        command = self._ended(id, 0)
        require(self.principal, Permission.OPERATE, command.tree)
        body = render_operation(command)
        require_match(request, tag_of_body(body), lambda: body)
        reason = request.query_params.get("reason", "")[:2000]
        commands.cancel_command(command_id=id, actor=self.actor, reason=reason)
        return Response(status=204)
