"""Score the audit on the judged places of the public corpus, and beside it the tools that cover some of its rules.

    python -m bench.audit_labels DIR                 fetches the packages into DIR the first time
    python -m bench.audit_labels DIR --tools PYTHON  an interpreter that has ruff, pylint, bandit, flake8 with plugins

Recall: places to be reported that are; false reports: places that are all right and are reported all the same. Exit
status 1 when recall is under 90 % or more than 5 % of the second kind are reported.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from supervision.audit.run import Options, audit

LABELS = Path(__file__).parents[1] / "tests" / "data" / "audit_corpus" / "labels.jsonl"
NEAR = 2
LONGEST_S = 1800.0

# For each tool its rules that cover one of ours, wholly or in part.
RUFF = {
    "S605": {"SUP105"}, "S606": {"SUP105"}, "RUF006": {"SUP108"}, "ASYNC251": {"SUP201"}, "ASYNC210": {"SUP202"},
    "ASYNC212": {"SUP202"}, "ASYNC220": {"SUP204"}, "ASYNC221": {"SUP204"}, "ASYNC222": {"SUP204"},
    "ASYNC230": {"SUP204"}, "ASYNC240": {"SUP204"}, "ASYNC110": {"SUP207"}, "B019": {"SUP505", "SUP503"},
    "E722": {"SUP801"}, "S110": {"SUP802"}, "S112": {"SUP802"}, "BLE001": {"SUP802"}, "S113": {"SUP803"},
    "SIM115": {"SUP901"}, "PLR0915": {"SUP013"},
}  # fmt: skip
PYLINT = {
    "R1732": {"SUP103", "SUP106", "SUP107", "SUP901", "SUP902", "SUP903", "SUP904"}, "W0702": {"SUP801"},
    "W0718": {"SUP802"}, "W3101": {"SUP803"}, "W1518": {"SUP505", "SUP503"}, "C0302": {"SUP011"}, "R0904": {"SUP012"},
}  # fmt: skip
BANDIT = {"B605": {"SUP105"}, "B110": {"SUP802"}, "B112": {"SUP802"}, "B113": {"SUP803"}}
FLAKE8 = {
    "ASYNC300": {"SUP108"}, "ASYNC251": {"SUP201"}, "ASYNC210": {"SUP202"}, "ASYNC211": {"SUP202"},
    "ASYNC212": {"SUP202"}, "ASYNC220": {"SUP204"}, "ASYNC221": {"SUP204"}, "ASYNC222": {"SUP204"},
    "ASYNC230": {"SUP204"}, "ASYNC231": {"SUP204"}, "ASYNC232": {"SUP204"}, "ASYNC240": {"SUP204"},
    "ASYNC110": {"SUP207"}, "ASYNC103": {"SUP807"}, "ASYNC104": {"SUP807"}, "B019": {"SUP505", "SUP503"},
    "B001": {"SUP801"}, "E722": {"SUP801"},
}  # fmt: skip

Place = tuple[str, str, int]


def labels() -> list[dict[str, str]]:
    """The judged places."""
    return [json.loads(line) for line in LABELS.read_text(encoding="utf-8").splitlines()]


def fetch(directory: Path) -> None:
    """Install the judged releases there, sources only, unless they are."""
    if any(directory.glob("*.dist-info")):
        return
    packages = sorted({label["package"] for label in labels()})
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(directory),
        *packages,
    ]
    subprocess.run(command, check=True, timeout=LONGEST_S)


def ours(directory: Path) -> set[Place]:
    """What the audit reports."""
    report = audit(Options([str(directory)]))
    print(f"audit: {report.files:,} files, {report.lines:,} lines, {report.seconds:.1f} s")
    return {(item.path, item.rule, item.line) for item in report.findings}


def _output(arguments: list[str], directory: Path) -> str:
    done = subprocess.run(
        arguments, cwd=directory, capture_output=True, text=True, timeout=LONGEST_S, check=False
    )
    return done.stdout


def _as_ours(path: str, code: str, line: int, table: dict[str, set[str]]) -> Iterator[Place]:
    for rule in table.get(code, ()):
        yield path, rule, line


def _ruff(python: str, directory: Path, files: list[str]) -> set[Place]:
    command = [
        python,
        "-m",
        "ruff",
        "check",
        "--isolated",
        "--preview",
        "--ignore-noqa",
        "--no-cache",
        "--output-format",
        "json",
    ]
    found = json.loads(_output([*command, "--select", ",".join(RUFF), *files], directory))
    places = (
        (str(Path(item["filename"]).relative_to(directory)), item["code"], item["location"]["row"])
        for item in found
    )
    return {place for path, code, line in places for place in _as_ours(path, code, line, RUFF)}


def _pylint(python: str, directory: Path, files: list[str]) -> set[Place]:
    command = [
        python,
        "-m",
        "pylint",
        "--disable=all",
        f"--enable={','.join(PYLINT)}",
        "--output-format=json",
        "--jobs=2",
    ]
    found = json.loads(_output([*command, *files], directory) or "[]")
    return {
        place for item in found for place in _as_ours(item["path"], item["message-id"], item["line"], PYLINT)
    }


def _bandit(python: str, directory: Path, files: list[str]) -> set[Place]:
    command = [
        python,
        "-m",
        "bandit",
        "--quiet",
        "--ignore-nosec",
        "--format",
        "json",
        "--tests",
        ",".join(BANDIT),
    ]
    found = json.loads(_output([*command, *files], directory))["results"]
    places = ((item["filename"].removeprefix("./"), item["test_id"], item["line_number"]) for item in found)
    return {place for path, code, line in places for place in _as_ours(path, code, line, BANDIT)}


def _flake8(python: str, directory: Path, files: list[str]) -> set[Place]:
    command = [python, "-m", "flake8", "--isolated", "--disable-noqa", f"--select={','.join(FLAKE8)}"]
    places: set[Place] = set()
    for line in _output([*command, *files], directory).splitlines():
        match = re.match(r"(?:\./)?(.+?):(\d+):\d+: (\w+)", line)
        if match:
            places.update(_as_ours(match[1], match[3], int(match[2]), FLAKE8))
    return places


TOOLS: dict[str, Callable[[str, Path, list[str]], set[Place]]] = {
    "ruff": _ruff,
    "pylint": _pylint,
    "bandit": _bandit,
    "flake8-async and bugbear": _flake8,
}


def reported(label: dict[str, str], places: set[Place]) -> bool:
    """Whether some place has the label's file and rule, and a line near it."""
    line = int(label["line"])
    return any((label["file"], label["rule"], near) in places for near in range(line - NEAR, line + NEAR + 1))


