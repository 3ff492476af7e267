"""`manage.py schema`"""

from typing import Any

from controlplane.cli.command import Invocation, OperatorCommand
from controlplane.cli.exits import ExitCode
from supervision.trees.schema import schema_text


class Command(OperatorCommand):
    is_remote = False
    help = "Print the JSON Schema of tree files, for editors and generators. The same as docs/schema/tree-v1.json."
    example = "manage.py schema > tree-v1.json"

    def run(self, invocation: Invocation, options: dict[str, Any]) -> ExitCode:
        invocation.terminal.out.write(schema_text())
        return ExitCode.DONE
