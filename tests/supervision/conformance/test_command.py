"""What the command promises: what it prints last, its exit status, and the JSON."""

import json
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from supervision.conformance.command import run

ROOT = Path(__file__).parents[3]
CASES = ROOT / "tests" / "data" / "conformance" / "cases"


def _case(**changes: Any) -> dict[str, Any]:
    case: dict[str, Any] = {
        "name": "one",
        "covers": [],
        "tags": [],
        "tree": {"id": "root", "intensity": 1, "children": [{"id": "a"}]},
        "start": {
            "reply": ["ok", "root#1"],
            "events": [["start", "root/a#1", "ok"], ["start", "root#1", "ok"]],
            "reports": [],
            "state": {"root": {"children": [["a", 1]], "counts": [1, 1, 0, 1]}},
        },
        "steps": [
            {
                "do": {"op": "exit", "path": "root/a", "reason": "boom"},
                "expect": {
                    "events": [["exit", "root/a#1", "boom"], ["start", "root/a#2", "ok"]],
                    "reports": [["child_terminated", "root", "a", "boom"]],
                    "state": {"root": {"children": [["a", 2]], "counts": [1, 1, 0, 1]}},
                },
            }
        ],
    }
    return {**case, **changes}


def _run(path: Path, *, as_json: bool = False) -> tuple[int, list[str], str]:
    out, err = StringIO(), StringIO()
    status = run(path, as_json=as_json, out=out, err=err)
    return status, out.getvalue().splitlines(), err.getvalue()


def _file(directory: Path, *cases: Any, name: str = "cases.json") -> Path:
    path = directory / name
    path.write_text(json.dumps(cases))
    return path


def test_all_passed(tmp_path: Path) -> None:
    assert _run(_file(tmp_path, _case(), _case(name="two"))) == (0, ["2 passed, 0 failed"], "")


@pytest.mark.parametrize(
    ("part", "expect"),
    [
        ("events", {"events": [], "reports": [["child_terminated", "root", "a", "boom"]]}),
        ("reports", {"events": [["exit", "root/a#1", "boom"], ["start", "root/a#2", "ok"]], "reports": []}),
        ("reply", {"reply": "noproc", "events": [], "reports": []}),
        (
            "state",
            {
                "events": [["exit", "root/a#1", "boom"], ["start", "root/a#2", "ok"]],
                "reports": [["child_terminated", "root", "a", "boom"]],
            },
        ),
    ],
)
def test_a_failure_says_where_and_what(tmp_path: Path, part: str, expect: dict[str, Any]) -> None:
    step = {**_case()["steps"][0], "expect": expect}
    path = _file(tmp_path, _case(steps=[step]), _case(name="two"))
    status, lines, _ = _run(path)
    assert status == 1
    assert lines[0] == f"one: step 1, {part}"
    assert lines[-1] == "1 passed, 1 failed"
    status, lines, _ = _run(path, as_json=True)
    document = json.loads(lines[0])
    assert lines[1:] == ["1 passed, 1 failed"]
    assert (document["passed"], document["failed"]) == (1, 1)
    assert document["cases"][1] == {"name": "two", "ok": True}
    assert document["cases"][0].keys() == {"name", "ok", "step", "part", "expected", "got"}
    assert (document["cases"][0]["step"], document["cases"][0]["part"]) == ("step 1", part)


def test_an_exception_fails_the_case_and_not_the_command(tmp_path: Path) -> None:
    broken = _case(steps=[{"do": {"op": "dance"}, "expect": {"events": [], "reports": []}}])
    status, lines, _ = _run(_file(tmp_path, broken, _case(name="two")))
    assert status == 1
    assert lines[0].startswith("one: step 1")
    assert lines[-1] == "1 passed, 1 failed"


def test_a_directory_is_run_in_name_order(tmp_path: Path) -> None:
    _file(tmp_path, _case(name="b"), name="2.json")
    _file(tmp_path, _case(name="a"), name="1.json")
    _, lines, _ = _run(tmp_path, as_json=True)
    assert [case["name"] for case in json.loads(lines[0])["cases"]] == ["a", "b"]


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", "[1]", '[{"no": "name"}]'])
def test_what_holds_no_case_is_an_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    status, lines, error = _run(path)
    assert (status, lines) == (2, [])
    assert str(path) in error


def test_a_path_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert _run(tmp_path / "nothing")[0] == 2
    assert _run(tmp_path)[0] == 2


def test_it_runs_as_a_module_without_django() -> None:
    script = "import sys; from supervision.conformance.command import main; main(sys.argv[1:]); "
    script += "assert 'django' not in sys.modules"
    path = str(CASES / "05_strategies.json")
    done = subprocess.run(
        [sys.executable, "-c", script, path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "34 passed, 0 failed\n"), done.stderr


def test_manage_py_knows_it() -> None:
    argv = [sys.executable, "manage.py", "otp_conformance", str(CASES / "02_stop.json"), "--json"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "23 passed, 0 failed"
