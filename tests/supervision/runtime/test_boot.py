"""How guardian, node and helpers are started: isolated from the environment and from what is installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from supervision.runtime import boot


def run(*args: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-I", "-S", str(boot.ROOT / "supervision/runtime/boot.py"), *args]
    return subprocess.run(
        argv, cwd=cwd, env={"PATH": os.environ["PATH"], **environment}, capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("args", [(), ("doctor",), ("--help",), ("__main__",)])
def test_an_unknown_role_is_refused_with_the_roles_there_are(args: tuple[str, ...]) -> None:
    done = run(*args)
    assert (done.returncode, done.stderr) == (
        2,
        "usage: boot.py guardian|node|rotator|checkers|sampler|gateway ...\n",
    )


def test_the_command_runs_this_interpreter_isolated_and_without_site_packages() -> None:
    argv = boot.command("rotator", "--data-dir", "/x")
    assert argv == [
        sys.executable,
        "-I",
        "-S",
        str(Path(boot.__file__).resolve()),
        "rotator",
        "--data-dir",
        "/x",
    ]


def test_neither_the_environment_nor_the_folder_nor_a_package_changes_what_is_run(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "supervision"):
        folder.mkdir(exist_ok=True)
        for name in ("__init__", "json", "runtime", "sitecustomize"):
            (folder / f"{name}.py").write_text("raise SystemExit('taken over')")
    code = tmp_path / "look.py"
    code.write_text(
        "import runpy, sys\n"
        f"sys.argv = ['boot.py', 'doctor']\n"
        "try:\n"
        f"    runpy.run_path({boot.__file__!r}, run_name='__main__')\n"
        "except SystemExit: pass\n"
        "import json, supervision.runtime.node\n"
        "print(json.dumps([sys.path, supervision.__path__[0], sorted(sys.modules)]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(code)], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60,
        env={"PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": str(tmp_path / "json.py")},
    )  # fmt: skip
    path, package, modules = json.loads(done.stdout)
    assert path[0] == str(boot.ROOT)
    assert str(tmp_path) not in path
    assert not any("site-packages" in each for each in path)
    assert package == str(boot.ROOT / "supervision")
    foreign = {"django", "celery", "redis", "psycopg", "yaml", "site", "asyncio", "dataclasses_json"}
    assert foreign.isdisjoint(modules)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("guardian", "--dat-dir", "x"), "guardian: unknown option --dat-dir"),
        (("guardian", "--on-guardian-death", "panic"), "guardian: promote or stop, fail or follow"),
        (("guardian", "--if-running", "wait"), "guardian: promote or stop, fail or follow"),
        (("guardian", "--data-dir"), "guardian: --data-dir needs a value"),
        (("node",), "node: started by the guardian only"),
        (("node", "--x", "y"), "node: unknown option --x"),
    ],
)
def test_bad_options_are_named_and_nothing_is_started(
    args: tuple[str, ...], words: str, tmp_path: Path
) -> None:
    done = run(*args, OVERSTORY_DATA_DIR=str(tmp_path / "data"))
    assert done.returncode == 2
    assert done.stderr.startswith(words)
    assert not (tmp_path / "data").exists()


def test_a_module_may_be_loaded_when_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    later = boot.Later("colorsys")
    monkeypatch.setitem(sys.modules, "colorsys", later)
    assert later.rgb_to_hls(0, 0, 0) == (0, 0, 0)
    assert sys.modules["colorsys"] is not later


def test_guardian_and_node_do_not_load_what_they_hardly_ever_need() -> None:
    """Half a megabyte each in processes that live for years, beside what they need; nothing fails when it comes back."""
    code = (
        "import runpy, sys\n"
        "sys.argv = ['boot.py', 'none']\n"
        "try:\n"
        f"    runpy.run_path({boot.__file__!r}, run_name='__main__')\n"
        "except SystemExit: pass\n"
        "import supervision.runtime.guardian, supervision.runtime.node\n"
        "print(*sorted({'ast', 'dis', 'hashlib', 'uuid', 'traceback', 'argparse', 'random'} & sys.modules.keys()))\n"
        "print(type(sys.modules['inspect']).__name__, type(sys.modules['ipaddress']).__name__)\n"
    )
    argv = [sys.executable, "-I", "-S", "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "\nLater Later\n", done.stderr