@dataclass(frozen=True, slots=True)
class Tally:
    """How a tool did: `hits` of `true` places that have to be reported, `false` of `fine` that must not be."""

    hits: int
    true: int
    false: int
    fine: int
    wrong: tuple[dict[str, str], ...]

    @property
    def recall(self) -> float:
        return self.hits / self.true

    @property
    def false_rate(self) -> float:
        return self.false / self.fine

    def cells(self) -> tuple[str, str]:
        return (
            f"{self.hits} of {self.true} ({self.recall:.0%})",
            f"{self.false} of {self.fine} ({self.false_rate:.0%})",
        )


def tally(places: set[Place]) -> Tally:
    """Compare what a tool reports with what was judged."""
    wrong = [label for label in labels() if (label["verdict"] == "TP") != reported(label, places)]
    true = sum(label["verdict"] == "TP" for label in labels())
    missed = sum(label["verdict"] == "TP" for label in wrong)
    return Tally(true - missed, true, len(wrong) - missed, len(labels()) - true, tuple(wrong))


def score(name: str, places: set[Place], *, tell: bool = False) -> bool:
    """Print a row of the table; whether it meets the figures."""
    found = tally(places)
    print(f"| {name} | {' | '.join(found.cells())} |")
    for label in found.wrong if tell else ():
        print(f"    {label['verdict']} {label['rule']} {label['file']}:{label['line']} {label['reason']}")
    return found.recall >= 0.9 and found.false_rate <= 0.05


def main() -> int:
    """Fetch, score, compare."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.audit_labels", description="Score the judged places."
    )
    parser.add_argument("directory", type=Path)
    parser.add_argument("--tools", metavar="PYTHON")
    given = parser.parse_args()
    directory = given.directory.resolve()
    fetch(directory)
    met = score("this audit", ours(directory), tell=True)
    if given.tools:
        files = sorted({label["file"] for label in labels()})
        together: set[Place] = set()
        for name, run in TOOLS.items():
            places = run(given.tools, directory, files)
            together |= places
            score(name, places)
        score("the four together", together)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
