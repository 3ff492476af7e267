"""Pattern 5: queues, deques, caches and containers that nothing bounds."""

import ast

from supervision.audit.handles import Fate
from supervision.audit.index import FUNCTIONS, FileIndex, FunctionNode, Scope
from supervision.audit.rules import on_any_call, on_call, on_method, on_node
from supervision.audit.rules.frameworks import in_request, in_task
from supervision.audit.view import (
    HIGH,
    LOW,
    MEDIUM,
    View,
    argument,
    constant,
    keyword,
    method,
    receiver,
    same,
    spelled,
)

_QUEUES = frozenset(
    {"queue.Queue", "queue.LifoQueue", "queue.PriorityQueue", "queue.SimpleQueue", "asyncio.Queue", "asyncio.LifoQueue",
     "asyncio.PriorityQueue", "multiprocessing.Queue", "multiprocessing.JoinableQueue", "janus.Queue",
     "tornado.queues.Queue", "tornado.queues.PriorityQueue", "tornado.queues.LifoQueue"}
)  # fmt: skip
_STACKS = frozenset({"queue.LifoQueue", "asyncio.LifoQueue", "tornado.queues.LifoQueue"})
_DRAINS = frozenset({"pop", "popleft", "popitem", "clear", "remove", "discard", "del", "maxlen"})
_FILLS = frozenset({"append", "appendleft", "extend", "extendleft", "insert"})
_CACHES = frozenset({"functools.lru_cache", "functools.cache"})
_SMALL_TYPES = frozenset({"builtins.bool", "builtins.type", "typing.Literal", "builtins.NoneType"})
_ENUMS = frozenset({"enum.Enum", "enum.IntEnum", "enum.StrEnum", "enum.Flag", "enum.IntFlag"})
_HANDLER_NAMES = ("handle", "on_", "process", "receive", "record", "track", "remember", "push", "dispatch", "view",
                  "visit", "observe", "note")  # fmt: skip


# ------------------------------------------------------------------------------------------ queues and deques


@on_call(*sorted(_QUEUES))
def queue_unbounded(view: View, call: ast.Call) -> None:
    """SUP501: a queue that outlives its function, without a bound."""
    callee = view.callee(call) or ""
    if callee != "queue.SimpleQueue" and _bounded(argument(call, 0, "maxsize"), call):
        return
    _report_queue(view, call, callee)


@on_any_call
def derived_queue_unbounded(view: View, call: ast.Call) -> None:
    """SUP501 for the project's own classes that derive from one of these and take its arguments."""
    callee = view.callee(call) or ""
    own = view.project.class_of(callee)
    if own is None or "__init__" in own.methods or not view.project.is_a(callee, _QUEUES):
        return
    if not _bounded(argument(call, 0, "maxsize"), call):
        _report_queue(view, call, callee)


@on_call("dataclasses.field", "attr.ib", "attrs.field", "collections.defaultdict")
def queue_made_by_factory(view: View, call: ast.Call) -> None:
    """SUP501: `field(default_factory=asyncio.Queue)` and `defaultdict(asyncio.Queue)`."""
    given = keyword(call, "default_factory") or keyword(call, "factory")
    if given is None and view.callee(call) == "collections.defaultdict" and call.args:
        given = call.args[0]
    found = view.canonical(given) if given is not None else None
    if found in _QUEUES:
        _report_queue(view, call, found)


def _report_queue(view: View, call: ast.Call, callee: str) -> None:
    fate = view.fate(call)
    if view.is_test(call) or not (fate.stored or fate.globals) or (fate.returned and not fate.stored):
        return
    attributes = [slot for slot in fate.stored if slot.kind == "attribute"]
    if callee in _STACKS and attributes and _is_pool(view, call):
        return  # a stack of pooled things: the pool's limit bounds it
    if any(_size_checked(view.index, slot.name) for slot in fate.stored):
        return
    view.report("SUP501", call, f"{callee} has no bound", MEDIUM if callee.startswith("multi") else HIGH)


def _bounded(size: ast.expr | None, call: ast.Call) -> bool:
    if size is None:
        return any(isinstance(item, ast.Starred) for item in call.args) or any(
            item.arg is None for item in call.keywords
        )
    value = constant(size)
    return not (isinstance(value, (int, float)) and value <= 0)


def _is_pool(view: View, call: ast.Call) -> bool:
    """Whether the class around the call limits how many things there are: by its name or a parameter of it."""
    scope = view.scope(call).enclosing_class()
    if scope is None:
        return False
    if "pool" in scope.name.lower():
        return True
    makers = [inner.node for inner in scope.children if inner.name == "__init__"]
    parameters = {item.arg for node in makers if isinstance(node, FUNCTIONS) for item in node.args.args}
    return any(
        name.startswith("max") or name in ("limit", "size", "capacity", "preload") for name in parameters
    )


