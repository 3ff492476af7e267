"""What a child is given: its environment, within what the node allows, its sockets, its output files."""

from pathlib import Path
from typing import Any

import pytest

from supervision.runtime import spare_naming
from supervision.runtime.environmentdoc import RESERVED
from supervision.runtime.kinship import Leader
from supervision.runtime.launch_errors import LaunchError
from supervision.runtime.launch_spec import LaunchPlan
from supervision.runtime.nodesettings import AllowList
from supervision.runtime.reporting import Reporting
from supervision.runtime.run import MAIN
from supervision.runtime.spare_files import make_pairs
from supervision.runtime.spare_naming import SETTLE_AT_LATEST_S, SETTLE_S
from tests.supervision.runtime.driver_stage import BEFORE, JOBS, KEY, PROGRAM, Stage
from tests.supervision.runtime.fake_table import exited

# -- environment and allow-list -----------------------------------------------------------------------------------------


def test_nothing_of_ours_reaches_a_child_or_its_commands(stage: Stage) -> None:
    stage.start(**JOBS, watchdog="2s", environment={"MINE": "yes"})
    for _ in range(5):
        environment = stage.plan.variables()
        assert not any("hunter2" in value for value in environment.values())
        names = {name for name in environment if name.startswith(("OVERSTORY_", "LISTEN_", "WATCHDOG_"))}
        told = {f"OVERSTORY_{name}" for name in ("CHILD", "INCARNATION", "NODE", "MARK", "SOCKET")}
        assert names == told | ({"WATCHDOG_USEC"} if stage.run.stage == MAIN else set())
        assert environment.get("NOTIFY_SOCKET") == ("/run/notify" if stage.run.stage == MAIN else None)
        assert not {"JOURNAL_STREAM", "INVOCATION_ID", "DJANGO_SETTINGS_MODULE"} & set(environment)
        assert (environment["MINE"], environment["LANG"]) == ("yes", "C.UTF-8")
        assert environment["OVERSTORY_CHILD"] == KEY
        assert environment["OVERSTORY_MARK"] == f"01234567:{KEY}:1:{stage.run.stage}"
        stage.end()


def test_a_child_is_told_where_to_report_by_name_of_its_life_and_with_nothing_secret(tmp_path: Path) -> None:
    reporting = Reporting(tmp_path / "reporting.json", {})
    reporting.tell("m", {"t": "http://publickey@127.0.0.1:8400/3"})
    stage = Stage(tmp_path, reporting=lambda key, life, *around: reporting.variables(key, life, 12, *around))
    stage.start()
    assert stage.plan.variables()["SENTRY_DSN"] == "http://publickey@127.0.0.1:8400/from/t/a/1/3"
    assert not any("hunter2" in value for value in stage.plan.variables().values())
    stage.end(exited(1))
    stage.start()
    assert stage.plan.environment["SENTRY_DSN"] == "http://publickey@127.0.0.1:8400/from/t/a/2/3"
    assert stage.plan.environment["SENTRY_RELEASE"] == "t@12"
    stage.end(exited(1))
    stage.start(environment={"SENTRY_DSN": ""})
    assert stage.plan.environment["SENTRY_DSN"] == ""
    assert "SENTRY_RELEASE" not in stage.plan.environment
    stage.loop.close()


def test_every_name_the_node_speaks_with_is_kept_from_what_it_inherited(tmp_path: Path) -> None:
    stage = Stage(tmp_path, {"PATH": "/bin", **dict.fromkeys(RESERVED, "inherited")})
    stage.start()
    assert "inherited" not in stage.plan.environment.values()
    stage.loop.close()


def test_a_secret_that_was_asked_for_is_given_and_one_that_is_not_there_is_named(stage: Stage) -> None:
    stage.start(environment={"TOKEN": {"secret": "TOKEN"}})
    assert stage.plan.environment["TOKEN"] == "hunter2"
    stage.end()
    stage.events.take()
    stage.start(environment={"TOKEN": {"secret": "NOBODY"}})
    (reason,) = stage.events.take()
    assert reason.startswith("start_failed(TOKEN: ")
    assert "OVERSTORY_SECRET_NOBODY" in reason


