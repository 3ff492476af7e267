"""What a rule sees of a file: names resolved across the project, handles followed, and where a node stands."""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import cast

from supervision.audit.finding import Confidence, Finding
from supervision.audit.handles import Fate, Handles
from supervision.audit.index import FUNCTIONS, LOOPS, FileIndex, FunctionNode, Scope, walk
from supervision.audit.names import Names
from supervision.audit.project import FunctionSummary, Project

HIGH, MEDIUM, LOW = Confidence.HIGH, Confidence.MEDIUM, Confidence.LOW
TRIES = (ast.Try, ast.TryStar)
_TEST_CLASSES = frozenset(
    {
        "unittest.TestCase",
        "unittest.IsolatedAsyncioTestCase",
        "django.test.TestCase",
        "django.test.TransactionTestCase",
    }
)


class View:
    """One file under audit."""

    def __init__(self, index: FileIndex, names: Names, project: Project, path: str, lines: list[str]) -> None:
        self.index = index
        self.names = names
        self.project = project
        self.path = path
        self.lines = lines
        self.handles = Handles(index, names, project)
        self.findings: list[Finding] = []
        self.in_tests = _is_test_path(path)
        self._callees: dict[ast.AST, str | None] = {}
        self.failed: list[str] = []  # rules that ran out of stack here
        self.cache: dict[str, object] = {}  # what one rule module computed once for the file
        self._reported: set[tuple[str, int, int]] = set()

    # -------------------------------------------------------------------------------------------------- names

    def callee(self, call: ast.Call) -> str | None:
        """The canonical name of what is called, or None."""
        try:
            return self._callees[call]
        except KeyError:
            found = self._callees[call] = self.canonical(call.func)
            return found

    def canonical(self, node: ast.AST, scope: Scope | None = None) -> str | None:
        """The canonical reference of an expression."""
        ref = self.names.ref(node, scope)
        return self.project.canonical(ref) if ref else None

    def instance(self, node: ast.AST, scope: Scope | None = None) -> str | None:
        """The class that the value of `node` is an instance of, or None."""
        ref = self.canonical(node, scope)
        return ref.removesuffix("()") if ref and ref.endswith("()") and self.project.is_type(ref) else None

    def is_instance(self, node: ast.AST, classes: frozenset[str]) -> bool:
        """Whether the value is known to be of one of these classes or a class derived from them."""
        found = self.instance(node)
        return found is not None and self.project.is_a(found, classes)

    def makes(self, call: ast.Call) -> tuple[str | None, bool]:
        """The class of the object that a call makes, and whether a factory of the project made it."""
        callee = self.callee(call)
        if callee is None:
            return None, False
        factory = self.project.function_of(callee)
        if factory is None:
            return callee, False
        if not factory.fresh:
            return None, True
        made = self.project.canonical(f"{callee}()")
        return (made.removesuffix("()") if made.endswith("()") else None), True

    def function_called(self, call: ast.Call) -> FunctionSummary | None:
        """The project's function that is called, if it is one."""
        callee = self.callee(call)
        return self.project.function_of(callee) if callee else None

    # ------------------------------------------------------------------------------------------------- places

    def up(self, node: ast.AST) -> ast.AST | None:
        """The parent."""
        return self.index.parent.get(node)

    def scope(self, node: ast.AST) -> Scope:
        """The scope that `node` is evaluated in."""
        return self.index.scope_of(node)

    def function(self, node: ast.AST) -> Scope | None:
        """The function that `node` stands in directly, if any."""
        return self.scope(node).function()

    def in_lambda(self, node: ast.AST) -> bool:
        """Whether a lambda stands between `node` and its function."""
        for _, up in self.index.climb(node):
            if isinstance(up, ast.Lambda):
                return True
            if isinstance(up, ast.stmt):
                return False
        return False

    def in_coroutine(self, node: ast.AST) -> bool:
        """Whether `node` runs on the event loop: directly in an async function."""
        scope = self.scope(node)
        return scope.is_async and not self.in_lambda(node)

    def loop(self, node: ast.AST) -> ast.While | ast.For | ast.AsyncFor | None:
        """The innermost loop around `node` in its function."""
        for child, up in self.index.climb(node):
            if isinstance(up, (*FUNCTIONS, ast.ClassDef, ast.Lambda)):
                return None
            if isinstance(up, LOOPS) and any(child is item for item in up.body):
                return up
        return None

    def branches(self, node: ast.AST) -> Iterator[tuple[ast.Try, str]]:
        """The try statements around `node` in its function, innermost first, and the part it stands in."""
        for child, up in self.index.climb(node):
            if isinstance(up, (*FUNCTIONS, ast.ClassDef, ast.Lambda)):
                return
            if isinstance(up, TRIES):
                for part in ("body", "orelse", "finalbody", "handlers"):
                    if any(child is item for item in getattr(up, part)):
                        yield cast("ast.Try", up), part  # a TryStar has the same parts

    def guarded_by(self, node: ast.AST, *parts: str) -> bool:
        """Whether `node` stands in one of these parts of some try statement of its function."""
        return any(part in parts for _, part in self.branches(node))

    def withs(self, node: ast.AST) -> Iterator[ast.expr]:
        """The context expressions that are entered around `node` in its function."""
        for child, up in self.index.climb(node):
            if isinstance(up, (*FUNCTIONS, ast.ClassDef, ast.Lambda)):
                return
            if isinstance(up, (ast.With, ast.AsyncWith)) and any(child is item for item in up.body):
                for item in up.items:
                    yield item.context_expr

    def under_main_guard(self, node: ast.AST) -> bool:
        """Whether `node` stands under `if __name__ == "__main__"`."""
        return any(isinstance(up, ast.If) and is_main_guard(up.test) for _, up in self.index.climb(node))

    def is_test(self, node: ast.AST) -> bool:
        """Whether `node` is test code: by the file, or by standing in a test case."""
        if self.in_tests:
            return True
        for scope in self.scope(node).chain():
            if scope.kind == "class" and self.project.is_a(self.names.dotted(scope), _TEST_CLASSES):
                return True
        return False

    def symbol(self, node: ast.AST) -> str | None:
        """`Class.method` for the place, None at module level."""
        return self.scope(node).qualname or None

    def class_name(self, node: ast.AST) -> str | None:
        """The absolute name of the class around `node`."""
        scope = self.scope(node).enclosing_class()
        return self.names.dotted(scope) if scope is not None else None

    def fate(self, node: ast.expr) -> Fate:
        """What becomes of the value of `node`."""
        return self.handles.fate(node)

    def body(self, scope: Scope) -> list[ast.stmt]:
        """The statements of a scope."""
        body: list[ast.stmt] = getattr(scope.node, "body", [])
        return body

    # ------------------------------------------------------------------------------------------------ reports

    def report(
        self, code: str, node: ast.AST, message: str, confidence: Confidence = HIGH, *, at: int | None = None
    ) -> None:
        """Record a finding at `node`, once per place."""
        line = at or int(getattr(node, "lineno", 1))
        column: int = 1 if at else getattr(node, "col_offset", 0) + 1
        if (code, line, column) in self._reported:
            return
        self._reported.add((code, line, column))
        source = self.lines[line - 1].strip() if 0 < line <= len(self.lines) else ""
        end = max(line, int(getattr(node, "end_lineno", None) or line))
        symbol = self.symbol(node) if node is not self.index.tree else None
        self.findings.append(Finding(code, self.path, line, column, end, symbol, message, confidence, source))


