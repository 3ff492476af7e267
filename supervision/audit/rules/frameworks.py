"""Where a function runs: in a Celery task, in a request, as the entry point of a process."""

import ast

from supervision.audit import knowledge
from supervision.audit.index import Scope, all_arguments
from supervision.audit.project import FunctionSummary, Project
from supervision.audit.view import View, function_node, receiver, spelled

_ROUTES = frozenset({"route", "get", "post", "put", "patch", "delete", "websocket", "api_view", "head"})
_ROUTERS = ("app", "router", "blueprint", "bp", "api", "application", "server")
_COMMANDS = frozenset({"command", "group", "callback", "main", "entrypoint"})


def is_task(summary: FunctionSummary | None, project: Project) -> bool:
    """Whether a function is decorated as a Celery task."""
    if summary is None:
        return False
    return any(is_task_decorator(project.canonical(name)) for name in summary.decorators)


def is_task_decorator(name: str) -> bool:
    """`shared_task`, and `task` of a Celery application or of a name that nothing else is known of."""
    if name in ("celery.shared_task", "celery.Celery.task", "celery.task.task"):
        return True
    base, _, last = name.rpartition(".")
    if last not in ("task", "shared_task"):
        return False
    return last == "shared_task" or base.rsplit(".", 1)[-1].removesuffix("()") in (
        "app",
        "celery",
        "celery_app",
        "Celery",
    )


def task_decorator(view: View, scope: Scope) -> ast.expr | None:
    """The decorator that makes the function a Celery task."""
    node = function_node(scope)
    if node is None:
        return None
    summary = view.project.function_of(view.names.dotted(scope))
    for decorator, name in zip(node.decorator_list, summary.decorators if summary else (), strict=False):
        if is_task_decorator(view.project.canonical(name)):
            return decorator
    return None


def in_task(view: View, node: ast.AST) -> bool:
    """Whether `node` runs in a Celery task: a decorated function, or `run` of a task class."""
    for scope in view.scope(node).chain():
        if scope.kind != "function":
            continue
        if task_decorator(view, scope) is not None:
            return True
        parent = scope.parent
        if (
            parent is not None
            and parent.kind == "class"
            and scope.name == "run"
            and view.project.is_a(view.names.dotted(parent), frozenset({"celery.Task"}))
        ):
            return True
    return False


def in_request(view: View, node: ast.AST) -> bool:
    """Whether `node` runs in a request: a routed function, one that takes a request, or a method of a view."""
    return any(
        scope.kind == "function" and _handles_request(view, scope) for scope in view.scope(node).chain()
    )


def _handles_request(view: View, scope: Scope) -> bool:
    node = function_node(scope)
    if node is None:
        return False
    for decorator in node.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if isinstance(target, ast.Attribute) and target.attr in _ROUTES and isinstance(decorator, ast.Call):
            if spelled(target.value).lower().endswith(_ROUTERS):
                return True
        elif spelled(target) == "api_view":
            return True
    parent = scope.parent
    if parent is not None and parent.kind == "class":
        dotted = view.names.dotted(parent)
        if not view.project.is_a(dotted, knowledge.WEB_VIEWS):
            return False
        return scope.name in (*knowledge.HTTP_VERBS, "dispatch", "list", "create", "retrieve", "update", "destroy",
                              "partial_update", "handle", "do_GET", "do_POST", "form_valid")  # fmt: skip
    arguments = [*node.args.posonlyargs, *node.args.args]
    if not arguments:
        return False
    for argument in all_arguments(node):
        if argument.annotation is not None:
            ref = view.names.annotation(argument.annotation, scope.parent or scope)
            found = view.project.canonical(ref).removesuffix("()") if ref else ""
            if found in knowledge.REQUEST_TYPES:
                return True
    return arguments[0].arg == "request" and arguments[0].annotation is None


def is_entry_point(view: View, node: ast.AST) -> bool:
    """Whether the place belongs to the start of a process: under the main guard, a command, `main`, a child's target."""
    if view.under_main_guard(node):
        return True
    for scope in view.scope(node).chain():
        function = function_node(scope)
        if function is None:
            continue
        if scope.name in ("main", "_main", "run_from_argv", "cli", "init_process", "bootstrap", "_bootstrap"):
            return True
        if any(spelled(item) in _COMMANDS for item in function.decorator_list):
            return True
        if scope.parent is not None and scope.parent.kind == "class":
            bases = view.project.ancestors(view.names.dotted(scope.parent))
            if scope.name == "handle" and any(base.endswith("BaseCommand") for base in bases):
                return True
            if scope.name == "run" and any(base.endswith(("Command", ".Process")) for base in bases):
                return True
        if _called_by_main(view, scope):
            return True
    return False


def _called_by_main(view: View, scope: Scope) -> bool:
    if scope.parent is None or scope.parent.kind != "module":
        return False
    for load in scope.parent.loads.get(scope.name, ()):
        if isinstance(view.up(load), ast.Call) and view.under_main_guard(load):
            return True
    return any(
        isinstance(up, ast.keyword) and up.arg == "target"
        for inner in scope.parent.below()
        for load in inner.loads.get(scope.name, ())
        if (up := view.up(load)) is not None and "Process" in spelled(view.up(up))
    )


def enqueues(view: View, call: ast.Call) -> bool:
    """Whether a `.delay()` or `.apply_async()` is a Celery task's, as far as can be known."""
    owner = receiver(call)
    if owner is None:
        return False
    found = view.canonical(owner)
    if found is not None:
        bare = found.removesuffix("()")
        function = view.project.function_of(bare)
        if function is not None:
            return is_task(function, view.project)
        if view.project.class_of(bare) is not None:
            return view.project.is_a(bare, frozenset({"celery.Task"}))
        return not (
            bare in knowledge.EXECUTORS
            or bare.startswith(("dask.", "builtins.", "asyncio.", "multiprocessing."))
        )
    if isinstance(owner, ast.Name) and owner.id in ("self", "cls"):
        return False
    return not spelled(owner).lower().endswith("pool")
