"""Reads of agent configs: by name, by who uses them, and what the trees that follow one would become."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from agents.configs.argumentschema import argument_faults
from agents.configs.document import DEFAULT_KIND, ConfigDocument
from agents.configs.models import AgentConfig, AgentConfigRevision, AgentKind, ConfigCanary
from agents.configs.resolving import Candidate, fill_in
from agents.exceptions import InvalidConfigError, UnknownError
from supervision.runtime.treedoc import TreeDocument
from supervision.runtime.treewalk import declared
from supervision.trees.documents import stored
from supervision.trees.exceptions import Fault
from supervision.trees.models import Tree, TreeRevision
from supervision.trees.resolving import FOLLOWS, REVISION


def configs() -> QuerySet[AgentConfig]:
    """Configs that are, by name, each with its head."""
    return AgentConfig.objects.filter(head__isnull=False).select_related("head")


def config_by_name(namespace: str, name: str) -> AgentConfig:
    """Raises UnknownError."""
    found = configs().filter(namespace=namespace, name=name).first()
    if found is None:
        raise UnknownError(f"there is no agent config {namespace}/{name}")
    return found


def revision(config: AgentConfig, number: int) -> AgentConfigRevision:
    """Raises UnknownError."""
    found = AgentConfigRevision.objects.filter(config=config, number=number).first()
    if found is None:
        raise UnknownError(f"{config.ref} has no revision {number}")
    return found


def newest_canary(config: AgentConfig) -> ConfigCanary | None:
    """What tries a revision of the config, or was the last to try one."""
    return config.canaries.select_related("revision").order_by("-id").first()


def trees_naming(ref: str) -> QuerySet[Tree]:
    """Trees that are there whose head names the config, also those that stay at one revision of it."""
    return Tree.objects.filter(deleted_at=None, head__pins__has_key=ref).order_by("name")


def trees_following(ref: str) -> QuerySet[Tree]:
    """Trees that move on with each new revision of the config."""
    return Tree.objects.filter(deleted_at=None, head__pins__contains={ref: {FOLLOWS: True}}).order_by("name")


def refs_of(trees: Iterable[str]) -> set[str]:
    """Names of the configs that the heads of these trees name."""
    rows = Tree.objects.filter(name__in=list(trees), deleted_at=None).values_list("head__pins", flat=True)
    return {ref for pins in rows for ref in pins or ()}


def named(refs: Iterable[str]) -> Q:
    """Configs called so."""
    found = Q(pk__in=[])
    for ref in refs:
        namespace, _, name = ref.partition("/")
        found |= Q(namespace=namespace, name=name)
    return found


def check_kind(document: ConfigDocument, *, hold: bool = False) -> None:
    """That the kind is known and takes these arguments; `hold`: and stays so until the transaction ends.

    Raises InvalidConfigError with the fields that are wrong.
    """
    kinds = AgentKind.objects.select_for_update(no_key=True) if hold else AgentKind.objects.all()
    kind = kinds.filter(name=document.kind).first()
    if kind is None:
        if document.kind != DEFAULT_KIND:
            raise InvalidConfigError([Fault("/kind", f"there is no agent kind {document.kind!r}")])
        return
    faults = argument_faults(kind.schema, document.arguments)
    if faults:
        raise InvalidConfigError(faults)


@dataclass(frozen=True, slots=True)
class After:
    """A tree that follows a config, as it would be with another revision of it."""

    name: str
    before: TreeRevision
    tree: TreeDocument


def trees_after(ref: str, document: ConfigDocument, *, number: int) -> list[After]:
    """Every tree that follows the config, with `document` as its newest revision. Raises InvalidDocumentError."""
    candidate = Candidate(ref, number, document)
    return [after(tree.head, candidate) for tree in trees_following(ref).select_related("head") if tree.head]


def after(head: TreeRevision, candidate: Candidate) -> After:
    """One of them."""
    written = stored(head.document)
    kept = {name: int(pin[REVISION]) for name, pin in head.pins.items() if name != candidate.ref}
    return After(written.name, head, fill_in(written, kept, candidate).tree)


def kinds_of_agents(keys: Iterable[str]) -> dict[str, str]:
    """Key -> kind of those that are agents of trees that are applied: its config's, or the kind of configs that name none.
    Three queries at most, whatever there is."""
    wanted: dict[str, list[str]] = {}
    for key in keys:
        wanted.setdefault(key.partition("/")[0], []).append(key)
    if not wanted:
        return {}
    heads = Tree.objects.filter(name__in=list(wanted), deleted_at=None, head__isnull=False)
    sections: dict[str, dict[str, Any]] = {}
    for tree in heads.select_related("head"):
        assert tree.head is not None  # noqa: S101  as was asked for
        agents = {
            # children made of a template have names of their own
            f"{tree.name}/{each.above}*" if each.template else f"{tree.name}/{each.path}": each.child["agent"]
            for each in declared(tree.head.runs)
            if "agent" in each.child
        }
        for key in wanted[tree.name]:
            plain = without_instances(key)
            section = agents.get(plain) or agents.get(f"{plain.rpartition('/')[0]}/*")
            if section is not None:
                sections[key] = section
    kinds = _kinds_of({(s["config"], s.get("revision")) for s in sections.values() if "config" in s})
    return {
        key: kinds.get((section.get("config", ""), section.get("revision")), DEFAULT_KIND)
        for key, section in sections.items()
    }


def without_instances(key: str) -> str:
    """A child's key as it is declared: without numbers of instances."""
    return "/".join(part.partition("@")[0] for part in key.split("/"))


def _kinds_of(revisions: set[tuple[str, int | None]]) -> dict[tuple[str, int | None], str]:
    """Of configs by name, at a revision each."""
    rows = AgentConfigRevision.objects.filter(
        config__in=AgentConfig.objects.filter(named(ref for ref, _ in revisions)),
        number__in={number for _, number in revisions if number is not None},
    )
    return {
        (f"{namespace}/{name}", number): kind
        for namespace, name, number, kind in rows.values_list(
            "config__namespace", "config__name", "number", "kind"
        )
    }
