"""Recovery of a real node after the machine was rebooted or everything was stopped; other deaths are acceptance tests."""

import contextlib
import os
import re
import signal
from pathlib import Path

from supervision.runtime.exits_file import ExitsFile
from supervision.runtime.identity import boot_id, read_stat
from supervision.runtime.spare_files import DIRECTORY, NO_PAIR, SpareFiles
from tests.support.engine import Engine, alive, child, python, tree
from tests.support.waiting import wait_for

POOL = {"id": "pool", "supervisor": {"strategy": "simple_one_for_one", "children": [child("job")]}}
OTHER_BOOT = "00000000-1111-2222-3333-444444444444"


def crash(engine: Engine) -> None:
    """Everything dies at once."""
    guardian, node = engine.guardian_pid(), engine.node_pid()
    assert guardian is not None
    for pid in (guardian, node):
        os.kill(pid, signal.SIGSTOP)
    for pid in [*engine.processes(), guardian, node]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not any(alive(pid) for pid in engine.processes()), timeout=30)


def reboot(engine: Engine) -> None:
    """As `crash`, and the journal is of another boot."""
    crash(engine)
    for segment in engine.paths.journal_dir.glob("*.journal"):
        data = segment.read_bytes()
        assert boot_id().encode() in data
        segment.write_bytes(data.replace(boot_id().encode(), OTHER_BOOT.encode()))


def test_after_a_reboot_everything_starts_anew_but_what_operators_wanted_stands() -> None:
    with Engine() as engine:
        engine.apply(tree("t", child("a"), child("b"), child("c"), POOL))
        engine.wait_state("t/pool", "running")
        engine.call("start_child", supervisor="t/pool", instance="one")
        engine.call("start_child", supervisor="t/pool", instance="two")
        engine.call("start_child", supervisor="t", child=child("extra"))
        engine.call("stop", key="t/b")
        engine.call("stop", key="t/pool/two")
        engine.call("hold", key="t/c")
        before = engine.views()
        reboot(engine)
        engine.start()
        engine.wait_state("t/a", "running", incarnation=2)
        engine.wait_state("t/extra", "running", incarnation=2)
        engine.wait_state("t/pool/one", "running", incarnation=2)
        after = engine.views()
        assert set(after) == set(before)
        assert (after["t/b"]["state"], after["t/b"]["wanted"], after["t/b"]["pid"]) == (
            "stopped",
            "down",
            None,
        )
        assert (after["t/pool/two"]["wanted"], after["t/pool/two"]["pid"]) == ("down", None)
        assert (after["t/c"]["held"], after["t/c"]["state"]) == (True, "held")
        running = {view["key"]: view["pid"] for view in after.values() if view.get("pid")}
        assert set(running) == {"t/a", "t/extra", "t/pool/one"}


def test_dynamic_children_return_after_a_stop_of_everything() -> None:
    with Engine() as engine:
        engine.apply(tree("t", child("a"), POOL))
        engine.wait_state("t/pool", "running")
        engine.call("start_child", supervisor="t/pool", instance="one")
        engine.wait_state("t/pool/one", "running")
        engine.stop()
        engine.start()
        engine.wait_state("t/pool/one", "running", incarnation=2)
        engine.call("delete_child", key="t/pool/one")
        engine.stop()
        engine.start()
        engine.wait_state("t/a", "running", incarnation=3)
        assert "t/pool/one" not in engine.views()


def test_trees_that_wait_for_the_stores_at_a_clean_start_are_begun_by_the_next_node(
    tmp_path: Path,
) -> None:
    gate = tmp_path / "gate"
    code = python(
        "import os, pathlib, socket, time\n"
        f"while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "s.sendto(b'READY=1', os.environ['NOTIFY_SOCKET'])\n"
        "time.sleep(3600)\n"
    )
    with Engine() as engine:
        gate.touch()
        engine.apply(tree("system", child("postgres", code, process={"readiness": {"notify": True}})))
        engine.apply(tree("t", child("a")))
        engine.wait_state("t/a", "running")
        engine.stop()
        gate.unlink()
        engine.start()
        engine.wait_state("system/postgres", "starting")
        assert engine.child("t/a")["pid"] is None
        old = engine.kill_node()
        wait_for(lambda: engine.wait_answer()["pid"] != old, timeout=30)
        gate.touch()
        engine.wait_state("system/postgres", "running")
        engine.wait_state("t/a", "running")


