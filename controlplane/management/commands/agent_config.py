"""`manage.py agent_config`"""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser
from django.db import OperationalError

from agents.configs.document import config_yaml
from controlplane.cli.agentconfigs import Configs, configs_of
from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.confirm import confirm
from controlplane.cli.exits import CliError, ExitCode
from supervision.trees.treefile import TreeFileErrors, read_tree_file

VERBS = ("list", "show", "plan", "apply", "diff", "rollback", "delete")
NEEDS_FILE = ("plan", "apply")


class Command(OperatorCommand):
    help = (
        "List, show, plan, apply, diff, roll back and delete agent configs. "
        "apply makes the file the config's next revision, and one of every tree that follows it."
    )
    example = "manage.py agent_config apply shop/crawler crawler.yaml -m 'deeper'"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument("do", choices=VERBS, help="What to do.")
        parser.add_argument("config", nargs="?", help="namespace/name (not with list).")
        parser.add_argument("file", nargs="?", help="YAML or JSON, `-` for standard input (plan, apply).")
        parser.add_argument("-m", "--message", default="", help="Why; kept with the revision.")
        parser.add_argument("--canary", action="store_true", help="With apply: one place first.")
        parser.add_argument("--to", type=int, metavar="N", help="Revision (rollback, diff).")
        parser.add_argument(
            "--from", dest="older", type=int, metavar="N", help="Revision to compare with (diff)."
        )
        parser.add_argument("-y", "--yes", action="store_true", help="With delete: do not ask.")

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        do, ref = options["do"], options["config"]
        if do != "list" and not ref:
            raise CliError(f"{do} needs a config: namespace/name", exit_code=ExitCode.USAGE)
        if (do in NEEDS_FILE) != bool(options["file"]):
            words = "needs a file" if do in NEEDS_FILE else "takes no file"
            raise CliError(f"{do} {words}", exit_code=ExitCode.USAGE)
        configs = configs_of(invocation.remote)
        try:
            _VERBS[do](invocation, configs, ref, options)
        except OperationalError:
            raise CliError("PostgreSQL does not answer", code="unavailable") from None
        return ExitCode.DONE


def _list(invocation: Invocation, configs: Configs, _ref: str, _options: Mapping[str, Any]) -> None:
    found = configs.listed()
    if invocation.terminal.json:
        invocation.terminal.document({"configs": [dict(one) for one in found]})
        return
    for one in found:
        ref = f"{one['namespace']}/{one['name']}"
        invocation.terminal.line(
            f"{ref}  revision {one['revision']}  {one['kind']}  {one['author']}: {one['message']}"
        )


def _show(invocation: Invocation, configs: Configs, ref: str, _options: Mapping[str, Any]) -> None:
    found = configs.shown(ref)
    if invocation.terminal.json:
        invocation.terminal.document(dict(found))
        return
    invocation.terminal.line(config_yaml(dict(found["document"])).rstrip())


def _plan(invocation: Invocation, configs: Configs, ref: str, options: Mapping[str, Any]) -> None:
    found = configs.planned(ref, _read(options["file"]))
    if invocation.terminal.json:
        invocation.terminal.document(dict(found))
        return
    if not found["changed"]:
        invocation.terminal.line("nothing changes")
        return
    invocation.terminal.line(found["diff"])
    for tree in found["trees"]:
        for node in tree["nodes"]:
            for step in node["steps"]:
                if step["do"] != "keep":
                    invocation.terminal.line(f"{step['do']}  {step['key']}  {step['why']}".rstrip())


def _apply(invocation: Invocation, configs: Configs, ref: str, options: Mapping[str, Any]) -> None:
    found = configs.applied(ref, _read(options["file"]), message=options["message"], canary=options["canary"])
    _say(invocation, found)


def _rollback(invocation: Invocation, configs: Configs, ref: str, options: Mapping[str, Any]) -> None:
    if options["to"] is None:
        raise CliError("rollback needs --to N", exit_code=ExitCode.USAGE)
    _say(invocation, configs.rolled_back(ref, options["to"], message=options["message"]))


def _say(invocation: Invocation, found: Mapping[str, Any]) -> None:
    if invocation.terminal.json:
        invocation.terminal.document(dict(found))
        return
    ref = f"{found['namespace']}/{found['name']}"
    if not found["changed"]:
        invocation.terminal.line(f"{ref}  revision {found['revision']} says so already")
        return
    invocation.terminal.line(f"{ref}  revision {found['revision']}")
    for tree in found["trees"]:
        invocation.terminal.line(f"tree {tree['tree']}  revision {tree['revision']}")


def _diff(invocation: Invocation, configs: Configs, ref: str, options: Mapping[str, Any]) -> None:
    found = configs.compared(ref, options["older"], options["to"])
    if invocation.terminal.json:
        invocation.terminal.document(dict(found))
    elif found["diff"]:
        invocation.terminal.line(found["diff"])


def _delete(invocation: Invocation, configs: Configs, ref: str, options: Mapping[str, Any]) -> None:
    confirm(f"Delete the agent config {ref} with its revisions?", invocation.terminal, yes=options["yes"])
    configs.deleted(ref)
    if invocation.terminal.json:
        invocation.terminal.document({"config": ref, "ok": True})
    else:
        invocation.terminal.line(f"{ref}  deleted")


def _read(path: str) -> dict[str, Any]:
    """What the file says; whether it is a config, the control plane decides. CliError for what cannot be read."""
    try:
        value = read_tree_file(path).text.value
    except TreeFileErrors as errors:
        raise CliError(str(errors), code="invalid") from None
    if not isinstance(value, dict):
        raise CliError(f"{path} holds no mapping", code="invalid")
    return value


_VERBS = {
    "list": _list,
    "show": _show,
    "plan": _plan,
    "apply": _apply,
    "diff": _diff,
    "rollback": _rollback,
    "delete": _delete,
}
