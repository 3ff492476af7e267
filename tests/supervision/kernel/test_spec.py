"""A specification that exists is valid; the first fault, in OTP's order, is the answer."""

import json
from typing import Any

import pytest

from supervision.kernel import SpecError
from supervision.kernel.backoff import Backoff
from supervision.kernel.spec import (
    AutoShutdown,
    ChildSpec,
    ChildType,
    OnFailure,
    Refusal,
    Restart,
    Shutdown,
    StopOrder,
    Strategy,
    SupervisorSpec,
)
from tests.supervision.kernel.trees import inner, supervisor, worker


@pytest.mark.parametrize(
    ("fields", "pointer", "reason"),
    [
        ({"id": ""}, "/id", ["invalid_id", ""]),
        ({"id": "a/b"}, "/id", ["invalid_id", "a/b"]),
        ({"restart": "always"}, "/restart", ["invalid_restart_type", "always"]),
        ({"significant": 1}, "/significant", ["invalid_significant", 1]),
        (
            {"significant": True},
            "/significant",
            ["bad_combination", [["restart", "permanent"], ["significant", True]]],
        ),
        ({"type": "agent"}, "/type", ["invalid_child_type", "agent"]),
        ({"shutdown": -1}, "/shutdown", ["invalid_shutdown", -1]),
        ({"shutdown": "soon"}, "/shutdown", ["invalid_shutdown", "soon"]),
        ({"shutdown": float("inf")}, "/shutdown", ["invalid_shutdown", float("inf")]),
        ({"success_exit_codes": frozenset({-1})}, "/success_exit_codes", None),
        ({"restart": "x", "type": "y", "shutdown": -1}, "/restart", ["invalid_restart_type", "x"]),
    ],
)
def test_a_faulty_child_is_refused(fields: dict[str, Any], pointer: str, reason: Any) -> None:
    with pytest.raises(SpecError) as caught:
        ChildSpec(**{"id": "api", **fields})
    assert caught.value.pointer == pointer
    assert reason is None or caught.value.reason == reason


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"strategy": "none_for_one"}, "/strategy"),
        ({"intensity": -1}, "/intensity"),
        ({"intensity": 1.5}, "/intensity"),
        ({"intensity": True}, "/intensity"),
        ({"period": 0}, "/period"),
        ({"period": "5s"}, "/period"),
        ({"auto_shutdown": "sometimes"}, "/auto_shutdown"),
        ({"stop": "slowly"}, "/stop"),
        ({"max_children": -1}, "/max_children"),
        ({"strategy": Strategy.SIMPLE_ONE_FOR_ONE}, "/children"),
        ({"children": (worker("a"), worker("a"))}, "/children/1/id"),
        (
            {"children": (worker("a", restart=Restart.TRANSIENT, significant=True),)},
            "/children/0/significant",
        ),
    ],
)
def test_a_faulty_supervisor_is_refused(fields: dict[str, Any], pointer: str) -> None:
    with pytest.raises(SpecError) as caught:
        SupervisorSpec(**{"intensity": 1, "period": 5, **fields})
    assert caught.value.pointer == pointer


def test_the_kernel_has_no_default_intensity() -> None:
    with pytest.raises(TypeError):
        SupervisorSpec()  # type: ignore[call-arg]  # that is the point


def test_shutdown_depends_on_the_type_as_in_otp() -> None:
    assert worker("a").shutdown == 5.0
    assert inner("a").shutdown == Shutdown.INFINITY


def test_json_and_back() -> None:
    spec = supervisor(
        worker(
            "a",
            depends_on=("b",),
            backoff=Backoff(1, jitter=0.25),
            success_exit_codes=frozenset({3, 4}),
            readiness=True,
        ),
        worker(
            "b",
            restart=Restart.TRANSIENT,
            significant=True,
            shutdown=Shutdown.BRUTAL_KILL,
            body={"command": ["x"]},
        ),
        inner("c", worker("t"), strategy=Strategy.SIMPLE_ONE_FOR_ONE, max_children=7),
        ChildSpec(
            "d",
            type=ChildType.SUPERVISOR,
            supervisor=SupervisorSpec(0, 1, refusal=Refusal(reason=["bad", 1])),
        ),
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
        stop=StopOrder.PARALLEL,
        on_failure=OnFailure(cap=30),
    )
    assert SupervisorSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_an_error_in_json_points_into_the_document() -> None:
    document = supervisor(inner("pool", worker("w"))).to_json()
    document["children"][0]["supervisor"]["children"][0]["backoff"] = {"initial": -1}
    with pytest.raises(SpecError) as caught:
        SupervisorSpec.from_json(document)
    assert caught.value.pointer == "/children/0/supervisor/children/0/backoff/initial"
