"""Agent kinds: what their agents' `arguments` may be. Each write is one transaction with its audit entry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from agents.configs.argumentschema import argument_faults, check_schema
from agents.configs.document import ConfigDocument, check_names
from agents.configs.models import AgentConfig, AgentKind
from agents.exceptions import ChangedMeanwhileError, InUseError, UnknownError
from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.trees.exceptions import Fault


def kind_by_name(name: str) -> AgentKind:
    """Raises UnknownError."""
    found = AgentKind.objects.filter(name=name).first()
    if found is None:
        raise UnknownError(f"there is no agent kind {name}")
    return found


def put_kind(
    *, name: str, schema: object, description: str, actor: Actor, expected: int | None = None
) -> AgentKind:
    """Declare it, or change it. `expected`: the version the caller saw (0: none); None: whatever is there.

    Raises InvalidConfigError, TooLargeError, ChangedMeanwhileError, and InUseError when a config's arguments would be wrong.
    """
    check_names(name=name)
    checked = check_schema(schema)
    with auditlog.audited():
        kind = AgentKind.objects.select_for_update().filter(name=name).first()
        _refuse_changed(kind, name, expected)
        _refuse_misfits(name, checked)
        now = timezone.now()
        if kind is None:
            kind = AgentKind(name=name, version=0)
        kind.schema, kind.description, kind.changed_at = checked, description, now
        kind.version += 1
        kind.save()
        auditlog.record(actor=actor, action="agent_kind.put", target=name, details={"version": kind.version})
    return kind


def delete_kind(*, name: str, actor: Actor, expected: int | None = None) -> None:
    """Raises UnknownError, ChangedMeanwhileError, and InUseError while a config is of it."""
    with auditlog.audited():
        kind = AgentKind.objects.select_for_update().filter(name=name).first()
        if kind is None:
            raise UnknownError(f"there is no agent kind {name}")
        _refuse_changed(kind, name, expected)
        users = [config.ref for config in _configs_of(name)]
        if users:
            raise InUseError(f"{len(users)} agent configs are of kind {name}: {', '.join(users[:10])}", users)
        kind.delete()
        auditlog.record(actor=actor, action="agent_kind.delete", target=name)


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether the arguments of a config fit a schema: no faults, or every one with its field."""

    config: str
    faults: Sequence[Fault]


@dataclass(frozen=True, slots=True)
class Fitting:
    """What a schema would mean. `kind`: as it is now, None when it is new; `fits`: each config of it, by name."""

    kind: AgentKind | None
    changed: bool
    fits: Sequence[Fit]


def fitting(name: str, schema: object) -> Fitting:
    """Which configs would become invalid with this schema of their kind. Raises InvalidConfigError, TooLargeError."""
    check_names(name=name)
    checked = check_schema(schema)
    kind = AgentKind.objects.filter(name=name).first()
    return Fitting(kind, kind is None or kind.schema != checked, _fits(name, checked))


def _fits(name: str, schema: Mapping[str, Any]) -> list[Fit]:
    return [
        Fit(config.ref, argument_faults(schema, ConfigDocument(config.head.document).arguments))
        for config in _configs_of(name)
        if config.head is not None
    ]


def _configs_of(kind: str) -> list[AgentConfig]:
    return list(
        AgentConfig.objects.filter(head__kind=kind).select_related("head").order_by("namespace", "name")
    )


def _refuse_changed(kind: AgentKind | None, name: str, expected: int | None) -> None:
    current = kind.version if kind is not None else 0
    if expected is not None and expected != current:
        raise ChangedMeanwhileError(f"the agent kind {name} was changed meanwhile: look again, then decide")


def _refuse_misfits(name: str, schema: dict[str, Any]) -> None:
    misfits = [one for one in _fits(name, schema) if one.faults]
    if misfits:
        said = "; ".join(
            f"{one.config}: {one.faults[0].pointer}: {one.faults[0].detail}" for one in misfits[:10]
        )
        words = f"by this schema the arguments of {len(misfits)} agent configs would not be valid: {said}"
        raise InUseError(words, [one.config for one in misfits])
