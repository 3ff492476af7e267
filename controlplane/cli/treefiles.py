"""Tree files on the command line: reading them, and putting what is wrong where it is written."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from controlplane.cli.exits import CliError
from controlplane.cli.problems import Trouble
from supervision.explain.words import count
from supervision.runtime.client import ControlError
from supervision.runtime.treedoc import TreeDocument
from supervision.trees.treefile import Problem, TreeFile, TreeFileErrors, read_tree_file


def load(path: str) -> tuple[TreeFile, TreeDocument]:
    """A valid tree file; CliError with every problem of one that is not."""
    try:
        file = read_tree_file(path)
        return file, file.parse()
    except TreeFileErrors as errors:
        raise invalid(path, errors.problems, what="tree") from None


def invalid(path: str, problems: Sequence[Problem], *, what: str) -> CliError:
    """What a command that needs a valid file ends with."""
    troubles = [_trouble("error", problem).to_json() for problem in problems]
    message = f"{path} is no valid {what}: {count(len(troubles), 'problem')}"
    return CliError(message, code="invalid", details={"problems": troubles})


def findings_of(file: TreeFile, findings: Iterable[Mapping[str, Any]]) -> list[Trouble]:
    """What the node found, at the lines of the file."""
    return [
        _trouble(
            str(finding.get("severity", "error")),
            file.problem(str(finding.get("pointer", "")), str(finding.get("message", ""))),
        )
        for finding in findings
    ]


def refused(file: TreeFile, error: ControlError) -> CliError | ControlError:
    """A refusal of the node, with its faults at their lines when it is about the document."""
    found = error.details.get("errors") or error.details.get("findings")
    if not found:
        return error
    troubles = [trouble.to_json() for trouble in findings_of(file, found)]
    return CliError(error.message, code=error.code, details={"problems": troubles})


def _trouble(severity: str, problem: Problem) -> Trouble:
    return Trouble(severity, problem.file, problem.line, problem.column, problem.pointer, problem.message)
