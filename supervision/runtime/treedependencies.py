"""What `depends_on` names: found, and free of cycles.

A single name is looked for among the siblings first, then among the children of the root; a path begins at the root. The id
of a child with instances means all of them, `id@2` one of them. The kernel refuses the same trees, at the first fault; here
all faults are found, in a document that may have others, and each with its place in the document.
"""

from collections.abc import Iterable, Iterator

from supervision.runtime.fielddoc import Report, held, nearest
from supervision.runtime.treewalk import Declared


class _Refused(Exception):  # noqa: N818 it carries a sentence to the report
    """The dependency cannot be; the message says why."""


class Dependencies:
    """The dependencies of one tree."""

    def __init__(self, children: Iterable[Declared]) -> None:
        self._all = list(children)
        self._children = {each.path: each for each in self._all}

    def of(self, path: str) -> tuple[str, ...]:
        """The names a valid child waits for; a child with no instances at all keeps nobody waiting."""
        child = self._children[path]
        return tuple(
            name for name in child.child["depends_on"] if self._find(child, name).child.get("instances") != 0
        )

    def check(self, report: Report) -> None:
        """Report every name that is not found or cannot be waited for, then every cycle."""
        waits: dict[str, list[tuple[int, str]]] = {}
        for child in self._all:  # two may have one path, which is reported elsewhere
            for index, name in enumerate(held(child.child, "depends_on") or ()):
                if not isinstance(name, str):
                    continue
                try:
                    waits.setdefault(child.path, []).append((index, self._find(child, name).path))
                except _Refused as refused:
                    report.add(f"{child.pointer}/depends_on/{index}", str(refused))
        if waits:
            _Cycles(self._children, waits).check(report)

    def _find(self, child: Declared, name: str) -> Declared:
        bare, at, instance = name.partition("@") if "/" not in name else _split_path(name)
        target = self._look_up(child, bare, name)
        if target.path == child.path:
            raise _Refused("a child cannot wait for itself")
        if child.path.startswith(f"{target.path}/"):
            raise _Refused(f"{name} is a supervisor it stands in: it is ready only after its children are")
        if target.path.startswith(f"{child.path}/"):
            raise _Refused(f"{name} stands inside it, and starts only after it")
        if target.template and not (child.template and target.above == child.above):
            raise _Refused(f"{name} is part of a template, which never runs itself: name its supervisor")
        if at:
            _check_instance(target, instance, name)
        return target

    def _look_up(self, child: Declared, bare: str, name: str) -> Declared:
        found = None
        if "/" not in bare:
            found = self._children.get(child.above + bare)
        found = found or self._children.get(bare)
        if found is None:
            siblings = [each.child["id"] for each in self._children.values() if each.above == child.above]
            hint = nearest(bare, [*siblings, *self._children])
            raise _Refused(f"{name!r} is neither a sibling nor a path from the root{hint}")
        return found


def _split_path(name: str) -> tuple[str, str, str]:
    head, at, instance = name.rpartition("@")
    if at and "/" not in instance:
        return head, at, instance
    return name, "", ""


def _check_instance(target: Declared, instance: str, name: str) -> None:
    count = held(target.child, "instances")
    if count is None:
        raise _Refused(f"{target.path} has no instances, so there is no {name}")
    number = instance if instance.isascii() and instance.isdecimal() and len(instance) < 9 else "0"
    if str(int(number)) != instance or not 1 <= int(number) <= count:
        raise _Refused(f"{target.path} has {count} instances, from @1, and no @{instance}")


START, READY = "start", "ready"
_Step = tuple[str, str]
"""(START or READY, path)"""


class _Cycles:
    """Who waits for whom, with starts and readiness apart.

    The start of a child needs the start of its supervisor and that all it depends on is ready. It is ready after it started,
    and a supervisor only after its children are.
    """

    def __init__(self, children: dict[str, Declared], waits: dict[str, list[tuple[int, str]]]) -> None:
        self._children = children
        self._waits = waits
        self._below: dict[str, list[str]] = {}
        for child in children.values():
            self._below.setdefault(child.above, []).append(child.path)

    def check(self, report: Report) -> None:
        seen: set[frozenset[str]] = set()
        done: set[_Step] = set()
        for path in self._waits:
            for cycle in self._cycles_from((START, path), done):
                members = frozenset(name for _, name in cycle)
                if members not in seen:
                    seen.add(members)
                    self._report(cycle, report)

    def _cycles_from(self, start: _Step, done: set[_Step]) -> Iterator[list[_Step]]:
        """Depth first without recursion: a tree may have thousands of children."""
        if start in done:
            return
        way: dict[_Step, Iterator[_Step]] = {start: self._needs(start)}
        while way:
            step = next(reversed(way))
            following = next(way[step], None)
            if following is None:
                del way[step]
                done.add(step)
            elif following in way:
                steps = list(way)
                yield steps[steps.index(following) :]
            elif following not in done:
                way[following] = self._needs(following)

    def _needs(self, step: _Step) -> Iterator[_Step]:
        kind, path = step
        child = self._children[path]
        if kind == START:
            for _, target in self._waits.get(path, ()):
                yield READY, target
            if child.above:
                yield START, child.above[:-1]
            return
        yield START, path
        if child.is_supervisor:
            for below in self._below.get(f"{path}/", ()):
                if not self._children[below].template:
                    yield READY, below

    def _report(self, cycle: list[_Step], report: Report) -> None:
        names = list(dict.fromkeys(path for _, path in cycle))
        for position, (kind, path) in enumerate(cycle):
            following = cycle[(position + 1) % len(cycle)]
            for index, target in self._waits.get(path, ()):
                if kind == START and following == (READY, target):
                    words = " waits for ".join([*names, names[0]])
                    report.add(f"{self._children[path].pointer}/depends_on/{index}", f"a cycle: {words}")
                    return
