"""What a benchmark says: tables for people, figures that are judged, and both as JSON and Markdown."""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

Cell = str | float | int | None
WIDTH = 96


@dataclass(frozen=True, slots=True)
class Figure:
    """One promise: `value` against `limit`. `value` None is a figure that could not be taken, and `why` says so."""

    name: str
    value: float | None
    limit: float
    unit: str
    at_least: bool = False
    why: str = ""

    @property
    def verdict(self) -> str:
        """`ok`, `MISSED` or `not taken`."""
        if self.value is None:
            return "not taken"
        met = self.value >= self.limit if self.at_least else self.value <= self.limit
        return "ok" if met else "MISSED"

    def cells(self) -> tuple[str, str, str]:
        """Measured, promised, verdict."""
        taken = self.why if self.value is None else f"{number(self.value)}{self.unit}"
        bound = f"{'at least' if self.at_least else 'at most'} {number(self.limit)}{self.unit}"
        return taken, bound, self.verdict

    def sentence(self) -> str:
        """The figure in one line."""
        taken, bound, _ = self.cells()
        return f"{self.name}: {taken} ({bound})"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells under a title. A None cell is shown as nothing measured."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    def text(self) -> str:
        """For a terminal."""
        cells = [list(self.columns), *([show(cell) for cell in row] for row in self.rows)]
        widths = [max(len(row[at]) for row in cells) for at in range(len(self.columns))]
        lines = [self.title, *(_aligned(row, widths) for row in cells)]
        lines.insert(2, "  ".join("-" * width for width in widths))
        lines += textwrap.wrap(self.note, WIDTH)
        return "\n".join(lines)

    def markdown(self) -> str:
        """For docs/benchmarks.md."""
        head = "| " + " | ".join(self.columns) + " |"
        rule = "|" + "|".join("---" if at == 0 else "---:" for at in range(len(self.columns))) + "|"
        rows = ["| " + " | ".join(show(cell) for cell in row) + " |" for row in self.rows]
        note = [self.note, ""] if self.note else []
        return "\n".join([f"### {self.title}", "", *note, head, rule, *rows])


@dataclass(slots=True)
class Result:
    """What one entry found. `samples` are the raw values, for the JSON only."""

    entry: str
    seconds: float = 0.0
    tables: list[Table] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    samples: dict[str, Any] = field(default_factory=dict)
    output: str = ""
    """What a separate program printed, where the entry is one."""
    failure: str = ""
    """Why it could not be measured to its end; the other entries stand."""

    def as_json(self) -> dict[str, Any]:
        return {
            "entry": self.entry,
            "seconds": round(self.seconds, 1),
            "tables": [asdict(table) for table in self.tables],
            "figures": [{**asdict(figure), "verdict": figure.verdict} for figure in self.figures],
            "samples": self.samples,
            "output": self.output,
            "failure": self.failure,
        }


def result_from_json(body: dict[str, Any]) -> Result:
    """What `as_json` wrote."""
    tables = [
        Table(**{**table, "columns": tuple(table["columns"]), "rows": tuple(map(tuple, table["rows"]))})
        for table in body["tables"]
    ]
    figures = [
        Figure(**{name: value for name, value in figure.items() if name != "verdict"})
        for figure in body["figures"]
    ]
    return Result(
        body["entry"],
        body["seconds"],
        tables,
        figures,
        body["samples"],
        body["output"],
        body["failure"],
    )


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    digits = 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def show(cell: Cell) -> str:
    """A cell as text; a dot where nothing was measured."""
    if cell is None:
        return "."
    return cell if isinstance(cell, str) else number(cell)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        cell.ljust(width) if at == 0 else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *others]).rstrip()


def summary(results: Sequence[Result]) -> str:
    """Every figure with its verdict, the missed ones last where they are seen, then what could not be measured."""
    figures = [figure for result in results for figure in result.figures]
    order = ("ok", "not taken", "MISSED")
    lines = [
        f"{figure.verdict:>9}  {figure.sentence()}"
        for verdict in order
        for figure in figures
        if figure.verdict == verdict
    ]
    missed = sum(figure.verdict == "MISSED" for figure in figures)
    not_taken = sum(figure.verdict == "not taken" for figure in figures)
    lines += [f"   FAILED  {result.entry}: {result.failure}" for result in results if result.failure]
    return "\n".join([*lines, f"{len(figures)} figures: {missed} missed, {not_taken} not taken"])


def missed(results: Iterable[Result]) -> list[Figure]:
    """The figures that make the run fail: a figure that was not taken is said, and fails nothing."""
    return [figure for result in results for figure in result.figures if figure.verdict == "MISSED"]