def test_a_file_is_read_for_every_life(stage: Stage, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("one\n")
    stage.start(environment={"TOKEN": {"secret_file": str(secret)}})
    assert stage.plan.environment["TOKEN"] == "one"
    stage.end(exited(1))
    secret.write_text("two\n")
    stage.start()
    assert stage.plan.environment["TOKEN"] == "two"
    stage.end(exited(1))
    secret.unlink()
    stage.start()
    assert stage.events.take()[-1].startswith(f"start_failed(TOKEN: secret file {secret}: No such file")


def test_what_the_node_does_not_allow_is_refused_at_the_start_too(tmp_path: Path) -> None:
    """The tree was applied under other settings, or the file behind the name changed since."""
    stage = Stage(tmp_path, executables=("/**/true",))
    stage.start()
    (reason,) = stage.events.take()
    assert (
        reason == f"start_failed({PROGRAM} is not in the allow-list of this node (executables in node.toml))"
    )
    stage.start(pre_start=[[BEFORE]])
    stage.end()
    assert stage.events.take()[-1].startswith(f"exited start_failed({PROGRAM} is not in the allow-list")
    stage.loop.close()


def test_the_allow_list_is_asked_once_for_each_command_and_not_at_every_restart(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(AllowList, "check", lambda _self, plan, *, as_root: asked.append(plan.argv[0]))
    stage.start(pre_start=[[BEFORE]])
    for _ in range(3):
        stage.end()
        stage.end(exited(1))
        stage.start()
    assert asked == [BEFORE, PROGRAM]


def test_sockets_are_for_the_process_and_not_for_its_commands(stage: Stage, session_dir: Path) -> None:
    socket = {"name": "app", "type": "unix", "address": str(session_dir / "driver")}
    stage.start(pre_start=[[BEFORE]], sockets=[socket])
    assert not stage.plan.sockets
    stage.end()
    assert [name for name, _ in stage.plan.sockets] == ["app"]
    stage.driver.listeners.close_tree("t")


# -- output files that are there already --------------------------------------------------------------------------------


@pytest.fixture
def spares(stage: Stage, tmp_path: Path) -> Path:
    """The child's directory, which is not there yet; there are spare files."""
    make_pairs(str(tmp_path), at_most=100)
    stage.driver.output.spares.refresh()
    return tmp_path / KEY


def test_a_start_with_spare_files_gets_its_directory_a_moment_later(stage: Stage, spares: Path) -> None:
    stage.start()
    assert stage.plan.spare is not None
    assert not spares.exists()
    stage.clock.jump(SETTLE_S)
    stage.loop.run_once(at_most=0)
    assert sorted(path.name for path in spares.iterdir()) == ["1.err", "1.out"]


def test_starts_near_each_other_put_the_names_off_until_the_latest_moment(
    stage: Stage, spares: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latest_s = 50 * SETTLE_S  # there are as many spare files as starts until then
    monkeypatch.setattr(spare_naming, "SETTLE_AT_LATEST_S", latest_s)
    for _ in range(int(latest_s / SETTLE_S * 2) - 1):
        stage.start()
        stage.end(exited(1))
        stage.clock.jump(SETTLE_S / 2)
        stage.loop.run_once(at_most=0)
    assert not spares.exists()
    stage.start()
    stage.clock.jump(SETTLE_S / 2 + 0.001)
    stage.loop.run_once(at_most=0)
    assert (spares / "1.out").exists()


def test_the_process_after_the_first_finds_the_files_under_their_names(stage: Stage, spares: Path) -> None:
    stage.start(pre_start=[[BEFORE]])
    assert not spares.exists()
    stage.end(exited(0))
    assert stage.run.stage == MAIN
    assert (spares / "1.out").exists()
    assert stage.plan.spare is None


def test_where_the_spares_are_gone_the_directory_is_made_and_the_start_tried_again(
    stage: Stage, spares: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[LaunchPlan] = []
    spawn = stage.table.spawn

    def without_spares(plan: LaunchPlan, **life: Any) -> Leader:
        tried.append(plan)
        if not spares.exists():
            raise LaunchError(2, "output", "neither pair nor directory")
        return spawn(plan, **life)

    monkeypatch.setattr(stage.table, "spawn", without_spares)
    stage.start()
    assert stage.events.take() == ["started main"]
    assert (len(tried), stage.plan.spare, list(spares.iterdir())) == (2, None, [])
    stage.clock.jump(SETTLE_AT_LATEST_S)
    stage.loop.run_once(at_most=0)
    assert list(spares.iterdir()) == []  # no spare takes the place of what it writes itself
