"""What programs ask of the registry through their node. Who asks is what the node found out, never what the program says.

    registry.register     {key, namespace?, metadata?, capabilities?, labels?, service?, ready?} -> the registration
    registry.unregister   {key, namespace?} -> {"held": bool}
    registry.whereis      {key, namespace?} -> {"found": the registration, or null}
    registry.find         {namespace?, capability?, service?, node?, label?, healthy?} -> {"items": [...]}, MOST at most
    registry.service      {service, namespace?} -> {"ready", "providers", "missing"}

A program that waits for a service subscribes to the topic `registry`, asks, and asks again with each push.
"""

from typing import Any

from agents.exceptions import InvalidConfigError, TooLargeError
from agents.registry import selectors, services
from agents.registry.models import Registration
from agents.registry.services import EndedError, Facts, HeldError, Owner
from supervision.journal.columns import storable
from supervision.programs.questions import Question, QuestionRefused, on_question

DEFAULT_NAMESPACE = "default"
MOST = 200


def registration_facts(row: Registration) -> dict[str, Any]:
    """What a lookup answers."""
    return {
        "namespace": row.namespace,
        "key": row.key,
        "epoch": row.epoch,
        "node": row.node_id,
        "node_name": row.node.name if row.node is not None else "",
        "child": row.child,
        "incarnation": row.incarnation,
        "holder": row.holder,
        "service": row.service,
        "ready": row.ready,
        "metadata": row.metadata,
        "capabilities": row.capabilities,
        "labels": row.labels,
        "registered_at": row.registered_at.isoformat(),
    }


def register(question: Question) -> dict[str, Any]:
    body = storable(question.body)
    facts = Facts(
        metadata=_mapping(body, "metadata"),
        capabilities=_list(body, "capabilities"),
        labels=_mapping(body, "labels"),
        service=_text(body, "service", default=""),
        ready=bool(body.get("ready", True)),
    )
    namespace, key = _name(body)
    try:
        row = services.register(namespace=namespace, key=key, owner=_owner(question), facts=facts)
    except HeldError as error:
        raise QuestionRefused("held", str(error), holder=registration_facts(error.holder)) from error
    except EndedError as error:
        raise QuestionRefused("ended", str(error), newest=error.newest) from error
    except (InvalidConfigError, TooLargeError) as error:
        raise QuestionRefused("invalid", str(error)) from error
    return registration_facts(row)


def unregister(question: Question) -> dict[str, Any]:
    namespace, key = _name(question.body)
    return {"held": services.unregister(namespace=namespace, key=key, owner=_owner(question))}


def whereis(question: Question) -> dict[str, Any]:
    row = selectors.whereis(*_name(question.body))
    return {"found": registration_facts(row) if row is not None else None}


def find(question: Question) -> dict[str, Any]:
    body = question.body
    label = body.get("label")
    if label is not None and not (
        isinstance(label, list) and len(label) == 2 and all(isinstance(part, str) for part in label)
    ):
        raise QuestionRefused("invalid", "label: a name and a value")
    healthy = body.get("healthy")
    rows = selectors.find(
        namespace=_text(body, "namespace", default=DEFAULT_NAMESPACE),
        capability=_optional(body, "capability"),
        service=_optional(body, "service"),
        node=_optional(body, "node"),
        label=(label[0], label[1]) if label is not None else None,
        healthy=None if healthy is None else bool(healthy),
    )
    return {"items": [registration_facts(row) for row in rows.order_by("namespace", "key")[:MOST]]}


def service(question: Question) -> dict[str, Any]:
    body = question.body
    found = selectors.service_standing(
        _text(body, "namespace", default=DEFAULT_NAMESPACE), _text(body, "service")
    )
    return {"ready": found.ready, "providers": found.providers, "missing": list(found.missing)}


def answer_questions() -> None:
    """Register the answers."""
    for kind, answer in (
        ("register", register),
        ("unregister", unregister),
        ("whereis", whereis),
        ("find", find),
        ("service", service),
    ):
        on_question(f"registry.{kind}")(answer)


def _owner(question: Question) -> Owner:
    return Owner(question.node.pk, question.key, question.incarnation)


def _name(body: dict[str, Any]) -> tuple[str, str]:
    return _text(body, "namespace", default=DEFAULT_NAMESPACE), _text(body, "key")


def _text(body: dict[str, Any], name: str, *, default: str | None = None) -> str:
    value = body.get(name, default)
    if not isinstance(value, str) or "\0" in value:
        raise QuestionRefused("invalid", f"{name}: a text")
    return value


def _optional(body: dict[str, Any], name: str) -> str | None:
    return None if body.get(name) is None else _text(body, name)


def _mapping(body: dict[str, Any], name: str) -> dict[str, Any]:
    value = body.get(name) or {}
    if not isinstance(value, dict):
        raise QuestionRefused("invalid", f"{name}: a mapping")
    return value


def _list(body: dict[str, Any], name: str) -> list[Any]:
    value = body.get(name) or []
    if not isinstance(value, list):
        raise QuestionRefused("invalid", f"{name}: a list")
    return value
