"""Whatever lies in a directory, the audit ends, says what it could not read, and audits the rest."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from supervision.audit import cli, rules, run
from supervision.audit.run import Options, audit
from supervision.audit.sources import Source, find
from supervision.audit.sources import read as read_file
from supervision.audit.view import View
from tests.supervision.audit.support import DAY, audit_files, found

DROPPED = "import threading\ndef go():\n    threading.Thread(target=print).start()\n"


def test_a_file_that_does_not_parse_is_an_error_and_the_others_are_audited(tmp_path: Path) -> None:
    report = audit_files(tmp_path, {"bad.py": "def f(:\n", "good.py": DROPPED})
    assert [(item.path, item.message.split(":")[0]) for item in report.errors] == [("bad.py", "line 1")]
    assert found(report, "SUP101") == [("SUP101", "good.py", 3)]


def test_text_that_is_not_utf_8_is_an_error_unless_the_file_declares_its_encoding(tmp_path: Path) -> None:
    (tmp_path / "latin.py").write_bytes(b"# -*- coding: latin-1 -*-\nname = 'caf\xe9'\n" + DROPPED.encode())
    (tmp_path / "broken.py").write_bytes(b"name = 'caf\xe9'\n")
    (tmp_path / "nul.py").write_bytes(b"x = 1\x00\n")
    (tmp_path / "cookie.py").write_bytes(b"# coding: no-such-encoding\nx = 1\n")
    report = audit(Options([str(tmp_path)], jobs=1, today=DAY))
    assert [item.path for item in report.errors] == ["broken.py", "cookie.py", "nul.py"]
    assert found(report, "SUP101") == [("SUP101", "latin.py", 5)]


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "(" * 300 + ")" * 300,
        "x = " + "-" * 20_000 + "1",
        "x = a" + ".b" * 20_000,
        "x = a" + "()" * 20_000,
        "x = " + " + ".join(["1"] * 20_000),
        "x = a" + ".b" * 900,
        "x = " + " + ".join(["a"] * 900),
        "".join(f"{' ' * depth}if x:\n" for depth in range(90)) + " " * 90 + "pass",
        "x = [" + "1," * 200_000 + "]",
        "x = f(" * 80 + ")" * 80,
    ],
    ids=[
        "brackets",
        "signs",
        "attributes",
        "calls",
        "sums",
        "chain",
        "sum",
        "blocks",
        "list",
        "nested-calls",
    ],
)
def test_deep_and_long_expressions_never_end_the_run(text: str, tmp_path: Path) -> None:
    report = audit_files(tmp_path, {"deep.py": text + "\n", "good.py": DROPPED})
    assert found(report, "SUP101") == [("SUP101", "good.py", 3)]
    assert {item.path for item in report.errors} <= {"deep.py"}


def test_references_that_refer_to_each_other_come_to_an_end(tmp_path: Path) -> None:
    lines = []
    for n in range(9):
        first, second = f"A{(n + 1) % 9}().x.y", f"A{(n + 2) % 9}().y.x"
        lines.append(
            f"class A{n}:\n    def __init__(self):\n        self.x = {first}\n        self.y = {second}"
        )
    lines += [
        "def f(): return g().x",
        "def g(): return f().y",
        "a = b",
        "b = a",
        "class C(D): ...",
        "class D(C): ...",
    ]
    report = audit_files(
        tmp_path, {"knot.py": "\n".join(lines) + "\nf().x.start()\nC().start()\na.start()\n"}
    )
    assert not report.errors


def test_an_empty_file_and_an_empty_directory_are_nothing_to_report(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("")
    report = audit(Options([str(tmp_path)], jobs=1, today=DAY))
    assert (report.files, report.lines, report.findings, report.errors) == (1, 0, [], [])


def test_a_file_that_is_too_large_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supervision.audit.sources.MAX_BYTES", 100)
    report = audit_files(tmp_path, {"huge.py": "x = 1\n" * 100, "good.py": DROPPED})
    assert [item.path for item in report.errors] == ["huge.py"]
    assert found(report, "SUP101")


def test_links_that_lead_back_are_entered_once(tmp_path: Path) -> None:
    package = tmp_path / "shop"
    package.mkdir()
    (package / "app.py").write_text(DROPPED)
    (package / "again").symlink_to(tmp_path)
    (package / "self").symlink_to(package)
    (package / "alias.py").symlink_to(package / "app.py")
    (package / "gone.py").symlink_to(tmp_path / "nowhere.py")
    (tmp_path / "ring").symlink_to(tmp_path / "ring")
    sources, problems = find([str(tmp_path)])
    assert len(sources) == 1
    assert [item.path for item in problems] == ["shop/gone.py"]


def test_a_read_that_fails_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = read_file

    def read(source: Source) -> tuple[bytes, list[str]]:
        if source.path == "closed.py":
            raise PermissionError(13, "Permission denied")
        return original(source)

    monkeypatch.setattr("supervision.audit.run.read", read)
    report = audit_files(tmp_path, {"closed.py": DROPPED, "good.py": DROPPED})
    assert [(item.path, item.message) for item in report.errors] == [("closed.py", "Permission denied")]
    assert found(report, "SUP101") == [("SUP101", "good.py", 3)]


def test_special_files_and_other_peoples_directories_are_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    for name in (".hidden", "__pycache__", "node_modules"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").write_text(DROPPED)
    (tmp_path / "env").mkdir()
    (tmp_path / "env" / "pyvenv.cfg").write_text("")
    (tmp_path / "env" / "a.py").write_text(DROPPED)
    sources, problems = find([str(tmp_path)])
    assert not sources
    assert [(item.path, item.message) for item in problems] == [("pipe.py", "not a regular file")]


def test_audited_code_is_never_imported_or_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    text = f"import pathlib\npathlib.Path({str(mark)!r}).touch()\nraise SystemExit(3)\n"
    before = set(sys.modules)
    report = audit_files(tmp_path, {"trap.py": text, "trap_package/__init__.py": text, "conftest.py": text})
    assert not mark.exists()
    assert not report.errors
    assert not {name for name in set(sys.modules) - before if "trap" in name}


def test_several_processes_find_what_one_finds(tmp_path: Path) -> None:
    files = {f"shop/part{number}.py": DROPPED.replace("go", f"go{number}") for number in range(12)}
    files |= {"shop/__init__.py": "", "shop/bad.py": "def f(:\n"}
    alone = audit_files(tmp_path, files)
    together = audit(Options([str(tmp_path)], jobs=2, today=DAY))
    assert together.findings == alone.findings
    assert together.errors == alone.errors
    assert (together.files, together.lines) == (alone.files, alone.lines)


def test_a_fault_of_a_rule_is_reported_for_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = rules.check

    def check(view: View) -> None:
        if view.path == "odd.py":
            raise KeyError("ours")
        original(view)

    monkeypatch.setattr(rules, "check", check)
    report = audit_files(tmp_path, {"odd.py": DROPPED, "good.py": DROPPED})
    assert [item.path for item in report.errors] == ["odd.py"]
    assert "internal error" in report.errors[0].message
    assert found(report, "SUP101") == [("SUP101", "good.py", 3)]


def test_the_tool_needs_the_standard_library_only(tmp_path: Path) -> None:
    """`-S` leaves site-packages out, `-I` the environment."""
    root = Path(cli.__file__).parents[2]
    code = (
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        "from supervision.audit.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    (tmp_path / "a.py").write_text(DROPPED)
    status = os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-I", "-S", "-c", code, str(tmp_path), "--output",
                                                   str(tmp_path / "report.txt")])  # fmt: skip
    assert status == 0
    assert "SUP101" in (tmp_path / "report.txt").read_text()


def test_what_a_killed_worker_left_is_audited_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"m{at}.py": DROPPED for at in range(40)}
    parent, check = os.getpid(), run._check_one

    def killed(*arguments: Any) -> Any:
        if os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return check(*arguments)

    monkeypatch.setattr(run, "_check_one", killed)
    report = audit_files(tmp_path, files, jobs=2)
    assert len(report.findings) == 40
    assert report.files == 40


def test_what_is_excluded_is_not_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.py", "build/b.py", "src/build/c.py", "src/gen/d.py"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(DROPPED)
    assert cli.main([str(tmp_path), "--exclude", "build/", "--exclude", "*/gen"]) == 0
    said = capsys.readouterr().out
    assert [line.split(":")[0] for line in said.splitlines() if "SUP101" in line] == [
        "a.py",
        "src/build/c.py",
    ]
