"""What the pages about agents share: which child runs which config, and what a config would change."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.urls import reverse

from agents.configs import selectors
from agents.configs.canaries import MAX_OBSERVE_S, CanaryOptions
from agents.configs.document import ConfigDocument, config_diff, read_config_text
from agents.configs.models import AgentConfig, CanaryState
from agents.exceptions import AgentsError, ChangedMeanwhileError, InvalidConfigError, TooLargeError
from controlplane.dashboard.editing import RefusedError
from controlplane.dashboard.live.records import seconds
from supervision.kernel import PlanStep, summary
from supervision.runtime.treewalk import declared
from supervision.trees import selectors as trees
from supervision.trees.exceptions import InvalidDocumentError, TreesError
from supervision.trees.models import Tree

MAX_CONFIG = 1024 * 1024
SHOWN_STEPS = 500


def path_of(key: str) -> str:
    """A child's path as it is declared: without its tree, and without numbers of instances."""
    return "/".join(part.partition("@")[0] for part in key.split("/")[1:])


def configs_of_children(names: Iterable[str]) -> dict[tuple[str, str], tuple[str, int, bool]]:
    """(tree, path) -> (config, revision, whether it follows) of agents whose tree names a config. One query.

    An instance that tries another revision than its siblings stands under its own path, `web/crawler@1`.
    """
    found = {}
    heads = Tree.objects.filter(name__in=list(names), deleted_at=None).exclude(head__pins={})
    for tree in heads.select_related("head").order_by("name"):
        if tree.head is None:
            continue
        for each in declared(tree.head.runs):
            section = each.child.get("agent")
            if section is not None and "config" in section:
                pin = tree.head.pins.get(section["config"], {})
                follows = bool(pin.get("follows")) and pin.get("revision") == section.get("revision")
                found[tree.name, each.path] = (section["config"], section.get("revision"), follows)
                canary = each.child.get("canary")
                if canary is not None:
                    number = canary.get("instance")
                    path = each.path if number is None else f"{each.path}@{number}"
                    found[tree.name, path] = (section["config"], canary["agent"].get("revision"), follows)
    return found


def capabilities_of_children(names: Iterable[str]) -> dict[tuple[str, str], list[str]]:
    """(tree, path) -> what its section says that the agent can, where it says something. One query."""
    found: dict[tuple[str, str], list[str]] = {}
    heads = Tree.objects.filter(name__in=list(names), deleted_at=None).select_related("head").order_by("name")
    for tree in heads:
        for each in declared(tree.head.runs) if tree.head is not None else ():
            said = (each.child.get("agent") or {}).get("capabilities")
            if said:
                found[tree.name, each.path] = list(said)
    return found


def config_of(
    configs: Mapping[tuple[str, str], tuple[str, int, bool]], key: str
) -> tuple[str, int | None, bool]:
    """What `configs_of_children` says of the agent with this key; an empty name for one whose tree says it all."""
    tree, _, path = key.partition("/")
    return configs.get((tree, path)) or configs.get((tree, path_of(key))) or ("", None, False)


def read(text: str) -> ConfigDocument:
    """A config as somebody typed it. Raises RefusedError."""
    if len(text) > MAX_CONFIG:
        raise RefusedError([{"detail": "The config has more than 1 MiB."}], 413)
    try:
        document = read_config_text(text)
        selectors.check_kind(document)
    except AgentsError as error:
        raise refused(error) from error
    return document


def refused(error: AgentsError | TreesError) -> RefusedError:
    """What the services refuse, for a person."""
    if isinstance(error, InvalidConfigError | InvalidDocumentError):
        return RefusedError(
            [{"pointer": one.pointer, "detail": one.detail, "line": one.line} for one in error.faults]
        )
    if isinstance(error, TooLargeError):
        return RefusedError([{"pointer": error.pointer, "detail": str(error), "line": None}], 413)
    if isinstance(error, ChangedMeanwhileError):
        words = (
            "The config was changed meanwhile, so nothing was done. Look at its history, then decide again."
        )
        return RefusedError([{"detail": words}], 412)
    return RefusedError([{"detail": str(error)}], 409)


def preview(config: AgentConfig | None, document: ConfigDocument) -> dict[str, Any]:
    """`diff` and `plan` of the templates: what applying it changes, by what is declared. Nobody is asked for it, so that it
    may be had with every key that is typed. Raises RefusedError."""
    head = config.head if config is not None else None
    diff = config_diff(head.document if head is not None else None, document.sparse)
    if config is None or head is None or head.digest == document.digest:
        return {
            "diff": lines_of(diff),
            "plan": {"steps": [], "summary": "no tree follows it"},
            "is_same": not diff,
        }
    try:
        after = selectors.trees_after(config.ref, document, number=head.number + 1)
        steps = [step for one in after for step in summary(trees.plan_between(one.before.runs, one.tree))]
    except TreesError as error:
        raise refused(error) from error
    changed = [step for step in steps if step.do != "keep" and not _is_only_number(step)]
    return {
        "diff": lines_of(diff),
        "plan": {"steps": changed[:SHOWN_STEPS], "summary": _summary(changed, len(after))},
        "is_same": not diff,
    }


def _is_only_number(step: PlanStep) -> bool:
    """A tree's root is updated by nothing that it runs."""
    return step.do == "update" and "/" not in step.key


def _summary(steps: list[PlanStep], trees_following: int) -> str:
    if not trees_following:
        return "no tree follows it"
    where = "1 tree follows it" if trees_following == 1 else f"{trees_following} trees follow it"
    counts: dict[str, int] = {}
    for step in steps:
        counts[step.do] = counts.get(step.do, 0) + 1
    words = ", ".join(f"{number} to {verb}" for verb, number in sorted(counts.items()))
    return f"{where}: {words or 'nothing changes'}"


def canary_of(config: AgentConfig, *, may_stop: bool) -> dict[str, Any] | None:
    """What tries a revision, or failed to, as long as nothing newer was applied."""
    row = selectors.newest_canary(config)
    if row is None or row.state not in (CanaryState.RUNNING, CanaryState.FAILED):
        return None
    newest = config.head.number if config.head is not None else 0
    if row.state == CanaryState.FAILED and row.revision.number < newest:
        return None
    return {
        "state": row.state,
        "reason": row.reason,
        "revision": row.revision.number,
        "newest": newest,
        "key": row.key,
        "url": reverse("agent", args=[row.key]),
        "node": row.node,
        "observe_s": row.observe_s,
        "at": seconds(row.finished_at or row.started_at),
        "stop_url": reverse("config", args=[config.namespace, config.name])
        if may_stop and row.state == CanaryState.RUNNING
        else "",
    }


def observed_for(text: str) -> CanaryOptions:
    """As somebody typed it, in seconds. Raises RefusedError."""
    if not text.isascii() or not text.isdecimal() or int(text[:9]) > MAX_OBSERVE_S:
        words = f"Watch it for: a number of seconds, at most {MAX_OBSERVE_S:g}."
        raise RefusedError([{"pointer": "observe", "detail": words, "line": None}])
    return CanaryOptions(float(text))


def lines_of(diff: str) -> list[dict[str, str]]:
    """A unified diff as templates show it."""
    shown = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    return [{"sign": line[:1] or " ", "text": line} for line in shown]
