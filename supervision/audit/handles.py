"""What becomes of a handle: dropped, entered by a `with`, returned, passed on, stored, awaited, and which methods run.

A handle is followed from the expression that makes it through local names, tuples and containers, conditional
expressions, closures and known pass-through calls. Where it leaves the function for an attribute, the class's table
(`Project.verbs`) says the rest. What is passed to code that is not known counts as handed over.
"""

import ast
from dataclasses import dataclass, field

from supervision.audit.index import FUNCTIONS, LOOPS, FileIndex, Scope
from supervision.audit.names import Names
from supervision.audit.project import Project

ADDERS = frozenset(
    {
        "append",
        "add",
        "insert",
        "appendleft",
        "push",
        "extend",
        "setdefault",
        "update",
        "put",
        "put_nowait",
        "register",
    }
)
TAKERS = frozenset({"pop", "popleft", "get", "setdefault", "popitem", "__getitem__"})
VIEWS = frozenset({"values", "items", "copy", "keys"})
ENTERERS = frozenset(
    {"enter_context", "enter_async_context", "push_async_exit", "addCleanup", "enterContext"}
)
PASS_THROUGH = frozenset(
    f"builtins.{name}"
    for name in (
        "list",
        "tuple",
        "sorted",
        "reversed",
        "enumerate",
        "zip",
        "iter",
        "set",
        "filter",
        "frozenset",
        "dict",
    )
)
# These look at their arguments or use them for the length of the call; they do not take them over.
BORROWERS = frozenset(
    [f"builtins.{name}" for name in (
        "print", "len", "isinstance", "id", "str", "repr", "bool", "hasattr", "type", "hash", "getattr", "setattr",
        "format", "callable", "issubclass", "vars", "dir", "max", "min", "sum", "any", "all",
    )]
    + [f"{module}.{name}" for module in ("json", "pickle", "marshal", "yaml", "tomllib", "toml", "tomli", "plistlib",
                                         "simplejson", "ujson", "dill", "cloudpickle")
       for name in ("load", "dump", "safe_load", "safe_dump", "load_all", "safe_load_all", "full_load", "dump_all")]
    + ["yaml.CLoader", "csv.reader", "csv.writer", "csv.DictReader", "csv.DictWriter", "ast.parse", "tokenize.tokenize",
       "shutil.copyfileobj", "hashlib.file_digest", "subprocess.Popen", "subprocess.run", "subprocess.call",
       "subprocess.check_call", "subprocess.check_output", "fcntl.flock", "fcntl.lockf", "fcntl.fcntl", "select.select",
       "numpy.load", "numpy.save", "weakref.ref", "weakref.proxy", "xml.etree.ElementTree.parse", "logging.info",
       "psutil.Process", "configparser.ConfigParser.read_file", "configparser.RawConfigParser.read_file",
       "struct.unpack", "os.fstat", "os.fsync", "os.path.getsize", "traceback.print_exc", "traceback.print_exception",
       "traceback.print_stack", "faulthandler.dump_traceback", "email.message_from_file", "plistlib.load",
       "functools.partial"]
)  # fmt: skip
OBSERVERS = frozenset(
    {
        "asyncio.gather", "asyncio.wait", "asyncio.wait_for", "asyncio.shield", "asyncio.as_completed",
        "concurrent.futures.wait", "concurrent.futures.as_completed", "asyncio.wrap_future", "asyncio.timeout",
        "asyncio.AbstractEventLoop.run_until_complete", "asyncio.run", "tornado.gen.multi", "tornado.gen.with_timeout",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a handle was put: an attribute of a class, of an unknown object, a global, or somebody's container."""

    owner: str | None
    name: str
    kind: str  # attribute, global, foreign


@dataclass(slots=True)
class Fate:
    """Everything found about one handle."""

    dropped: bool = False
    entered: bool = False
    returned: bool = False
    yielded: bool = False
    awaited: bool = False
    lambda_result: bool = False
    raised: bool = False
    globals: bool = False
    contained: bool = False
    passed: list[tuple[ast.Call, str | None]] = field(default_factory=list)
    stored: list[Slot] = field(default_factory=list)
    methods: dict[str, list[ast.AST]] = field(default_factory=dict)
    names: list[tuple[Scope, str]] = field(default_factory=list)
    uses: int = 0

    def does(self, *verbs: str) -> bool:
        """Whether one of these methods is called on the handle or handed on as a callback."""
        return any(verb in self.methods for verb in verbs)

    @property
    def escapes(self) -> bool:
        """Whether somebody else may take care of it."""
        return bool(
            self.returned or self.yielded or self.passed or self.stored or self.globals or self.raised
        )


class Handles:
    """Follows handles through one file."""

    def __init__(self, index: FileIndex, names: Names, project: Project) -> None:
        self.index = index
        self.names = names
        self.project = project
        self._fates: dict[ast.AST, Fate] = {}

    def fate(self, node: ast.expr) -> Fate:
        """The fate of the value of `node`."""
        known = self._fates.get(node)
        if known is None:
            known = self._fates[node] = _Trail(self).run(node)
        return known

    def fate_of_name(self, name: str, scope: Scope, at: ast.AST) -> Fate:
        """The fate of what `name` is bound to at `at` (for the elements of an unpacked result)."""
        return _Trail(self).run_name(name, scope, at)

    def slot_verbs(self, fate: Fate) -> set[str]:
        """What is done elsewhere to the attributes that hold the handle."""
        found: set[str] = set()
        for slot in fate.stored:
            if slot.kind != "global":
                found |= self.project.verbs(slot.owner, slot.name, self.index.module)
        return found


class _Trail:
    """One search. `work` holds expressions that are the handle (or, with True, a container of it)."""

    def __init__(self, handles: Handles) -> None:
        self.index = handles.index
        self.names = handles.names
        self.project = handles.project
        self.result = Fate()
        self.work: list[tuple[ast.AST, bool]] = []
        self.seen: set[tuple[ast.AST, bool]] = set()
        self.seen_names: set[tuple[int, str, bool]] = set()

    def run(self, node: ast.expr) -> Fate:
        self.work.append((node, False))
        return self._drain()

    def run_name(self, name: str, scope: Scope, at: ast.AST) -> Fate:
        self._name(name, scope, at, container=False)
        return self._drain()

    def _drain(self) -> Fate:
        while self.work:
            node, container = self.work.pop()
            if (node, container) not in self.seen:
                self.seen.add((node, container))
                self._step(node, container)
        return self.result

    def _step(self, node: ast.AST, container: bool) -> None:
        up = self.index.parent.get(node)
        if up is None:
            return
        self.result.uses += 1
        handler = getattr(self, f"_in_{up.__class__.__name__.lower()}", None)
        if handler is not None:
            handler(up, node, container)

    # ----------------------------------------------------------------------------------- by the parent's type

    def _in_expr(self, up: ast.Expr, node: ast.AST, container: bool) -> None:
        self.result.dropped = True

    def _in_attribute(self, up: ast.Attribute, node: ast.AST, container: bool) -> None:
        verb = up.attr
        outer = self.index.parent.get(up)
        if not isinstance(outer, ast.Call) or outer.func is not up:
            if isinstance(up.ctx, ast.Store):
                self.result.methods.setdefault("daemon=" if verb == "daemon" else "=", []).append(up)
            elif not container:
                self.result.methods.setdefault(verb, []).append(up)
            return
        if container and verb in TAKERS:
            self.work.append((outer, False))
        elif container and verb in VIEWS:
            self.work.append((outer, True))
        elif container and verb in ADDERS:
            pass
        else:
            self.result.methods.setdefault(verb, []).append(outer)
            if verb in ("__enter__", "__aenter__", "__await__"):
                self.result.entered = True

    def _in_await(self, up: ast.Await, node: ast.AST, container: bool) -> None:
        self.result.awaited = True
        self.work.append((up, container))

    def _in_call(self, up: ast.Call, node: ast.AST, container: bool) -> None:
        if up.func is node:
            self.result.methods.setdefault("()", []).append(up)
        else:
            self._passed(up, container)

    def _in_keyword(self, up: ast.keyword, node: ast.AST, container: bool) -> None:
        call = self.index.parent.get(up)
        if isinstance(call, ast.Call):
            self._passed(call, container)

    def _in_starred(self, up: ast.Starred, node: ast.AST, container: bool) -> None:
        outer = self.index.parent.get(up)
        if isinstance(outer, ast.Call):
            self._passed(outer, container=False)
        else:
            self.work.append((up, container))

    def _in_assign(self, up: ast.Assign, node: ast.AST, container: bool) -> None:
        for target in up.targets:
            self._target(target, up, container)

    def _in_annassign(self, up: ast.AnnAssign, node: ast.AST, container: bool) -> None:
        if up.value is node:
            self._target(up.target, up, container)

    def _in_augassign(self, up: ast.AugAssign, node: ast.AST, container: bool) -> None:
        if up.value is node:
            self._target(up.target, up, container=True)

    def _in_namedexpr(self, up: ast.NamedExpr, node: ast.AST, container: bool) -> None:
        self._target(up.target, up, container)
        self.work.append((up, container))

    def _in_return(self, up: ast.Return, node: ast.AST, container: bool) -> None:
        self.result.returned = True

    def _in_yield(self, up: ast.Yield, node: ast.AST, container: bool) -> None:
        self.result.yielded = True

    _in_yieldfrom = _in_yield

    def _in_raise(self, up: ast.Raise, node: ast.AST, container: bool) -> None:
        self.result.raised = True

    def _in_lambda(self, up: ast.Lambda, node: ast.AST, container: bool) -> None:
        if up.body is node:
            self.result.lambda_result = True

    def _in_ifexp(self, up: ast.IfExp, node: ast.AST, container: bool) -> None:
        if up.test is not node:
            self.work.append((up, container))

    def _in_boolop(self, up: ast.BoolOp, node: ast.AST, container: bool) -> None:
        self.work.append((up, container))

    def _in_tuple(self, up: ast.expr, node: ast.AST, container: bool) -> None:
        outer = self.index.parent.get(up)
        if isinstance(outer, ast.Assign) and outer.value is up and isinstance(up, ast.Tuple):
            position = next(i for i, item in enumerate(up.elts) if item is node)
            for target in outer.targets:
                if isinstance(target, (ast.Tuple, ast.List)) and len(target.elts) == len(up.elts):
                    self._target(target.elts[position], outer, container)
                else:
                    self._target(target, outer, container=True)
            return
        self.work.append((up, True))

    _in_list = _in_tuple
    _in_set = _in_tuple

    def _in_dict(self, up: ast.Dict, node: ast.AST, container: bool) -> None:
        self.work.append((up, True))

    def _in_listcomp(self, up: ast.expr, node: ast.AST, container: bool) -> None:
        outer = self.index.parent.get(up)
        if isinstance(outer, ast.Expr):
            return  # a comprehension for its effects: the elements are dropped, their methods were seen
        self.work.append((up, True))

    _in_setcomp = _in_listcomp
    _in_generatorexp = _in_listcomp
    _in_dictcomp = _in_listcomp

    def _in_comprehension(self, up: ast.comprehension, node: ast.AST, container: bool) -> None:
        if up.iter is node and container:
            self._target(up.target, up, container=False)

    def _in_for(self, up: ast.For | ast.AsyncFor, node: ast.AST, container: bool) -> None:
        if up.iter is node:
            if container:
                self._target(up.target, up, container=False)
            else:
                self.result.methods.setdefault("iter", []).append(up)

    _in_asyncfor = _in_for

    def _in_withitem(self, up: ast.withitem, node: ast.AST, container: bool) -> None:
        self.result.entered = True

    def _in_subscript(self, up: ast.Subscript, node: ast.AST, container: bool) -> None:
        if up.value is node and container and isinstance(up.ctx, ast.Load):
            self.work.append((up, False))
        elif up.slice is node and isinstance(up.ctx, ast.Store):
            self._into(up.value)  # the key of a mapping

    def _in_slice(self, up: ast.Slice, node: ast.AST, container: bool) -> None:
        return

    # ------------------------------------------------------------------------------------------------ targets

    def _target(self, target: ast.AST, at: ast.AST, container: bool) -> None:
        if isinstance(target, ast.Name):
            self._name(target.id, self.index.scope_of(at), at, container=container)
        elif isinstance(target, ast.Attribute):
            self._attribute(target)
        elif isinstance(target, ast.Subscript):
            self._into(target.value)
        elif isinstance(target, ast.Starred):
            self._target(target.value, at, container=True)
        elif isinstance(target, (ast.Tuple, ast.List)):
            for element in target.elts:
                self._target(element, at, container=False)

    def _attribute(self, target: ast.Attribute) -> None:
        scope = self.index.scope_of(target)
        owner = self.names.own_class(target.value, scope)
        if owner is None:
            ref = self.names.ref(target.value, scope)
            owner = self.project.canonical(ref).removesuffix("()") if ref else None
            if owner is not None and self.project.class_of(owner) is None:
                owner = None
        self.result.stored.append(Slot(owner, target.attr, "attribute"))

    def _into(self, holder: ast.AST) -> None:
        """The handle was put into a container."""
        self.result.contained = True
        while isinstance(holder, ast.Subscript):
            holder = holder.value
        if isinstance(holder, ast.Attribute):
            self._attribute(holder)
        elif isinstance(holder, ast.Name):
            scope = self.index.scope_of(holder)
            owner = scope.lookup(holder.id)
            local = owner is not None and any(
                binding.kind in ("value", "annotation") for binding in owner.bindings[holder.id]
            )
            if owner is None or not local:
                self.result.stored.append(Slot(None, holder.id, "foreign"))
            else:
                self._name(holder.id, scope, None, container=True)
        else:
            self.result.stored.append(Slot(None, "", "foreign"))

    def _name(self, name: str, scope: Scope, at: ast.AST | None, *, container: bool) -> None:
        owner = scope.lookup(name) or scope
        if (id(owner), name, container) in self.seen_names and at is None:
            return
        self.seen_names.add((id(owner), name, container))
        self.result.names.append((owner, name))
        if owner.kind == "class":
            self.result.stored.append(Slot(self.names.dotted(owner), name, "attribute"))
        elif owner.kind == "module":
            self.result.globals = self.result.globals or scope.kind == "function"
            if at is not None and scope.kind == "module":
                self.result.stored.append(Slot(None, name, "global"))
        first, last = self._reach(name, owner, at)
        for inner in owner.below():
            if inner is not owner and name in inner.bindings and name not in inner.declared:
                continue
            for load in inner.loads.get(name, ()):
                if inner is not owner or first <= load.lineno <= last:
                    self.work.append((load, container))

    def _reach(self, name: str, owner: Scope, at: ast.AST | None) -> tuple[int, int]:
        """The lines where a binding can be read: from it to the next one in the same block; all of a loop's body."""
        if at is None or len(owner.bindings.get(name, ())) < 2:
            return 0, 1 << 30
        statement = self.index.statement(at)
        if statement is None or any(isinstance(up, LOOPS) for _, up in self._inside(statement)):
            return 0, 1 << 30
        first, last = statement.lineno, 1 << 30
        block = self.index.block(statement)
        position = next((i for i, item in enumerate(block) if item is statement), len(block))
        for later in block[position + 1 :]:
            if isinstance(later, ast.Assign) and any(
                isinstance(t, ast.Name) and t.id == name for t in later.targets
            ):
                last = later.end_lineno or later.lineno
                break
        return first, last

    def _inside(self, node: ast.AST) -> list[tuple[ast.AST, ast.AST]]:
        found = []
        for child, up in self.index.climb(node):
            if isinstance(up, FUNCTIONS):
                break
            found.append((child, up))
        return found

    # ------------------------------------------------------------------------------------------------- passing

    def _passed(self, call: ast.Call, container: bool) -> None:
        ref = self.names.ref(call.func)
        callee = self.project.canonical(ref) if ref else None
        if isinstance(call.func, ast.Attribute):
            verb = call.func.attr
            if verb in ENTERERS:
                self.result.entered = True
                return
            if verb in ADDERS and not self._is_queue(callee):
                self._into(call.func.value)
                return
        if callee in PASS_THROUGH:
            if container:
                self.work.append((call, True))
        elif callee == "builtins.next" or callee in ("contextlib.closing", "contextlib.aclosing"):
            self.work.append((call, False))
        elif callee in OBSERVERS:
            self.result.awaited = True
            self.work.append((call, False))
        elif callee not in BORROWERS and not (callee or "").startswith("builtins.str."):
            self.result.passed.append((call, callee))

    @staticmethod
    def _is_queue(callee: str | None) -> bool:
        return callee is not None and callee.endswith((".put", ".put_nowait")) and "Queue" in callee