# --------------------------------------------------------------------------------------------- small questions


def _is_test_path(path: str) -> bool:
    parts = PurePosixPath(path).parts
    if not parts:
        return False
    name = parts[-1]
    return (
        any(part in ("tests", "test", "testing") for part in parts[:-1])
        or name.startswith("test_")
        or name.endswith("_test.py")
        or name in ("tests.py", "conftest.py")
    )


def is_main_guard(test: ast.expr) -> bool:
    """Whether a condition is `__name__ == "__main__"`."""
    return any(isinstance(node, ast.Name) and node.id == "__name__" for node in walk(test))


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """The value of a keyword argument."""
    return next((item.value for item in call.keywords if item.arg == name), None)


def has_star_kwargs(call: ast.Call) -> bool:
    """Whether arguments come from a `**mapping`, so that a missing keyword proves nothing."""
    return any(item.arg is None for item in call.keywords)


def argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    """An argument by position or by name."""
    if len(call.args) > position and not any(
        isinstance(item, ast.Starred) for item in call.args[: position + 1]
    ):
        return call.args[position]
    return keyword(call, name)


def constant(node: ast.AST | None) -> object:
    """The value of a constant, else None; a negated number too."""
    if isinstance(node, ast.Constant):
        return node.value
    if (
        isinstance(node, ast.UnaryOp)
        and isinstance(node.op, ast.USub)
        and isinstance(node.operand, ast.Constant)
    ):
        value = node.operand.value
        return -value if isinstance(value, (int, float)) else None
    return None


def is_true(node: ast.AST | None) -> bool:
    """Whether the expression is a constant that counts as true."""
    return isinstance(node, ast.Constant) and bool(node.value)


def method(call: ast.Call) -> str | None:
    """`verb` in `x.verb()`."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else None


def receiver(call: ast.Call) -> ast.expr | None:
    """`x` in `x.verb()`."""
    return call.func.value if isinstance(call.func, ast.Attribute) else None


def same(left: ast.AST | None, right: ast.AST | None) -> bool:
    """Whether two expressions are written alike."""
    return left is not None and right is not None and ast.dump(left) == ast.dump(right)


def spelled(node: ast.AST | None) -> str:
    """The last name of an expression: `b` of `a.b`, `f` of `f()`; empty for the rest."""
    while isinstance(node, (ast.Call, ast.Subscript, ast.Await, ast.Starred)):
        node = node.func if isinstance(node, ast.Call) else node.value
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def function_node(scope: Scope | None) -> FunctionNode | None:
    """The definition of a function scope."""
    return scope.node if scope is not None and isinstance(scope.node, FUNCTIONS) else None


def exits(body: list[ast.stmt]) -> bool:
    """Whether a block always leaves: its last statement returns, raises, breaks, or ends the process."""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, (ast.Return, ast.Raise, ast.Break)):
        return True
    if isinstance(last, ast.If):
        return exits(last.body) and exits(last.orelse)
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return spelled(last.value) in ("exit", "_exit", "abort")
    return False


def raises(body: list[ast.stmt]) -> bool:
    """Whether a block contains a raise of its own."""
    return any(isinstance(node, ast.Raise) for statement in body for node in walk(statement))


def calls_in(body: list[ast.stmt]) -> Iterator[ast.Call]:
    """The calls of a block, nested functions not entered."""
    for statement in body:
        for node in walk(statement):
            if isinstance(node, ast.Call):
                yield node
