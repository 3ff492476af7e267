"""Writes of agent configs. Each is one transaction with its audit entries and with the revisions of the trees that follow.

Locks are taken in one order: the config, then the trees that follow it by name, then what hangs on them. Whoever applies a
tree holds the configs it names first (`resolving`), so that no tree is ever left behind at the revision before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from agents.configs import canaries, selectors
from agents.configs.canaries import CANARY, CanaryOptions
from agents.configs.document import ConfigDocument, check_names, read_config
from agents.configs.following import become_newest
from agents.configs.models import AgentConfig, AgentConfigRevision, ConfigCanary
from agents.exceptions import ChangedMeanwhileError, InUseError, UnknownError
from supervision.auditlog import services as auditlog
from supervision.auditlog.actor import Actor
from supervision.trees.services import Applied

NOTHING_YET = ""
"""The tag of a config that is to be new."""


@dataclass(frozen=True, slots=True)
class ConfigApplied:
    """What became of a config. `changed` is False when it says the same already; `trees`: those that moved on with it;
    `canary`: what tries the revision, which is the config's newest only when that goes well."""

    config: AgentConfig
    revision: AgentConfigRevision
    changed: bool
    trees: Sequence[Applied] = ()
    canary: ConfigCanary | None = None


def put_config(
    *,
    namespace: str,
    name: str,
    document: object,
    message: str,
    actor: Actor,
    expected: str | None = None,
    canary: CanaryOptions | None = None,
    source: str = "api",
) -> ConfigApplied:
    """Make `document` the config's newest revision; every tree that follows it gets one of its own, in this transaction.

    expected: the tag the caller saw (NOTHING_YET: there is none); None: whatever is there. canary: one agent tries it
    first; where none runs it nothing can be tried, and it is applied at once. Raises InvalidConfigError, TooLargeError,
    ChangedMeanwhileError, UnderWayError, CannotTryError (with `canary`), and InvalidDocumentError when a tree that follows
    would not be valid with it.
    """
    check_names(namespace=namespace, name=name)
    parsed = document if isinstance(document, ConfigDocument) else read_config(document)
    with auditlog.audited():
        config = _locked_or_new(namespace, name)
        _refuse_changed(config, expected)
        selectors.check_kind(parsed, hold=True)
        applied = _apply(config, parsed, message, actor, canary, source)
        _audit("agent_config.apply", applied, message, actor, {"source": source})
    return applied


def rollback_config(
    *,
    namespace: str,
    name: str,
    to_number: int,
    message: str = "",
    actor: Actor,
    expected: str | None = None,
    canary: CanaryOptions | None = None,
) -> ConfigApplied:
    """Make an earlier revision the newest again. Raises UnknownError and what `put_config` raises."""
    with auditlog.audited():
        config = _locked(namespace, name)
        _refuse_changed(config, expected)
        target = selectors.revision(config, to_number)
        parsed = ConfigDocument(target.document)
        selectors.check_kind(parsed, hold=True)
        words = message or f"roll back to revision {to_number}"
        applied = _apply(config, parsed, words, actor, canary, "rollback")
        _audit("agent_config.rollback", applied, words, actor, {"to": to_number})
    return applied


def delete_config(
    *, namespace: str, name: str, actor: Actor, reason: str = "", expected: str | None = None
) -> None:
    """Forget it with its revisions. Raises UnknownError, ChangedMeanwhileError, and InUseError while a tree names it."""
    with auditlog.audited():
        config = _locked(namespace, name)
        _refuse_changed(config, expected)
        users = list(selectors.trees_naming(config.ref).values_list("name", flat=True))
        if users:
            words = f"{config.ref} is named by {_listed(users)}: change {'it' if len(users) == 1 else 'them'} first"
            raise InUseError(words, users)
        AgentConfig.objects.filter(pk=config.pk).update(head=None)
        config.delete()
        auditlog.record(actor=actor, action="agent_config.delete", target=config.ref, reason=reason)


def stop_canary(
    *, namespace: str, name: str, actor: Actor, reason: str = "", expected: str | None = None
) -> None:
    """End the trial that is under way; the agent goes back. Raises UnknownError (there is none), ChangedMeanwhileError."""
    with auditlog.audited():
        config = _locked(namespace, name)
        _refuse_changed(config, expected)
        if not canaries.stop(config, actor, reason or f"stopped by {actor.name}"):
            raise UnknownError(f"nothing tries a revision of {config.ref}")


def _locked_or_new(namespace: str, name: str) -> AgentConfig:
    made = AgentConfig(namespace=namespace, name=name, created_at=timezone.now())
    AgentConfig.objects.bulk_create([made], ignore_conflicts=True)
    return AgentConfig.objects.select_for_update().get(namespace=namespace, name=name)


def _locked(namespace: str, name: str) -> AgentConfig:
    config = AgentConfig.objects.select_for_update().filter(namespace=namespace, name=name).first()
    if config is None or config.head_id is None:
        raise UnknownError(f"there is no agent config {namespace}/{name}")
    return config


def _refuse_changed(config: AgentConfig, expected: str | None) -> None:
    current = config.tag if config.head_id is not None else NOTHING_YET
    if expected is not None and expected != current:
        raise ChangedMeanwhileError(f"{config.ref} was changed meanwhile: look again, then decide")


def _apply(
    config: AgentConfig,
    parsed: ConfigDocument,
    message: str,
    actor: Actor,
    canary: CanaryOptions | None,
    source: str,
) -> ConfigApplied:
    before = config.head
    if before is not None and before.digest == parsed.digest:
        return ConfigApplied(
            config, before, changed=canaries.stop(config, actor, "the newest was applied again")
        )
    last = config.revisions.order_by("-number").values_list("number", flat=True).first() or 0
    revision = AgentConfigRevision.objects.create(
        config=config,
        number=last + 1,
        kind=parsed.kind,
        document=parsed.sparse,
        digest=parsed.digest,
        message=message,
        author=actor.name,
        source=source,
        base_number=before.number if before is not None else None,
        created_at=timezone.now(),
    )
    if canary is not None:
        begun = canaries.begin(config, revision, message, actor, canary)
        if begun is not None:
            return ConfigApplied(config, revision, changed=True, trees=[begun.applied], canary=begun.row)
    canaries.supersede(config, revision)
    moved = become_newest(config, revision, message, actor, CANARY if canary is not None else None)
    return ConfigApplied(config, revision, changed=True, trees=moved)


def _audit(
    action: str, applied: ConfigApplied, reason: str, actor: Actor, details: Mapping[str, Any]
) -> None:
    facts = {
        "revision": applied.revision.number,
        "changed": applied.changed,
        "trees": [one.tree.name for one in applied.trees][:100],
        **({"canary": applied.canary.key} if applied.canary is not None else {}),
    }
    auditlog.record(
        actor=actor, action=action, target=applied.config.ref, reason=reason, details={**facts, **details}
    )


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f"tree {name}" for name in names[:10])
    return shown if len(names) <= 10 else f"{shown} and {len(names) - 10} more"