def _size_checked(index: FileIndex, name: str) -> bool:
    """Whether the file compares the size of that attribute with something."""
    for node in index.of(ast.Attribute):
        if node.attr == name:
            up = index.parent.get(node)
            if (
                isinstance(up, ast.Call)
                and spelled(up.func) == "len"
                and isinstance(index.parent.get(up), ast.Compare)
            ):
                return True
            outer = index.parent.get(up) if up is not None else None
            if (
                isinstance(up, ast.Attribute)
                and up.attr in ("qsize", "full")
                and outer is not None
                and (up.attr == "full" or isinstance(index.parent.get(outer), ast.Compare))
            ):
                return True
    return False


@on_call("collections.deque")
def deque_unbounded(view: View, call: ast.Call) -> None:
    """SUP502: kept on an object or in a global, filled, and neither drained nor measured."""
    length = argument(call, 1, "maxlen")
    if (
        length is not None and not (isinstance(length, ast.Constant) and length.value is None)
    ) or view.is_test(call):
        return
    fate = view.fate(call)
    verbs = view.handles.slot_verbs(fate) | set(fate.methods)
    if fate.contained or _made_again(view, fate):
        return
    if not (fate.stored or fate.globals) or not verbs & _FILLS or verbs & (_DRAINS | {"passed", "returned"}):
        return
    if any(_size_checked(view.index, slot.name) for slot in fate.stored):
        return
    view.report("SUP502", call, "The deque is filled for as long as its owner lives", HIGH)


def _made_again(view: View, fate: Fate) -> bool:
    """Whether the attribute is given another value outside the constructor: that empties it."""
    names = {slot.name for slot in fate.stored}
    return any(
        isinstance(node.ctx, ast.Store)
        and node.attr in names
        and view.scope(node).name not in ("__init__", "__new__")
        for node in view.index.of(ast.Attribute)
    )


# ------------------------------------------------------------------------------------------------------ caches


@on_node(ast.FunctionDef)
@on_node(ast.AsyncFunctionDef)
def cached(view: View, node: FunctionNode) -> None:
    """SUP503 for functions, SUP505 for methods."""
    outer = view.scope(node)
    for decorator in node.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        found = view.canonical(target, outer)
        if found not in _CACHES:
            continue
        unbounded = found == "functools.cache"
        if isinstance(decorator, ast.Call) and not unbounded:
            size = argument(decorator, 0, "maxsize")
            unbounded = isinstance(size, ast.Constant) and size.value is None
        _report_cached(view, node, outer, unbounded=unbounded)


def _report_cached(view: View, node: FunctionNode, outer: Scope, *, unbounded: bool) -> None:
    kinds = {spelled(item) for item in node.decorator_list}
    positional = [*node.args.posonlyargs, *node.args.args]
    if positional and positional[0].arg in ("cls", "mcs"):
        kinds.add("classmethod")
    if outer.kind == "class" and not kinds & {"staticmethod", "classmethod"} and positional:
        if not view.project.is_a(view.names.dotted(outer), _ENUMS):
            view.report("SUP505", node, f"The cache of {node.name}() keeps every {outer.name} alive")
        return
    if outer.kind == "function" or not unbounded or view.is_test(node):
        return
    parameters = positional[1:] if "classmethod" in kinds else positional
    parameters = [*parameters, *node.args.kwonlyargs]
    starred = node.args.vararg or node.args.kwarg
    if not starred and all(_small(view, item, outer) for item in parameters):
        return
    view.report("SUP503", node, f"{node.name}() remembers every distinct argument for ever")


def _small(view: View, parameter: ast.arg, outer: Scope) -> bool:
    """Whether the annotation says that the parameter has few values: an enumeration, a bool, a Literal, a class."""
    if parameter.annotation is None:
        return False
    ref = view.names.annotation(parameter.annotation, outer)
    found = view.project.canonical(ref).removesuffix("()") if ref else ""
    return found in _SMALL_TYPES or view.project.is_a(found, _ENUMS)


# -------------------------------------------------------------------------------------------------- containers


@on_node(ast.Assign)
def container_grows(view: View, node: ast.Assign) -> None:
    """SUP504: a mutable literal at module or class level that running code adds to and nothing removes from."""
    scope = view.scope(node)
    if (
        scope.kind == "function"
        or view.in_tests
        or len(node.targets) != 1
        or not isinstance(node.targets[0], ast.Name)
    ):
        return
    if not _is_container(view, node.value):
        return
    name = node.targets[0].id
    if len(scope.bindings.get(name, ())) > 1:
        return
    for place in _additions(view, scope, name):
        if place is None:
            return
        if _runs_often(view, place):
            view.report("SUP504", place, f"{name} is added to here and nothing removes from it", MEDIUM)
            return


