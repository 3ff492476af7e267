"""One walk over a syntax tree: scopes, bindings, uses, parents, and the nodes that rules ask for, by type.

Rules never walk a file themselves. They get a node and climb (`parent`), look a name up (`Scope`), or take one of the
lists kept here. The walk uses an explicit stack, so deep nesting costs memory and not the interpreter's stack.
"""

import ast
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar, cast

N = TypeVar("N", bound=ast.AST)
ScopeKind = Literal["module", "class", "function"]
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
LOOPS = (ast.While, ast.For, ast.AsyncFor)

# Kept per type for the dispatcher and for rules that compare siblings.
_KEPT = frozenset(
    {
        ast.Call, ast.While, ast.For, ast.AsyncFor, ast.ExceptHandler, ast.Try, ast.With, ast.AsyncWith, ast.Assign,
        ast.AnnAssign, ast.AugAssign, ast.Return, ast.If, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef,
        ast.Await, ast.Attribute, ast.IfExp, ast.Global, ast.Delete, ast.Subscript, ast.Yield, ast.YieldFrom,
    }
)  # fmt: skip

_NO_CHILDREN = {
    "ctx", "op", "ops", "kind", "typecomment", "id", "attr", "lineno", "name", "names", "asname", "module", "level",
    "typeignores", "arg", "simple", "is_async", "conversion", "rest", "kwd_attrs",
}  # fmt: skip


def _child_fields() -> dict[type[ast.AST], tuple[str, ...]]:
    fields: dict[type[ast.AST], tuple[str, ...]] = {}
    for value in vars(ast).values():
        if isinstance(value, type) and issubclass(value, ast.AST):
            fields[value] = tuple(name for name in value._fields if name not in _NO_CHILDREN)
    fields[ast.Constant] = ()
    fields[ast.Import] = fields[ast.ImportFrom] = fields[ast.Global] = fields[ast.Nonlocal] = ()
    return fields


CHILD_FIELDS = _child_fields()


def children(node: ast.AST) -> list[ast.AST]:
    """The child nodes in source order, without the context and operator singletons."""
    found: list[ast.AST] = []
    for field in CHILD_FIELDS[node.__class__]:
        value = getattr(node, field, None)
        if value is None:
            continue
        if value.__class__ is list:
            found += [item for item in value if item is not None]
        else:
            found.append(value)
    return found


def walk(*roots: ast.AST, into_functions: bool = False) -> Iterator[ast.AST]:
    """Every node below `roots` (included) in source order; bodies of nested functions and classes only when asked."""
    stack = list(reversed(roots))
    first = set(map(id, roots))
    while stack:
        node = stack.pop()
        yield node
        if (
            not into_functions
            and id(node) not in first
            and isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Lambda))
        ):
            continue
        stack.extend(reversed(children(node)))


def walk_body(body: list[ast.stmt], *, into_functions: bool = False) -> Iterator[ast.AST]:
    """`walk` over a statement list; a function defined directly in it is yielded and not entered."""
    for statement in body:
        if not into_functions and isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
            yield statement
        else:
            yield from walk(statement, into_functions=into_functions)


class Binding:
    """One way a name gets its value. `node` is the expression (or definition) that it comes from."""

    __slots__ = ("at", "dotted", "kind", "node")

    def __init__(self, kind: str, node: ast.AST | None, at: ast.AST, dotted: str = "") -> None:
        self.kind = kind  # import, value, annotation, parameter, with, loop, unpack, function, class, except, augmented
        self.node = node
        self.at = at
        self.dotted = dotted


class Scope:
    """A module, class or function body, with what its names are bound to and where they are read."""

    __slots__ = (
        "bindings",
        "children",
        "declared",
        "is_async",
        "kind",
        "loads",
        "name",
        "node",
        "parent",
        "qualname",
    )

    def __init__(self, node: ast.AST, kind: ScopeKind, parent: "Scope | None", name: str) -> None:
        self.node = node
        self.kind = kind
        self.parent = parent
        self.name = name
        self.qualname: str = name if parent is None or not parent.qualname else f"{parent.qualname}.{name}"
        self.bindings: dict[str, list[Binding]] = {}
        self.loads: dict[str, list[ast.Name]] = {}
        self.declared: set[str] = set()  # global and nonlocal
        self.children: list[Scope] = []
        self.is_async = isinstance(node, ast.AsyncFunctionDef)
        if parent is not None:
            parent.children.append(self)

    def bind(self, name: str, binding: Binding) -> None:
        """Record a binding; a declared name is bound in the scope that owns it."""
        target = self.owner_of(name) if name in self.declared else self
        target.bindings.setdefault(name, []).append(binding)

    def owner_of(self, name: str) -> "Scope":
        """The scope that a declared (global, nonlocal) name belongs to."""
        scope = self.parent
        while scope is not None and scope.parent is not None:
            if scope.kind == "function" and name in scope.bindings and name not in scope.declared:
                return scope
            scope = scope.parent
        return scope or self

    def lookup(self, name: str) -> "Scope | None":
        """The scope that binds `name` as seen from here, by Python's rules (class bodies are skipped from inside)."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.bindings and (scope.kind != "class" or scope is self):
                return scope
            scope = scope.parent
        return None

    def enclosing_class(self) -> "Scope | None":
        """The class whose `self` is meant here: that of the innermost method, also from functions nested in it."""
        scope: Scope | None = self
        while scope is not None and scope.kind != "class":
            scope = scope.parent
        return scope

    def function(self) -> "Scope | None":
        """The innermost function scope, if any."""
        return self if self.kind == "function" else None

    def chain(self) -> Iterator["Scope"]:
        """This scope and those around it."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def below(self) -> Iterator["Scope"]:
        """This scope and those inside it."""
        stack = [self]
        while stack:
            scope = stack.pop()
            yield scope
            stack.extend(scope.children)


