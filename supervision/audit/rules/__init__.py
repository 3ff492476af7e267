"""The rules, one module per group of patterns, and the tables by which the dispatcher finds them.

A rule is a function of a view and a node. `on_call` rules run for a callee's canonical name, `on_method` rules for the
name of a method (they must look at the receiver themselves), `on_node` rules for a type of node, `on_file` rules once.
"""

import ast
from collections.abc import Callable
from typing import Any, TypeVar

from supervision.audit.view import View

Rule = Callable[[View, Any], None]  # Any: the node type that the rule was registered for
CallRule = Callable[[View, ast.Call], None]
R = TypeVar("R", bound=Callable[..., None])

CALLS: dict[str, list[CallRule]] = {}
METHODS: dict[str, list[CallRule]] = {}
ANY_CALL: list[CallRule] = []
NODES: dict[type[ast.AST], list[Rule]] = {}
FILES: list[Callable[[View], None]] = []


def on_call(*names: str) -> Callable[[R], R]:
    """Run the rule for calls of these canonical names."""

    def register(rule: R) -> R:
        for name in names:
            CALLS.setdefault(name, []).append(rule)
        return rule

    return register


def on_method(*names: str) -> Callable[[R], R]:
    """Run the rule for calls of methods with these names."""

    def register(rule: R) -> R:
        for name in names:
            METHODS.setdefault(name, []).append(rule)
        return rule

    return register


def on_any_call(rule: R) -> R:
    """Run the rule for every call whose callee is known to be one of the project's."""
    ANY_CALL.append(rule)
    return rule


def on_node(kind: type[ast.AST]) -> Callable[[R], R]:
    """Run the rule for nodes of this type; for several, decorate it several times."""

    def register(rule: R) -> R:
        NODES.setdefault(kind, []).append(rule)
        return rule

    return register


def on_file(rule: R) -> R:
    """Run the rule once per file."""
    FILES.append(rule)
    return rule


def load() -> None:
    """Import every module of rules, so that the tables are full."""
    from supervision.audit.rules import (  # noqa: F401
        atomicity,
        blocking,
        deregistration,
        errors,
        growth,
        loops,
        processes,
        races,
        resources,
        sends,
        size,
        structure,
        tasks,
        telemetry,
        tests,
        timeouts,
    )


def check(view: View) -> None:
    """Run every rule over one file. A rule that runs out of stack on a deep expression is named in `view.failed`."""
    for call in view.index.of(ast.Call):
        name = view.callee(call)
        if name is not None:
            for rule in CALLS.get(name, ()):
                _run(view, rule, call)
            for rule in ANY_CALL:
                _run(view, rule, call)
        if isinstance(call.func, ast.Attribute):
            for rule in METHODS.get(call.func.attr, ()):
                _run(view, rule, call)
    for kind, node_rules in NODES.items():
        for node in view.index.of(kind):
            for node_rule in node_rules:
                _run(view, node_rule, node)
    for file_rule in FILES:
        _run(view, file_rule)


def _run(view: View, rule: Callable[..., None], *node: ast.AST) -> None:
    try:
        rule(view, *node)
    except RecursionError:
        if rule.__name__ not in view.failed:
            view.failed.append(rule.__name__)
