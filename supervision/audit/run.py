"""A run: find the files, summarise them all, then check each against what the project knows.

Two passes, each in as many processes as there are cores. Each pass reads and parses a file for itself: a tree takes
several hundred times the memory of its summary, and parsing again costs less than a tenth of the run.
"""

import ast
import datetime
import gc
import multiprocessing
import os
import traceback
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from typing import TypeVar

from supervision.audit import rules, suppress
from supervision.audit.catalogue import RULES
from supervision.audit.finding import Finding, fingerprint
from supervision.audit.index import FileIndex
from supervision.audit.names import Names
from supervision.audit.project import ModuleSummary, Project
from supervision.audit.sources import Problem, Source, find, read
from supervision.audit.spawns import Spawn, started_here
from supervision.audit.summary import summarise
from supervision.audit.suppress import Expired
from supervision.audit.view import View
from supervision.runtime.clock import Clock, SystemClock

_SMALL = 300_000  # bytes of source below which starting processes costs more than it saves
_COLLECT_EVERY = 1_500_000  # bytes of source between collections of the trees' reference cycles
Progress = Callable[[int, int], None]
T = TypeVar("T")


@dataclass(slots=True)
class Options:
    """What to audit and how."""

    paths: list[str]
    codes: frozenset[str] = frozenset(RULES)
    jobs: int | None = None
    today: datetime.date | None = None
    reasons: bool = False  # a suppression without a reason suppresses nothing
    exclude: tuple[str, ...] = ()  # patterns of what is left out below the paths
    context: int = 0  # source lines before and after each finding
    progress: Progress | None = None


@dataclass(slots=True)
class Report:
    """What a run found, ordered by path, line and rule."""

    findings: list[Finding] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)
    expired: list[Expired] = field(default_factory=list)
    spawns: list[Spawn] = field(default_factory=list)
    whole: bool = True  # nothing was left out by an option
    files: int = 0
    lines: int = 0
    seconds: float = 0.0
    suppressed: int = 0
    baselined: int = 0


@dataclass(slots=True)
class _Checked:
    """What one file gave."""

    findings: list[Finding]
    expired: list[Expired]
    spawns: list[Spawn] = field(default_factory=list)
    suppressed: int = 0
    lines: int = 0
    error: Problem | None = None


def audit(options: Options, clock: Clock | None = None) -> Report:
    """Audit the paths. Nothing of what is audited is imported or run."""
    clock = clock or SystemClock()
    begun = clock.boot()
    today = options.today or datetime.datetime.fromtimestamp(clock.wall(), datetime.UTC).date()
    sources, problems = find(options.paths, options.exclude)
    report = Report(errors=problems)
    jobs = _jobs(options, sources)
    progress = _Progress(options.progress, sources)
    summaries: list[ModuleSummary] = []
    readable: set[str] = set()
    for summary, problem in _spread(_summarise, sources, jobs, _Shared(None, today), progress):
        if summary is not None:
            summaries.append(summary)
            readable.add(summary.path)
        if problem is not None:
            report.errors.append(problem)
    summaries.sort(key=lambda summary: summary.path)
    project = Project(summaries)
    parsed = [source for source in sources if source.path in readable]
    for checked in _spread(
        _check, parsed, jobs, _Shared(project, today, options.reasons, options.context), progress
    ):
        report.findings += checked.findings
        report.expired += checked.expired
        report.spawns += checked.spawns
        report.suppressed += checked.suppressed
        report.lines += checked.lines
        if checked.error is not None:
            report.errors.append(checked.error)
    report.findings = _fingerprinted([item for item in report.findings if item.rule in options.codes])
    report.expired = sorted(
        (item for item in report.expired if item.rule in options.codes),
        key=lambda item: (item.path, item.line),
    )
    report.errors.sort(key=lambda problem: problem.path)
    report.spawns.sort(key=lambda item: (item.path, item.line))
    report.whole = options.codes == frozenset(RULES)
    report.files = len(parsed)
    report.seconds = clock.boot() - begun
    return report


def _fingerprinted(findings: list[Finding]) -> list[Finding]:
    """Order the findings and name each; equal lines of one symbol are numbered in order."""
    seen: dict[tuple[str, str, str | None, str], int] = {}
    named: list[Finding] = []
    for item in sorted(findings, key=Finding.order):
        key = (item.rule, item.path, item.symbol, item.source)
        occurrence = seen[key] = seen.get(key, -1) + 1
        print_ = fingerprint(item.rule, item.path, item.symbol, item.source, occurrence)
        named.append(replace(item, fingerprint=print_))
    return named


# --------------------------------------------------------------------------------------------------- spreading


class _Progress:
    """Counts bytes over both passes, because files differ in size by thousands."""

    def __init__(self, tell: Progress | None, sources: list[Source]) -> None:
        self.tell = tell
        self.total = 2 * sum(source.size for source in sources)
        self.done = 0

    def add(self, size: int) -> None:
        self.done += size
        if self.tell is not None:
            self.tell(self.done, self.total)


def _jobs(options: Options, sources: list[Source]) -> int:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if options.jobs is not None:
        return max(1, min(options.jobs, len(sources) or 1))
    return 1 if sum(source.size for source in sources) < _SMALL else cores


