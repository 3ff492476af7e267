"""What a name is bound to, as a reference: a dotted path in which `()` marks a call.

`pool.submit` after `pool = ThreadPoolExecutor()` is `concurrent.futures.ThreadPoolExecutor().submit`. References are
made from one file alone (imports, assignments, annotations, `self`); `Project.canonical` carries them through the
other files. A reference is None when the file does not say: nothing is guessed from the spelling of a name.
"""

import ast
import builtins

from supervision.audit.index import FUNCTIONS, Binding, FileIndex, Scope

_BUILTINS = frozenset(dir(builtins))
_DEPTH = 12
_LONGEST = 200  # a longer chain of attributes and calls is a query builder's, and says nothing of threads
_TRANSPARENT = frozenset(
    {"Optional", "Union", "Annotated", "Final", "ClassVar", "Required", "NotRequired", "ReadOnly"}
)
_LITERALS: dict[type, str] = {
    ast.List: "builtins.list()", ast.ListComp: "builtins.list()", ast.Dict: "builtins.dict()",
    ast.DictComp: "builtins.dict()", ast.Set: "builtins.set()", ast.SetComp: "builtins.set()",
    ast.JoinedStr: "builtins.str()",
}  # fmt: skip
# A local of these kinds says nothing about what it holds.
_OPAQUE = frozenset({"unpack", "loop", "augmented"})


class Names:
    """References of one file's expressions."""

    def __init__(self, index: FileIndex) -> None:
        self.index = index
        self._seen: dict[ast.AST, str | None] = {}

    def dotted(self, scope: Scope, name: str = "") -> str:
        """The absolute name of a definition in `scope`."""
        return ".".join(part for part in (self.index.module, scope.qualname, name) if part)

    def own_class(self, node: ast.AST, scope: Scope) -> str | None:
        """The class that `node` (a `self` or `cls`) is an instance of, or itself."""
        if not isinstance(node, ast.Name):
            return None
        owner = scope.lookup(node.id)
        if owner is None or owner.kind != "function" or owner.parent is None or owner.parent.kind != "class":
            return None
        function = owner.node
        if not isinstance(function, FUNCTIONS):
            return None
        positional = [*function.args.posonlyargs, *function.args.args]
        if not positional or positional[0].arg != node.id:
            return None
        if any(isinstance(item, ast.Name) and item.id == "staticmethod" for item in function.decorator_list):
            return None
        return self.dotted(owner.parent)

    def ref(self, node: ast.AST, scope: Scope | None = None, depth: int = 0) -> str | None:
        """The reference of an expression, or None."""
        if node in self._seen:
            return self._seen[node]
        if depth > _DEPTH:
            return None
        scope = scope or self.index.scope_of(node)
        self._seen[node] = None  # a cycle of assignments says nothing
        found = self._ref(node, scope, depth)
        self._seen[node] = found
        return found

    def _ref(self, node: ast.AST, scope: Scope, depth: int) -> str | None:
        if isinstance(node, ast.Name):
            return self._name(node, scope, depth)
        if isinstance(node, ast.Attribute):
            base = self.ref(node.value, scope, depth + 1)
            return f"{base}.{node.attr}" if base and len(base) < _LONGEST else None
        if isinstance(node, ast.Call):
            return self._call(node, scope, depth)
        if isinstance(node, (ast.Await, ast.NamedExpr)):
            return self.ref(node.value, scope, depth + 1)
        if isinstance(node, ast.IfExp):
            return self.ref(node.body, scope, depth + 1) or self.ref(node.orelse, scope, depth + 1)
        if isinstance(node, ast.BoolOp):
            found = [self.ref(value, scope, depth + 1) for value in node.values]
            return next((ref for ref in found if ref), None)
        if isinstance(node, ast.Constant):
            return None if node.value is None else f"builtins.{type(node.value).__name__}()"
        return _LITERALS.get(node.__class__)

    def _call(self, node: ast.Call, scope: Scope, depth: int) -> str | None:
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
            owner = scope.enclosing_class()
            return f"{self.dotted(owner)}.super()" if owner else None
        base = self.ref(node.func, scope, depth + 1)
        if base == "functools.partial" and node.args:
            return self.ref(node.args[0], scope, depth + 1)
        if base == "typing.cast" and len(node.args) == 2:
            return self.annotation(node.args[0], scope, depth + 1) or self.ref(node.args[1], scope, depth + 1)
        return f"{base}()" if base else None

    def _name(self, node: ast.Name, scope: Scope, depth: int) -> str | None:
        own = self.own_class(node, scope)
        if own is not None:
            return f"{own}()"
        owner = scope.lookup(node.id)
        if owner is None:
            if node.id in _BUILTINS:
                return f"builtins.{node.id}"
            return f"{self.index.module}.{node.id}" if self.index.stars else None
        for binding in _by_usefulness(owner.bindings[node.id]):
            found = self._bound(binding, node.id, owner, depth)
            if found:
                return found
        return None

    def _bound(self, binding: Binding, name: str, owner: Scope, depth: int) -> str | None:
        if binding.kind == "import":
            return binding.dotted
        if binding.kind in ("function", "class"):
            return self.dotted(owner, name)
        if binding.node is None or binding.kind in _OPAQUE:
            return None
        inside = self.index.scope_of(binding.at) if binding.kind != "parameter" else owner
        if binding.kind in ("annotation", "parameter"):
            return self.annotation(binding.node, inside, depth + 1)
        if binding.kind == "except":
            base = self.ref(binding.node, inside, depth + 1)
            return f"{base}()" if base else None
        return self.ref(binding.node, inside, depth + 1)

    def annotation(self, node: ast.AST, scope: Scope, depth: int = 0) -> str | None:
        """The reference of an instance of the annotated type; the first member of a union that is one."""
        if depth > _DEPTH:
            return None
        if isinstance(node, ast.Constant):
            if not isinstance(node.value, str):
                return None
            try:
                parsed = ast.parse(node.value.strip(), mode="eval").body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return None
            return self.annotation(parsed, scope, depth + 1)
        if isinstance(node, ast.BinOp):
            left = self.annotation(node.left, scope, depth + 1)
            return left or self.annotation(node.right, scope, depth + 1)
        if isinstance(node, ast.Subscript):
            outer = (
                node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            )
            if outer not in _TRANSPARENT:
                return self.annotation(node.value, scope, depth + 1)
            inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            found = [self.annotation(item, scope, depth + 1) for item in inner]
            return next((ref for ref in found if ref), None)
        if isinstance(node, (ast.Name, ast.Attribute)):
            base = self.ref(node, scope, depth + 1)
            return f"{base}()" if base else None
        return None


def _by_usefulness(bindings: list[Binding]) -> list[Binding]:
    """Values before annotations: `x: Base = Derived()` is a Derived."""
    if len(bindings) == 1:
        return bindings
    return sorted(bindings, key=lambda binding: binding.kind in ("annotation", "parameter"))
