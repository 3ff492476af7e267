"""The API against inputs that its own document calls valid, and against ones it does not: no 5xx, nothing changed by a
4xx, every answer as the document says.

In process, through the whole stack of middleware. The short form tries each operation a few times; `make soak` goes on.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.db import connection
from django.db.models import Model
from django.test.client import ClientHandler
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pytest_django import DjangoDbBlocker
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from controlplane.access.models import Grant, Token
from controlplane.access.policy import Role, Scope
from controlplane.api import asking
from controlplane.api.models import IdempotencyKey
from controlplane.api.openapi import api_schema
from supervision.auditlog.models import AuditEntry
from supervision.fleet.models import Node
from supervision.trees import commands
from supervision.trees.models import Command, Tree
from tests.controlplane.api import world
from tests.controlplane.api.asking import undone
from tests.support import people
from tests.support.kept_rows import kept_rows

pytestmark = pytest.mark.django_db

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SHORT = 4
LONG = 40 * int(float(os.environ.get("OVERSTORY_SOAK_MINUTES", "30")))
AWAY = frozenset({"logs", "follow_logs"})
"""They ask a node, and none is there: 503 is right."""


def operations() -> list[Any]:
    document: Any = schemathesis.openapi.from_dict(api_schema())
    return [operation.ok() for operation in document.get_all_operations()]


WATCHED: dict[type[Model], str] = {
    AuditEntry: "count(*)",
    Tree: "id, version, deleted_at",
    Command: "id, state",
    Token: "id, revoked_at",
    Grant: "user_id, role, tree",
    Node: "id, draining",
    IdempotencyKey: "count(*)",
}
LOOK = "SELECT json_build_array({})".format(
    ", ".join(
        f"(SELECT json_agg(one ORDER BY one) FROM (SELECT {columns} FROM {model._meta.db_table}) one)"
        for model, columns in WATCHED.items()
    )
)


def state() -> Any:
    """What a request could change, in one question: it is asked before and after every request."""
    with connection.cursor() as cursor:
        cursor.execute(LOOK)
        return cursor.fetchone()


@pytest.fixture(scope="module")
def fleet(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[dict[str, Any]]:
    """A fleet, the names that are in it, and the token of an admin; made once, around the tests' own transactions."""
    with kept_rows(django_db_blocker):
        world.world()
        made = commands.request_command(verb="stop", key="shop/web", actor=people.SOMEBODY)
        rolled = world.applied("shop", "a").rollouts.get()
        victim = people.user("victim", (Role.VIEWER, ""))
        text = people.token(people.admin(), Scope.ADMIN)
        yield {
            "token": text,
            "tree": ["shop"],
            "number": [1, 2],
            "node": [world.NODE],
            "key": ["shop/web", "shop"],
            "seq": [1],
            "id": [victim.pk, rolled.pk, str(made[0].pk)],
        }


@pytest.fixture
def known(fleet: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The same; no node is ever waited for."""

    def silent(node_id: str, op: str, args: Any, *, timeout_s: float) -> Any:
        raise asking.NodeSilentError("courier", "away")

    monkeypatch.setattr("controlplane.api.output.ask_node", silent)
    monkeypatch.setattr("controlplane.api.planning.ask_node", silent)
    monkeypatch.setattr("controlplane.api.commands.MAX_WAIT_S", 0)
    return fleet


def in_process(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """WSGI around Django's own test handler, which leaves the test's connection open."""
    response: Any = ClientHandler(enforce_csrf_checks=True)(environ)
    headers = [*response.items(), *(("Set-Cookie", one.OutputString()) for one in response.cookies.values())]
    start_response(f"{response.status_code} {response.reason_phrase}", headers)
    return [response.content]


def run(operation: Any, mode: GenerationMode, known: dict[str, Any], examples: int) -> None:
    application = in_process
    operation.schema.app = application
    headers = {"Authorization": f"Bearer {known['token']}"}

    @given(data=st.data())
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=examples == SHORT,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def attempt(data: Any) -> None:
        case = data.draw(operation.as_strategy(generation_mode=mode))
        for name in case.path_parameters or {}:
            values = known.get(name)
            if values and data.draw(st.booleans()):
                case.path_parameters[name] = data.draw(st.sampled_from(values))
        with undone():
            before = state()
            response = case.call(headers=headers, app=application)
            if response.status_code >= 400:
                assert state() == before, (
                    f"{response.status_code} changed something: {case.as_curl_command()}"
                )
                assert response.headers["content-type"] == ["application/problem+json"]
            if response.status_code == 503 and operation.definition.raw["operationId"] in AWAY:
                return
            case.validate_response(response, checks=CHECKS, headers=headers)

    attempt()


OPERATIONS = operations()
NAMES = [f"{one.method.upper()} {one.path}" for one in OPERATIONS]
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]


@pytest.mark.parametrize("operation", OPERATIONS, ids=NAMES)
def test_what_may_come(operation: Any, known: dict[str, Any]) -> None:
    for mode in MODES:
        run(operation, mode, known, SHORT)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("operation", OPERATIONS, ids=NAMES)
def test_what_may_come_for_long(operation: Any, known: dict[str, Any]) -> None:
    for mode in MODES:
        run(operation, mode, known, LONG)
