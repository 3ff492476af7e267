"""Building the shim, and its own protocol in each way it can be built."""

import os
import subprocess
from pathlib import Path

import pytest

from supervision.runtime import shim as shim_module
from supervision.runtime.shim import NAME, SOURCE, ShimBuildError, build_shim


def test_it_is_built_once_and_again_when_its_source_is_newer(tmp_path: Path) -> None:
    built = build_shim(tmp_path / "build")
    assert built == tmp_path / "build" / NAME
    first = built.stat().st_mtime_ns
    assert build_shim(tmp_path / "build").stat().st_mtime_ns == first
    os.utime(built, (SOURCE.stat().st_mtime - 1, SOURCE.stat().st_mtime - 1))
    assert build_shim(tmp_path / "build").stat().st_mtime > SOURCE.stat().st_mtime
    assert [path.name for path in built.parent.iterdir()] == [NAME]


def test_without_a_compiler_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(ShimBuildError, match="no C compiler"):
        build_shim(tmp_path / "build")


def test_a_compiler_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho no headers >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CC", str(broken))
    with pytest.raises(ShimBuildError, match="no headers"):
        build_shim(tmp_path / "build")
    assert list((tmp_path / "build").iterdir()) == []


@pytest.mark.parametrize("way", shim_module._WAYS, ids=["freestanding", "static", "dynamic"])
def test_every_way_of_building_behaves_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: list[str]
) -> None:
    monkeypatch.setattr(shim_module, "_WAYS", (way,))
    built = build_shim(tmp_path)
    reading, writing = os.pipe()

    def run(*steps: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [built, str(writing), *steps],
            capture_output=True,
            text=True,
            pass_fds=[writing],
            env={"LISTEN_PID": "0", "B": "1"},
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    code = "umask; pwd; ulimit -n; echo $LISTEN_PID $$ $B $0 $1"
    status, said, _ = run(
        *("umask", "027", "chdir", "/usr", "limit", "7", "20", "=", "listen"),
        *("exec", "/bin/sh", "sh", "-c", code, "zero", "one"),
    )
    umask, directory, nofile, listen_pid, pid, variable, zero, one = said.split()
    assert (status, umask, directory, nofile, variable, zero, one) == (
        0,
        "0027",
        "/usr",
        "20",
        "1",
        "zero",
        "one",
    )
    assert listen_pid == pid

    os.set_blocking(reading, False)
    for steps, report in [
        (("chdir", "/nope", "exec", "/bin/true", "true"), "2 chdir /nope"),
        (("exec", "/nope", "nope"), "2 exec /nope"),
        (("limit", "99", "1", "1"), "22 limit 99"),
        (("limit", "7", "12x", "="), "22 limit 12x"),
        (("umask", "8"), "22 umask 8"),
        (("nice", "x"), "22 nice x"),
        (("groups", "1,,2"), "22 groups ,2"),
        (("cgroup", "/nope"), "2 cgroup /nope"),
        (("cgroup", "/" + "x" * 5000), "36 cgroup /" + "x" * 300),
        (("uid",), "22 usage uid"),
        (("nonsense", "1"), "22 usage nonsense"),
        ((), "22 usage exec is missing"),
    ]:
        status, _, error = run(*steps)
        told = os.read(reading, 512).decode()
        assert status == 127
        assert told.startswith(report)
        assert error == f"overstory-exec: error {told}"
    os.close(reading)
    os.close(writing)