class FileIndex:
    """A parsed file, walked once."""

    def __init__(self, tree: ast.Module, module: str, *, is_package: bool = False) -> None:
        self.tree = tree
        self.module = module
        self.is_package = is_package
        self.parent: dict[ast.AST, ast.AST] = {}
        self.scope_at: dict[ast.AST, Scope] = {}  # of kept nodes and scope-making nodes
        self.scopes: dict[ast.AST, Scope] = {}  # by the node that makes the scope
        self.nodes: dict[type[ast.AST], list[ast.AST]] = {}
        self.stars: list[str] = []
        self.top = Scope(tree, "module", None, "")
        self.scopes[tree] = self.top
        self._build()

    def of(self, kind: type[N]) -> list[N]:
        """Every node of that type, outer functions first."""
        return cast("list[N]", self.nodes.get(kind, []))

    def climb(self, node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
        """Pairs (child, parent) from `node` up to the module."""
        parent = self.parent
        child = node
        up = parent.get(child)
        while up is not None:
            yield child, up
            child, up = up, parent.get(up)

    def scope_of(self, node: ast.AST) -> Scope:
        """The scope a node is evaluated in (decorators, defaults and annotations belong to the outer one)."""
        known = self.scope_at.get(node)
        if known is not None:
            return known
        for child, up in self.climb(node):
            if isinstance(up, (*FUNCTIONS, ast.ClassDef)) and any(child is item for item in up.body):
                return self.scopes[up]
            known = self.scope_at.get(up)
            if known is not None:
                return known
        return self.top

    def statement(self, node: ast.AST) -> ast.stmt | None:
        """The statement a node stands in."""
        current: ast.AST | None = node
        while current is not None and not isinstance(current, ast.stmt):
            current = self.parent.get(current)
        return current

    def block(self, statement: ast.stmt) -> list[ast.stmt]:
        """The statement list that holds `statement`."""
        up = self.parent.get(statement)
        if up is not None:
            for field in ("body", "orelse", "finalbody"):
                block = getattr(up, field, None)
                if isinstance(block, list) and any(item is statement for item in block):
                    return block
        return [statement]

    # ------------------------------------------------------------------------------------------------ the walk

    def _build(self) -> None:
        pending: list[tuple[Scope, list[ast.AST]]] = [(self.top, list(self.tree.body))]
        for node in self.tree.body:
            self.parent[node] = self.tree
        while pending:
            scope, roots = pending.pop()
            self._walk_scope(scope, roots, pending)

    def _walk_scope(
        self, scope: Scope, roots: list[ast.AST], pending: list[tuple[Scope, list[ast.AST]]]
    ) -> None:
        stack = list(reversed(roots))
        parent, nodes, scope_at, loads = self.parent, self.nodes, self.scope_at, scope.loads
        while stack:
            node = stack.pop()
            kind = node.__class__
            if kind is ast.Name:
                if node.ctx.__class__ is ast.Load:  # type: ignore[attr-defined]  # narrowed by class, for speed
                    loads.setdefault(node.id, []).append(node)  # type: ignore[attr-defined,arg-type]  # as above
                continue
            if kind in _KEPT:
                nodes.setdefault(kind, []).append(node)
                scope_at[node] = scope
            binder = _BINDERS.get(kind)
            if binder is not None:
                binder(self, scope, node)
            if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
                inner, now, later = self._open(scope, node)
                pending.append((inner, later))
                for child in later:
                    parent[child] = node
                for child in now:
                    parent[child] = node
                stack.extend(reversed(now))
                continue
            below: list[ast.AST] = []
            for field in CHILD_FIELDS[kind]:
                value = getattr(node, field, None)
                if value is None:
                    continue
                if value.__class__ is list:
                    for item in value:
                        if item is not None:
                            parent[item] = node
                            below.append(item)
                else:
                    parent[value] = node
                    below.append(value)
            below.reverse()
            stack += below

    def _open(
        self, scope: Scope, node: FunctionNode | ast.ClassDef
    ) -> tuple[Scope, list[ast.AST], list[ast.AST]]:
        """A new scope: what is evaluated outside it, and its body."""
        now: list[ast.AST] = list(node.decorator_list)
        if isinstance(node, ast.ClassDef):
            inner = Scope(node, "class", scope, node.name)
            now += [*node.bases, *node.keywords]
        else:
            inner = Scope(node, "function", scope, node.name)
            now.append(node.args)
            if node.returns is not None:
                now.append(node.returns)
            for argument in all_arguments(node):
                inner.bindings.setdefault(argument.arg, []).append(
                    Binding("parameter", argument.annotation, argument)
                )
        self.scopes[node] = inner
        return inner, now, list(node.body)

    def absolute(self, module: str | None, level: int) -> str:
        """The absolute dotted name of an import's module."""
        if not level:
            return module or ""
        parts = self.module.split(".")
        drop = level - 1 if self.is_package else level
        base = parts[: len(parts) - drop] if drop <= len(parts) else []
        return ".".join([*base, *([module] if module else [])])


def all_arguments(node: FunctionNode | ast.Lambda) -> list[ast.arg]:
    """Every parameter of a function, the starred ones included."""
    arguments = node.args
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    found += [starred for starred in (arguments.vararg, arguments.kwarg) if starred is not None]
    return found


# ----------------------------------------------------------------------------------------------------- binders


def bind_target(scope: Scope, target: ast.AST, kind: str, value: ast.AST | None, at: ast.AST) -> None:
    """Bind the names of an assignment target; elements of a tuple are matched with those of a tuple value."""
    if isinstance(target, ast.Name):
        scope.bind(target.id, Binding(kind, value, at))
    elif isinstance(target, ast.Starred):
        bind_target(scope, target.value, "unpack", value, at)
    elif isinstance(target, (ast.Tuple, ast.List)):
        values: list[ast.expr] | None = None
        if (
            kind == "value"
            and isinstance(value, (ast.Tuple, ast.List))
            and len(value.elts) == len(target.elts)
        ):
            values = value.elts
        for position, element in enumerate(target.elts):
            if values is not None:
                bind_target(scope, element, "value", values[position], at)
            else:
                bind_target(scope, element, "unpack", value, at)


def _assign(index: FileIndex, scope: Scope, node: ast.Assign) -> None:
    for target in node.targets:
        bind_target(scope, target, "value", node.value, node)


def _ann_assign(index: FileIndex, scope: Scope, node: ast.AnnAssign) -> None:
    if node.value is not None:
        bind_target(scope, node.target, "value", node.value, node)
    bind_target(scope, node.target, "annotation", node.annotation, node)


def _aug_assign(index: FileIndex, scope: Scope, node: ast.AugAssign) -> None:
    bind_target(scope, node.target, "augmented", node.value, node)


def _named(index: FileIndex, scope: Scope, node: ast.NamedExpr) -> None:
    bind_target(scope, node.target, "value", node.value, node)


def _loop(index: FileIndex, scope: Scope, node: ast.For | ast.AsyncFor | ast.comprehension) -> None:
    bind_target(scope, node.target, "loop", node.iter, node)


def _with(index: FileIndex, scope: Scope, node: ast.With | ast.AsyncWith) -> None:
    for item in node.items:
        if item.optional_vars is not None:
            bind_target(scope, item.optional_vars, "with", item.context_expr, node)


def _definition(index: FileIndex, scope: Scope, node: FunctionNode | ast.ClassDef) -> None:
    scope.bind(node.name, Binding("class" if isinstance(node, ast.ClassDef) else "function", node, node))


def _handler(index: FileIndex, scope: Scope, node: ast.ExceptHandler) -> None:
    if node.name:
        scope.bind(node.name, Binding("except", node.type, node))


def _declare(index: FileIndex, scope: Scope, node: ast.Global | ast.Nonlocal) -> None:
    """Python wants the declaration before the first use, so the walk meets it in time."""
    if scope.kind == "function":
        scope.declared.update(node.names)


def _import(index: FileIndex, scope: Scope, node: ast.Import) -> None:
    for alias in node.names:
        if alias.asname:
            scope.bind(alias.asname, Binding("import", None, node, alias.name))
        else:
            top = alias.name.split(".")[0]
            scope.bind(top, Binding("import", None, node, top))


def _import_from(index: FileIndex, scope: Scope, node: ast.ImportFrom) -> None:
    base = index.absolute(node.module, node.level)
    for alias in node.names:
        if alias.name == "*":
            index.stars.append(base)
        else:
            dotted = f"{base}.{alias.name}" if base else alias.name
            scope.bind(alias.asname or alias.name, Binding("import", None, node, dotted))


_BINDERS: dict[
    type[ast.AST], Callable[[FileIndex, Scope, Any], None]
] = {  # Any: each takes the type of its key
    ast.Assign: _assign,
    ast.AnnAssign: _ann_assign,
    ast.AugAssign: _aug_assign,
    ast.NamedExpr: _named,
    ast.For: _loop,
    ast.AsyncFor: _loop,
    ast.comprehension: _loop,
    ast.With: _with,
    ast.AsyncWith: _with,
    ast.FunctionDef: _definition,
    ast.AsyncFunctionDef: _definition,
    ast.ClassDef: _definition,
    ast.ExceptHandler: _handler,
    ast.Global: _declare,
    ast.Nonlocal: _declare,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
}
