"""`manage.py agent_config`"""

import time
from collections.abc import Mapping
from typing import Any, ClassVar

from django.core.management.base import CommandParser

from agents.configs.document import config_yaml
from controlplane.cli.agentconfigs import Configs, configs_of
from controlplane.cli.arguments import START_TIMEOUT_S, add_wait, add_yes, seconds
from controlplane.cli.command import Invocation
from controlplane.cli.confirm import confirm
from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.storecommand import Body, Do, StoreCommand, answer, read_mapping
from controlplane.cli.table import table

Options = Mapping[str, Any]
OBSERVE_S = 10.0
LOOKED_EVERY_S = 0.5


def _list(invocation: Invocation, _options: Options) -> None:
    found = configs_of(invocation.remote).listed()
    rows = [
        [
            f"{one['namespace']}/{one['name']}",
            str(one["revision"]),
            one["kind"],
            one["author"],
            one["message"],
        ]
        for one in found
    ]
    answer(
        invocation,
        {"configs": [dict(one) for one in found]},
        lambda: table(
            ("CONFIG", "REV", "KIND", "WHO", "WHY"), rows, invocation.terminal, empty="No agent config."
        ),
    )


def _show(invocation: Invocation, options: Options) -> None:
    found = configs_of(invocation.remote).shown(options["name"])
    answer(invocation, found, lambda: [config_yaml(dict(found["document"])).rstrip()])


def _plan(invocation: Invocation, options: Options) -> None:
    found = configs_of(invocation.remote).planned(options["name"], read_mapping(options["file"]))

    def lines() -> list[str]:
        if not found["changed"]:
            return ["nothing changes"]
        steps = [step for tree in found["trees"] for node in tree["nodes"] for step in node["steps"]]
        said = [
            f"{step['do']}  {step['key']}  {step['why']}".rstrip() for step in steps if step["do"] != "keep"
        ]
        return [found["diff"], *said, *([f"--canary: {found['no_canary']}"] if found["no_canary"] else [])]

    answer(invocation, found, lines)


def _apply(invocation: Invocation, options: Options) -> None:
    document = read_mapping(options["file"])
    configs = configs_of(invocation.remote)
    found = configs.applied(
        options["name"], document, message=options["message"], observe_s=_observe(options)
    )
    _say(invocation, configs, found, options)


def _rollback(invocation: Invocation, options: Options) -> None:
    if options["to"] is None:
        raise CliError("rollback needs --to N", exit_code=ExitCode.USAGE)
    configs = configs_of(invocation.remote)
    found = configs.rolled_back(
        options["name"], options["to"], message=options["message"], observe_s=_observe(options)
    )
    _say(invocation, configs, found, options)


def _observe(options: Options) -> float | None:
    """Seconds; None without --canary."""
    if not options["canary"]:
        if options["observe"] is not None:
            raise CliError("--observe needs --canary", exit_code=ExitCode.USAGE)
        return None
    return OBSERVE_S if options["observe"] is None else float(options["observe"])


def _say(invocation: Invocation, configs: Configs, found: Body, options: Options) -> None:
    ref = f"{found['namespace']}/{found['name']}"
    if found["canary"] is not None and not options["no_wait"]:
        found = {**found, "canary": _decided(invocation, configs, ref, found["canary"], options["timeout"])}
    canary = found["canary"]

    def lines() -> list[str]:
        if not found["changed"]:
            return [f"{ref}  revision {found['revision']} says so already"]
        moved = [f"tree {tree['tree']}  revision {tree['revision']}" for tree in found["trees"]]
        said = [f"{ref}  revision {found['revision']}", *moved]
        if canary is not None:
            words = "tries it" if canary["state"] == "running" else "tried it"
            said.append(
                f"{canary['key']} on {canary['node']} {words}: {canary['state']} {canary['reason']}".rstrip()
            )
        return said

    answer(invocation, found, lines)
    if canary is not None and canary["state"] in ("failed", "ended"):
        raise SystemExit(int(ExitCode.FAILED))
    if canary is not None and canary["state"] == "running" and not options["no_wait"]:
        raise SystemExit(int(ExitCode.TIMEOUT))


def _decided(
    invocation: Invocation, configs: Configs, ref: str, canary: Body, timeout_s: float | None
) -> Body:
    """The trial when it is decided, or as it is when the time is over."""
    clock = invocation.clock
    until = None if timeout_s is None else clock.boot() + timeout_s
    invocation.terminal.note(f"{canary['key']} on {canary['node']} tries revision {canary['revision']}")
    while canary["state"] == "running" and (until is None or clock.boot() < until):
        time.sleep(LOOKED_EVERY_S)
        now = configs.shown(ref)["canary"]
        if now is None or now["revision"] != canary["revision"]:
            return {**canary, "state": "ended", "reason": "another revision was applied"}
        canary = now
    return canary


def _stop(invocation: Invocation, options: Options) -> None:
    ref = options["name"]
    configs_of(invocation.remote).stopped(ref, message=options["message"])
    answer(invocation, {"config": ref, "ok": True}, lambda: [f"{ref}  is tried no more"])


def _diff(invocation: Invocation, options: Options) -> None:
    found = configs_of(invocation.remote).compared(options["name"], options["older"], options["to"])
    answer(invocation, found, lambda: [found["diff"]] if found["diff"] else [])


def _delete(invocation: Invocation, options: Options) -> None:
    ref = options["name"]
    confirm(f"Delete the agent config {ref} with its revisions?", invocation.terminal, yes=options["yes"])
    configs_of(invocation.remote).deleted(ref)
    answer(invocation, {"config": ref, "ok": True}, lambda: [f"{ref}  deleted"])


class Command(StoreCommand):
    help = (
        "List, show, plan, apply, diff, roll back and delete agent configs; stop a trial (--canary). "
        "apply makes the file the config's next revision, and one of every tree that follows it."
    )
    example = "manage.py agent_config apply shop/crawler crawler.yaml -m 'deeper'"
    noun = "namespace/name"
    with_file: ClassVar[frozenset[str]] = frozenset({"plan", "apply"})
    verbs: ClassVar[Mapping[str, Do]] = {
        "list": _list,
        "show": _show,
        "plan": _plan,
        "apply": _apply,
        "diff": _diff,
        "rollback": _rollback,
        "delete": _delete,
        "stop": _stop,
    }

    def arguments(self, parser: CommandParser) -> None:
        super().arguments(parser)
        parser.add_argument("-m", "--message", default="", help="Why; kept with the revision.")
        parser.add_argument(
            "--canary",
            action="store_true",
            help="With apply, rollback: one agent tries it first, and goes back by itself.",
        )
        parser.add_argument(
            "--observe",
            type=seconds,
            metavar="TIME",
            help=f"With --canary: how long it has to stay ready (default: {OBSERVE_S:g}s).",
        )
        add_wait(parser, default=START_TIMEOUT_S)
        parser.add_argument("--to", type=int, metavar="N", help="Revision (rollback, diff).")
        parser.add_argument(
            "--from", dest="older", type=int, metavar="N", help="Revision to compare with (diff)."
        )
        add_yes(parser)