def _is_container(view: View, node: ast.expr) -> bool:
    if isinstance(node, (ast.List, ast.Dict, ast.Set)):
        return not (node.elts if not isinstance(node, ast.Dict) else node.keys)
    return isinstance(node, ast.Call) and view.callee(node) in (
        "builtins.dict", "builtins.list", "builtins.set", "collections.defaultdict", "collections.OrderedDict",
        "collections.Counter",
    ) and not node.keywords  # fmt: skip


def _additions(view: View, owner: Scope, name: str) -> list[ast.AST | None]:
    """Where the container is added to; a None first says that something removes from it or it goes elsewhere."""
    places: list[ast.AST | None] = []
    uses: list[ast.expr] = []
    if owner.kind == "module":
        for scope in owner.below():
            if name not in scope.bindings or scope is owner or name in scope.declared:
                uses += scope.loads.get(name, ())
    else:
        for node in view.index.of(ast.Attribute):
            if node.attr == name and (
                view.class_name(node) == view.names.dotted(owner) or spelled(node.value) == owner.name
            ):
                if isinstance(node.ctx, ast.Store):
                    return [None]
                uses.append(node)
    for use in uses:
        up = view.up(use)
        if isinstance(up, ast.Subscript):
            if isinstance(up.ctx, ast.Del):
                return [None]
            if isinstance(up.ctx, ast.Store) and not isinstance(up.slice, (ast.Constant, ast.Slice)):
                places.append(up)
        elif isinstance(up, ast.Attribute):
            outer = view.up(up)
            if up.attr in _DRAINS or up.attr in ("difference_update", "intersection_update"):
                return [None]
            if (
                up.attr in ("append", "add", "setdefault", "insert")
                and isinstance(outer, ast.Call)
                and outer.args
                and not isinstance(outer.args[0], ast.Constant)
            ):
                places.append(outer)
        elif isinstance(up, ast.Call) and up.func is not use:
            if spelled(up.func) == "len" and isinstance(view.up(up), ast.Compare):
                return [None]
            if spelled(up.func) not in (
                "len",
                "sorted",
                "list",
                "dict",
                "iter",
                "print",
                "str",
                "sum",
                "any",
                "all",
            ):
                return [None]
        elif isinstance(up, (ast.Return, ast.Assign, ast.keyword)):
            return [None]
    return places


def _runs_often(view: View, node: ast.AST) -> bool:
    """Whether the place runs for each request, message or turn of a loop, and not for each definition."""
    scope = view.function(node)
    if scope is None:
        return False
    if in_request(view, node) or in_task(view, node) or scope.is_async:
        return True
    loop = view.loop(node)
    if isinstance(loop, ast.While):
        return True
    return scope.name.lower().lstrip("_").startswith(_HANDLER_NAMES)


# ------------------------------------------------------------------------------------------------------- Redis


def is_redis(view: View, node: ast.expr | None) -> bool:
    """Whether an object is a Redis client: by its class, or, of an unknown one, by what it is called."""
    if node is None:
        return False
    found = view.instance(node)
    if found is not None:
        return found.startswith(("redis.", "aioredis.", "django_redis."))
    if view.canonical(node) is not None:
        return False
    name = spelled(node).lower().lstrip("_")
    return name in ("r", "rds", "conn", "redis") or "redis" in name


@on_method("xadd", "lpush", "rpush")
def redis_key_grows(view: View, call: ast.Call) -> None:
    """SUP506: a stream without maxlen, a list that the file neither trims, expires nor takes from."""
    if not is_redis(view, receiver(call)) or not call.args or view.is_test(call):
        return
    verb = method(call)
    if verb == "xadd":
        if keyword(call, "maxlen") is not None or keyword(call, "minid") is not None or len(call.args) > 3:
            return
        cures = {"xtrim", "expire", "xdel"}
    else:
        cures = {
            "ltrim",
            "expire",
            "lpop",
            "rpop",
            "brpop",
            "blpop",
            "lrem",
            "rpoplpush",
            "lmove",
            "blmove",
            "delete",
        }
    for other in view.index.of(ast.Call):
        if method(other) in cures and (not other.args or same(other.args[0], call.args[0]) or verb != "xadd"):
            return
    view.report("SUP506", call, f"{verb} without a trim or an expiry", MEDIUM)


@on_method("set", "hset")
def redis_key_without_expiry(view: View, call: ast.Call) -> None:
    """SUP506: a key made of changing parts, set without an expiry and deleted nowhere in the file."""
    owner = receiver(call)
    found = view.instance(owner) if owner is not None else None
    if found is None or not found.startswith("redis.") or not call.args or view.is_test(call):
        return
    if not isinstance(call.args[0], ast.JoinedStr) or method(call) == "hset" or len(call.args) > 2:
        return
    if any(item.arg in ("ex", "px", "exat", "pxat", "keepttl", None) for item in call.keywords):
        return
    if any(
        method(other) in ("expire", "delete", "unlink")
        for other in view.index.of(ast.Call)
        if isinstance(other, ast.Call)
    ):
        return
    view.report("SUP506", call, "A key for each value, without an expiry", LOW)
