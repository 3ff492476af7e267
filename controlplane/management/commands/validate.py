"""`manage.py validate`"""

from typing import Any

from django.core.management.base import CommandParser

from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.problems import carried_by, show
from controlplane.cli.treefiles import load


class Command(OperatorCommand):
    is_remote = False
    help = "Check tree files strictly, with no node and touching nothing: every problem with file, line and column."
    example = "manage.py validate trees/*.yaml"

    def arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "files", nargs="+", metavar="FILE", help="Tree files, YAML or JSON; - reads standard input."
        )

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        terminal = invocation.terminal
        results: list[dict[str, Any]] = []
        for path in options["files"]:
            try:
                _, tree = load(path)
            except CliError as error:
                troubles = carried_by(error.details)
                if not terminal.json:
                    show(troubles, terminal)
                problems = [trouble.to_json() for trouble in troubles]
                results.append(
                    {"file": path, "valid": False, "tree": None, "children": None, "problems": problems}
                )
                continue
            children = sum(not each.is_supervisor for each in tree.declared())
            results.append(
                {"file": path, "valid": True, "tree": tree.name, "children": children, "problems": []}
            )
            if not terminal.json:
                terminal.line(f"{path}: valid, tree {tree.name}")
        valid = all(result["valid"] for result in results)
        if terminal.json:
            terminal.document({"ok": valid, "files": results})
        return ExitCode.DONE if valid else ExitCode.FAILED
