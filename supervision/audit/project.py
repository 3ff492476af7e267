"""What the files of one run know of each other: modules, re-exports, classes with their attributes, functions.

Made of summaries, one a file, small enough to hand to every worker. `canonical` is the only place that follows a
reference across files; outside the project it ends in the names of `knowledge`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from supervision.audit.knowledge import ALIASES, PREFIX_ALIASES, RETURNS, TYPES

# References that refer to each other grow with every step: a long one, or one far down, stays as it is.
_LONGEST = 160
_DEEPEST = 40


@dataclass(slots=True)
class FunctionSummary:
    """A function as its callers see it. References are as the defining file wrote them."""

    is_async: bool = False
    returns: str | None = None
    annotated: str | None = None
    fresh: bool = False  # what it returns was made in it and is kept nowhere else
    locks: bool = False  # it takes rows with select_for_update
    decorators: tuple[str, ...] = ()
    calls: tuple[
        str, ...
    ] = ()  # of a synchronous function: what may block, and what in this project may lead there
    options: tuple[
        str, ...
    ] = ()  # keywords of the decorators, with the value where it is a constant: "ignore_result=True"


@dataclass(slots=True)
class ClassSummary:
    """A class: bases, what its attributes hold, and what is done to them (`verbs`)."""

    bases: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)
    methods: frozenset[str] = frozenset()
    verbs: dict[str, set[str]] = field(default_factory=dict)


@dataclass(slots=True)
class ModuleSummary:
    """A module: what it exports, defines, and does to attributes of objects whose class it does not say."""

    module: str
    path: str
    exports: dict[str, str] = field(default_factory=dict)
    stars: tuple[str, ...] = ()
    classes: dict[str, ClassSummary] = field(default_factory=dict)
    functions: dict[str, FunctionSummary] = field(default_factory=dict)
    foreign: dict[str, set[str]] = field(default_factory=dict)
    kept_results: frozenset[str] = frozenset()  # functions whose result some caller here stores
    facts: frozenset[str] = (
        frozenset()
    )  # "waitpid": a child is waited for; "time-limit": tasks have a global limit


class Project:
    """The merged summaries of one run."""

    def __init__(self, summaries: Iterable[ModuleSummary]) -> None:
        self.modules: dict[str, ModuleSummary] = {}
        self.foreign: dict[tuple[str, str], set[str]] = {}  # by top-level package and attribute
        self.kept_results: set[str] = set()
        self.facts: set[str] = set()
        self._canonical: dict[str, str] = {}
        self._depth = 0
        for summary in summaries:
            self.modules.setdefault(summary.module, summary)
            self.facts |= summary.facts
            reached = {_top(summary.module), *map(_top, summary.exports.values())}
            for attribute, verbs in summary.foreign.items():
                for top in reached:
                    self.foreign.setdefault((top, attribute), set()).update(verbs)
        # Every module and every package above one, so that a look-up ends where a path leaves the project.
        self._packages = {name[:at] for name in self.modules for at in _dots(name)}
        self._classes: dict[str, ClassSummary] = {}
        self._functions: dict[str, FunctionSummary] = {}
        for name, summary in self.modules.items():
            prefix = f"{name}." if name else ""
            self._classes.update((prefix + qualname, item) for qualname, item in summary.classes.items())
            self._functions.update((prefix + qualname, item) for qualname, item in summary.functions.items())
        self._anywhere: dict[tuple[str, str], set[str]] = {}  # as `foreign`, of the package's own classes
        for name, item in self._classes.items():
            for attribute, verbs in item.verbs.items():
                self._anywhere.setdefault((_top(name), attribute), set()).update(verbs)
        self._ancestors: dict[str, tuple[str, ...]] = {}
        self._descendants: dict[str, set[str]] = {}
        for name, summary in self.modules.items():
            for qualname in summary.classes:
                dotted = f"{name}.{qualname}" if name else qualname
                for ancestor in self.ancestors(dotted)[1:]:
                    self._descendants.setdefault(ancestor, set()).add(dotted)
            self.kept_results.update(self.canonical(ref) for ref in summary.kept_results)

    # ------------------------------------------------------------------------------------------------ lookup

    def split(self, dotted: str) -> tuple[ModuleSummary | None, str]:
        """The module of the project that a dotted path starts with (the longest), and the rest."""
        found: ModuleSummary | None = None
        end = at = 0
        while at >= 0:
            at = dotted.find(".", at)
            head = dotted if at < 0 else dotted[:at]
            if head not in self._packages:
                break
            summary = self.modules.get(head)
            if summary is not None:
                found, end = summary, len(head)
            at = at + 1 if at >= 0 else at
        return (None, dotted) if found is None else (found, dotted[end + 1 :])

    def class_of(self, dotted: str) -> ClassSummary | None:
        """The summary of a class of the project, by its absolute name."""
        return self._classes.get(dotted)

    def function_of(self, dotted: str) -> FunctionSummary | None:
        """The summary of a function of the project, by its absolute name."""
        return self._functions.get(dotted)

    def is_type(self, ref: str) -> bool:
        """Whether an instance's reference names a class, and not a call whose result is unknown."""
        dotted = ref.removesuffix("()")
        if dotted.endswith("()"):
            return False
        last = dotted.rsplit(".", 1)[-1].lstrip("_")
        return (
            last[:1].isupper()
            or dotted in TYPES
            or dotted.startswith("builtins.")
            or self.class_of(dotted) is not None
        )

    def is_ours(self, dotted: str) -> bool:
        """Whether the path lies in a module of this run."""
        return self.split(dotted)[0] is not None

    def ancestors(self, dotted: str) -> tuple[str, ...]:
        """The class itself, then every base that is known, ours or not, nearest first."""
        known = self._ancestors.get(dotted)
        if known is not None:
            return known
        self._ancestors[dotted] = (dotted,)  # a cycle of bases ends here
        found = [dotted]
        summary = self.class_of(dotted)
        for base in summary.bases if summary else ():
            for ancestor in self.ancestors(self.canonical(base)):
                if ancestor not in found:
                    found.append(ancestor)
        self._ancestors[dotted] = tuple(found)
        return self._ancestors[dotted]

    def is_a(self, dotted: str, bases: frozenset[str]) -> bool:
        """Whether the class is, or derives from, one of `bases`."""
        return any(ancestor in bases for ancestor in self.ancestors(dotted))

    def family(self, dotted: str) -> Iterator[ClassSummary]:
        """The class, its bases and everything derived from it, as far as they are in the project."""
        seen = set()
        for name in (*self.ancestors(dotted), *sorted(self._descendants.get(dotted, ()))):
            summary = self.class_of(name)
            if summary is not None and name not in seen:
                seen.add(name)
                yield summary

    def verbs(self, dotted: str | None, attribute: str, module: str) -> set[str]:
        """What is done to `attribute` of that class, or of an object of unknown class.

        The unknown objects are those of the package that `module` belongs to and of modules that import it.
        """
        found = set(self.foreign.get((_top(module), attribute), ()))
        if dotted is None:
            found |= self._anywhere.get((_top(module), attribute), set())
        else:
            for summary in self.family(dotted):
                found |= summary.verbs.get(attribute, set())
        return found

    def defines_method(self, name: str) -> bool:
        """Whether any class of the project has a method of that name."""
        return any(name in summary.methods for summary in self._classes.values())

    def attribute(self, dotted: str, name: str) -> str | None:
        """The reference of what that class's attribute holds."""
        for ancestor in self.ancestors(dotted):
            summary = self.class_of(ancestor)
            if summary is not None and name in summary.attributes:
                return summary.attributes[name]
        return None

    def method(self, dotted: str, name: str) -> str | None:
        """The absolute name of the method, looked up through the bases; a base outside the project may have it."""
        outside = None
        for ancestor in self.ancestors(dotted):
            summary = self.class_of(ancestor)
            if summary is not None:
                if name in summary.methods:
                    return f"{ancestor}.{name}"
            elif outside is None:
                outside = f"{ancestor}.{name}"
        return outside

    # --------------------------------------------------------------------------------------------- references

    def canonical(self, ref: str) -> str:
        """The reference with imports, re-exports, attributes and results followed. `X()` at the end: an instance."""
        known = self._canonical.get(ref)
        if known is None:
            if len(ref) > _LONGEST or self._depth > _DEEPEST:
                return ref
            self._canonical[ref] = ref  # a cycle of references ends here
            self._depth += 1
            known = self._canonical[ref] = self._follow(ref)
            self._depth -= 1
        return known

    def _follow(self, ref: str) -> str:
        plain = ref.partition("(")[0]
        summary, rest = self.split(plain)
        if summary is None:
            return self._external(ref)
        if not rest:
            return ref
        parts = ref[len(summary.module) + 1 :].split(".") if summary.module else ref.split(".")
        return self._through(summary, parts)

    def _through(self, summary: ModuleSummary, parts: list[str]) -> str:
        """Walk the parts after a module's name."""
        head, tail = parts[0], parts[1:]
        bare, called = _bare(head)
        here = f"{summary.module}.{bare}" if summary.module else bare
        if bare in summary.classes:
            return self._in_class(here, tail, instance=called)
        if bare in summary.functions:
            return self._in_function(here, tail, called=called)
        target = summary.exports.get(bare)
        if target is None:
            target = self._starred(summary, bare)
        if target is None or target == here:
            return ".".join([here + ("()" if called else ""), *tail])
        return self.canonical(".".join([target + ("()" if called else ""), *tail]))

    def _starred(self, summary: ModuleSummary, name: str) -> str | None:
        for star in summary.stars:
            module = self.modules.get(star)
            if module is None:
                if f"{star}.{name}" in RETURNS:
                    return f"{star}.{name}"
            elif module is not summary and (
                name in module.exports or name in module.classes or name in module.functions
            ):
                return f"{star}.{name}"
        return None

    def _in_class(self, dotted: str, tail: list[str], *, instance: bool) -> str:
        if not tail:
            return f"{dotted}()" if instance else dotted
        bare, called = _bare(tail[0])
        rest = tail[1:]
        if bare == "super" and called:
            bases = self.ancestors(dotted)[1:]
            return self.canonical(".".join([f"{bases[0]}()", *rest])) if bases else dotted
        nested = f"{dotted}.{bare}"
        if self.class_of(nested) is not None:
            return self._in_class(nested, rest, instance=called)
        method = self.method(dotted, bare)
        if method is not None and self.function_of(method) is not None:
            return self._in_function(method, rest, called=called)
        held = self.attribute(dotted, bare)
        if held is not None and held != f"{dotted}().{bare}":
            return self.canonical(".".join([held + ("()" if called else ""), *rest]))
        if method is not None:
            return self.canonical(".".join([method + ("()" if called else ""), *rest]))
        return ".".join([nested + ("()" if called else ""), *rest])

    def _in_function(self, dotted: str, tail: list[str], *, called: bool) -> str:
        summary = self.function_of(dotted)
        is_property = summary is not None and any(
            name.endswith(("property", "cached_property")) for name in summary.decorators
        )
        if summary is not None and (called or (tail and is_property)):
            for result in (summary.returns, summary.annotated):
                found = self.canonical(result) if result else ""
                if found and (result == summary.annotated or not summary.annotated or self.is_type(found)):
                    return self.canonical(".".join([found, *tail])) if tail else found
        return ".".join([dotted + ("()" if called else ""), *tail])

    def _external(self, ref: str) -> str:
        """Outside the project: aliases of one thing become one name, and known results become instances."""
        current = ""
        for part in ref.split("."):
            bare, called = _bare(part)
            base = current.removesuffix("()")
            current = alias(f"{base}.{bare}" if base else bare)
            while called:
                result = RETURNS.get(current)
                current = f"{result}()" if result else f"{current}()"
                called = part.endswith("()()")
                part = part.removesuffix("()")
        return current


def _dots(name: str) -> list[int]:
    """Where each part of a dotted name ends."""
    return [at for at, letter in enumerate(name) if letter == "."] + [len(name)]


def _top(dotted: str) -> str:
    """The top-level package of a reference."""
    return dotted.split(".", 1)[0].removesuffix("()")


def _bare(part: str) -> tuple[str, bool]:
    name, mark, _ = part.partition("(")
    return name, bool(mark)


def alias(dotted: str) -> str:
    """One spelling for things of the standard library and of known packages that have several."""
    found = ALIASES.get(dotted)
    if found is not None:
        return found
    for prefix, target in PREFIX_ALIASES:
        if dotted.startswith(prefix):
            return alias(target + dotted[len(prefix) :])
    return dotted