def test_a_child_whose_secret_is_gone_by_now_is_adopted_all_the_same(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    section = {"environment": {"TOKEN": {"secret_file": str(secret)}}}
    with Engine() as engine:
        engine.apply(tree("t", child("a", process=section), child("b")))
        before = engine.wait_state("t/a", "running")
        secret.unlink()
        old = engine.kill_node()
        wait_for(lambda: engine.wait_answer()["pid"] != old, timeout=30)
        assert engine.child("t/a")["pid"] == before["pid"]
        os.kill(before["pid"], signal.SIGKILL)
        view = wait_for(lambda: (v := engine.child("t/a"))["last_exit"] and v, timeout=30)
        assert re.search(r"TOKEN: secret file .*secret: No such file", str(engine.records("step"))), view
        engine.call("stop", key="t")


def test_a_start_that_nobody_confirmed_and_that_ended_is_not_made_again() -> None:
    """Guardian and node were killed right after a process had taken its spare output files, and it is dead by now: what it
    said of itself stands for the record that is missing, and gives its output a name."""
    code = python(
        "import os, time\nprint('life', os.environ['OVERSTORY_INCARNATION'], flush=True)\ntime.sleep(3600)\n"
    )
    with Engine() as engine:
        engine.apply(tree("t", child("a", code), intensity=1000))
        life, spare = _a_life_in_spare_files(engine, "t/a")
        said = engine.paths.logs_dir / "t" / "a" / f"{life}.out"
        wait_for(lambda: said.exists() and said.read_text() == f"life {life}\n", timeout=30)
        crash(engine)
        said.rename(spare)
        _cut_before(engine, f'"event":["started","t/a",{life},')
        engine.start()
        engine.wait_state("t/a", "running", incarnation=life + 1)
        assert said.read_text() == f"life {life}\n"
        ends = [r["event"] for r in engine.records("step") if r["event"][:3] == ["exited", "t/a", life]]
        # `lost`, unless nobody has reaped it: then its zombie tells
        assert ends in ([["exited", "t/a", life, "lost"]], [["exited", "t/a", life, "signal(9)"]])


def test_the_end_of_a_start_that_nobody_confirmed_is_that_of_the_process_which_said_so() -> None:
    """Also where it made its own files, and somebody who is nobody's began at the same moment and ended well."""
    with Engine() as engine:
        engine.apply(tree("t", child("a")))
        pid = engine.wait_state("t/a", "running")["pid"]
        stat = read_stat(pid)
        assert stat is not None
        taking = SpareFiles(str(engine.paths.logs_dir)).takings()["t/a", 1]
        assert (taking.pid, taking.name) == (pid, NO_PAIR)  # the first of all: no pairs were made yet
        crash(engine)
        _cut_before(engine, '"event":["started","t/a",1,')
        exits = ExitsFile(engine.paths.exits_dir)
        exits.append(2, stat.start_time, 0)
        exits.append(pid, stat.start_time, 9)
        exits.close()
        engine.start()
        engine.wait_state("t/a", "running", incarnation=2)
        ends = [r["event"] for r in engine.records("step") if r["event"][:3] == ["exited", "t/a", 1]]
        assert ends == [["exited", "t/a", 1, "signal(9)"]]


def _a_life_in_spare_files(engine: Engine, key: str) -> tuple[int, Path]:
    """(incarnation, the spare that became its output): it is restarted until there are spares to be had."""
    directory = engine.paths.logs_dir / DIRECTORY

    def one_more() -> tuple[int, Path] | None:
        view = engine.child(key)
        os.kill(view["pid"], signal.SIGKILL)
        life = engine.wait_state(key, "running", incarnation=view["incarnation"] + 1)["incarnation"]
        taking = SpareFiles(str(engine.paths.logs_dir)).takings().get((key, life))
        return None if taking is None or taking.name == NO_PAIR else (life, directory / f"out.{taking.name}")

    return wait_for(one_more, timeout=30)


def _cut_before(engine: Engine, text: str) -> None:
    """Take the records from the one that holds `text` on out of the journal."""
    [newest] = sorted(engine.paths.journal_dir.glob("*.journal"))[-1:]
    data = newest.read_bytes()
    at = data.index(text.encode())
    newest.write_bytes(data[: data.rindex(b"\n", 0, at) + 1])