@dataclass(frozen=True, slots=True)
class _Shared:
    """What all files of a pass are checked with."""

    project: Project | None
    today: datetime.date
    reasons: bool = False
    context: int = 0


_shared = _Shared(None, datetime.date.min)


def _receive(shared: _Shared) -> None:
    """Give a worker what all files share; with fork it is inherited and not copied."""
    global _shared  # one assignment per process, before its first file
    _shared = shared
    warnings.simplefilter("ignore", SyntaxWarning)
    rules.load()
    gc.disable()
    gc.freeze()


def _spread(
    work: Callable[[list[Source]], list[T]],
    sources: list[Source],
    jobs: int,
    shared: _Shared,
    progress: _Progress,
) -> Iterator[T]:
    """Run `work` over batches of the sources, in this process or in several.

    Where a worker is killed (a container's memory limit does that), what is left is done here: slower, in less memory.
    """
    batches = _batches(sources, jobs)
    if jobs > 1:
        method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
        context = multiprocessing.get_context(method)
        with ProcessPoolExecutor(jobs, mp_context=context, initializer=_receive, initargs=(shared,)) as pool:
            pending: dict[Future[list[T]], list[Source]] = {}
            left = []
            for batch in batches:
                try:
                    pending[pool.submit(work, batch)] = batch
                except BrokenProcessPool:
                    left.append(batch)
            for future in as_completed(pending):
                if isinstance(future.exception(), BrokenProcessPool):
                    left.append(pending[future])
                    continue
                yield from future.result()
                progress.add(sum(source.size for source in pending[future]))
        batches = left
    yield from _here(work, batches, shared, progress)


def _here(
    work: Callable[[list[Source]], list[T]],
    batches: list[list[Source]],
    shared: _Shared,
    progress: _Progress,
) -> Iterator[T]:
    global _shared  # as above
    _shared = shared
    rules.load()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        for batch in batches:
            yield from work(batch)
            progress.add(sum(source.size for source in batch))


def _batches(sources: list[Source], jobs: int) -> list[list[Source]]:
    """Batches of about equal size, the large files first, several for each worker so that none waits long."""
    ordered = sorted(sources, key=lambda source: -source.size)
    count = max(1, min(len(ordered), jobs * 12))
    batches: list[list[Source]] = [[] for _ in range(count)]
    for position, source in enumerate(ordered):
        batches[position % count].append(source)
    return [batch for batch in batches if batch]


# --------------------------------------------------------------------------------------------------- one file


def _parse(source: Source) -> tuple[FileIndex, bytes, list[str]] | Problem:
    try:
        content, lines = read(source)
        tree = ast.parse(content, filename=source.path)
    except OSError as error:
        return Problem(source.path, error.strerror or str(error))
    except SyntaxError as error:
        where = f"line {error.lineno}: " if error.lineno else ""
        return Problem(source.path, f"{where}{error.msg}")
    except ValueError as error:
        return Problem(source.path, str(error))
    except (RecursionError, MemoryError):
        return Problem(source.path, "nested too deeply to parse")
    return FileIndex(tree, source.module, is_package=source.is_package), content, lines


def _collected(sources: list[Source]) -> Iterator[Source]:
    """The sources, with a collection of what the earlier ones left now and then."""
    size = 0
    for source in sources:
        yield source
        size += source.size
        if size > _COLLECT_EVERY:
            size = 0
            gc.collect()


def _summarise(sources: list[Source]) -> list[tuple[ModuleSummary | None, Problem | None]]:
    found: list[tuple[ModuleSummary | None, Problem | None]] = []
    for source in _collected(sources):
        parsed = _parse(source)
        if isinstance(parsed, Problem):
            found.append((None, parsed))
            continue
        index = parsed[0]
        try:
            found.append((summarise(index, Names(index), source.path), None))
        except RecursionError:
            found.append((None, Problem(source.path, "nested too deeply to audit")))
    return found


def _check(sources: list[Source]) -> list[_Checked]:
    if _shared.project is None:
        raise RuntimeError("a worker was given no project")
    return [_check_one(source, _shared.project, _shared) for source in _collected(sources)]


def _check_one(source: Source, project: Project, shared: _Shared) -> _Checked:
    parsed = _parse(source)
    if isinstance(parsed, Problem):
        return _Checked([], [], error=parsed)
    index, content, lines = parsed
    view = View(index, Names(index), project, source.path, lines)
    try:
        rules.check(view)
        known = suppress.reaching(suppress.suppressions(content, lines), index)
        kept, suppressed, expired = suppress.apply(view.findings, known, shared.today, reasons=shared.reasons)
        started = started_here(view, kept)
    except Exception as fault:  # noqa: BLE001  # a fault of ours in one file is reported and the run goes on
        where = traceback.extract_tb(fault.__traceback__)[-1]
        return _Checked([], [], error=Problem(source.path, f"internal error: {fault!r} in {where.name}"))
    if shared.context:
        kept = [_with_context(item, lines, shared.context) for item in kept]
    error = Problem(source.path, f"nested too deeply for {', '.join(view.failed)}") if view.failed else None
    return _Checked(kept, expired, started, suppressed, len(lines), error)


def _with_context(item: Finding, lines: list[str], around: int) -> Finding:
    first = max(1, item.line - around)
    return replace(item, context=(first, tuple(lines[first - 1 : item.line + around])))
