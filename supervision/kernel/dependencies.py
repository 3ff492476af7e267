"""What a whole tree can show to be wrong: dependencies that do not exist, and those that would wait for ever.

A dependency is named by the id of a sibling, or by its path below the root (`stores/postgres`). A name without `@k`
means all instances of a replicated child. It may be a supervisor: that one is ready when all its children are.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from supervision.kernel.checks import SpecError
from supervision.kernel.spec import ChildSpec, SupervisorSpec

Requirements = dict[str, tuple[str, ...]]


@dataclass(slots=True)
class _Declared:
    """One declared child, a template included. template: key of the template it is, or is part of, or ""."""

    pointer: str
    spec: ChildSpec
    template: str = ""


@dataclass(slots=True)
class _Tree:
    """What a specification declares, and which instances it has, by key."""

    name: str
    children: dict[str, _Declared] = field(default_factory=dict)
    instances: dict[str, list[str]] = field(default_factory=dict)


def requirements(name: str, spec: SupervisorSpec) -> Requirements:
    """Keys that each declared child depends on, for those that depend on any.

    Raises SpecError for a dependency that does not exist, for a cycle (naming it), and for an on_failure below the root.
    """
    tree = _Tree(name)
    for key, declared in _walk(name, spec):
        tree.children[key] = declared
        base, at, _ = key.rpartition("@")
        if at and "/" not in key[len(base) :]:
            tree.instances.setdefault(base, []).append(key)
        inner = declared.spec.supervisor
        if inner is not None and inner.on_failure is not None:
            raise SpecError(
                f"{declared.pointer}/supervisor/on_failure", "only the root of a tree has on_failure"
            )
    required = {
        key: _resolve(tree, key, declared)
        for key, declared in tree.children.items()
        if declared.spec.depends_on
    }
    if required:
        _refuse_cycles(tree, required)
    return required


def _walk(name: str, spec: SupervisorSpec) -> Iterator[tuple[str, _Declared]]:
    """Every declared child with its key."""
    stack = [iter([(name, "", spec, "")])]
    while stack:
        found = next(stack[-1], None)
        if found is None:
            stack.pop()
            continue
        above, pointer, supervisor, template = found
        inside = []
        for index, child in enumerate(supervisor.children):
            key, at = f"{above}/{child.id}", f"{pointer}/children/{index}"
            outer = key if supervisor.is_simple and not template else template
            yield key, _Declared(at, child, outer)
            if child.supervisor is not None:
                inside.append((key, f"{at}/supervisor", child.supervisor, outer))
        stack.append(iter(inside))


def _resolve(tree: _Tree, key: str, declared: _Declared) -> tuple[str, ...]:
    above = key.rpartition("/")[0]
    keys: list[str] = []
    for index, name in enumerate(declared.spec.depends_on):
        found = [] if "/" in name else _named(tree, f"{above}/{name}")
        found = found or _named(tree, f"{tree.name}/{name}")
        pointer = f"{declared.pointer}/depends_on/{index}"
        if not found:
            raise SpecError(pointer, f"there is no {name!r} to depend on", ["unknown_dependency", name])
        for dependency in found:
            template = tree.children[dependency].template
            if template and dependency.rpartition("/")[0] != above:
                message = f"{name!r} is part of a template: each instance has its own"
                raise SpecError(pointer, message, ["unknown_dependency", name])
        keys += found
    return tuple(dict.fromkeys(keys))


def _named(tree: _Tree, key: str) -> list[str]:
    return [key] if key in tree.children else tree.instances.get(key, [])


# --- cycles ------------------------------------------------------------------------------------------------------------

_Node = tuple[str, str]  # ("start" or "ready", key)


def _refuse_cycles(tree: _Tree, required: Requirements) -> None:
    """Depth first over what waits for what; a cycle is a way back to where the search is."""
    done: set[_Node] = set()
    for key in required:
        path: list[_Node] = [("start", key)]
        on_path = set(path)
        branches = [_waits_for(tree, required, path[0])]
        while branches:
            node = next(branches[-1], None)
            if node is None:
                branches.pop()
                finished = path.pop()
                on_path.discard(finished)
                done.add(finished)
            elif node in on_path:
                _refuse(tree, path[path.index(node) :], required)
            elif node not in done:
                path.append(node)
                on_path.add(node)
                branches.append(_waits_for(tree, required, node))


def _waits_for(tree: _Tree, required: Requirements, node: _Node) -> Iterator[_Node]:
    """A start waits for the supervisor's start and the readiness of dependencies; readiness for the start, and for parts."""
    what, key = node
    if what == "start":
        above = key.rpartition("/")[0]
        if above in tree.children:
            yield "start", above
        for dependency in required.get(key, ()):
            yield "ready", dependency
        return
    yield "start", key
    inner = tree.children[key].spec.supervisor
    if inner is not None and not inner.is_simple:
        for part in inner.children:
            yield "ready", f"{key}/{part.id}"


def _refuse(tree: _Tree, cycle: list[_Node], required: Requirements) -> None:
    """Raises SpecError that names the cycle, from the first child in it that depends on something."""
    keys = [key for _, key in cycle]
    first = next(key for key in required if key in keys)
    keys = keys[keys.index(first) :] + keys[: keys.index(first)]
    names = [key.removeprefix(f"{tree.name}/") for key in keys]
    steps = names[:1] + [name for before, name in pairwise(names) if name != before]
    if len(steps) > 1 and steps[-1] == steps[0]:
        steps.pop()
    message = f"a cycle of dependencies: {' -> '.join([*steps, steps[0]])}"
    raise SpecError(f"{tree.children[first].pointer}/depends_on", message, ["dependency_cycle", [*steps]])
