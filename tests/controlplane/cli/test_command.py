"""What all commands share: exit codes, errors with and without JSON, nothing of Django's weight, no traceback."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from controlplane.cli.exits import MEANINGS, CliError, ExitCode, from_control
from controlplane.cli.main import COMMANDS, load
from supervision.runtime.client import ControlError, DeadlineError, NodeUnreachableError
from supervision.runtime.paths import Paths
from tests.support.command_line import ROOT, manage, spawn
from tests.support.fake_node import FakeNode
from tests.support.waiting import wait_for

DEADLINE = 30.0


def test_every_exit_code_has_a_meaning() -> None:
    assert set(MEANINGS) == set(ExitCode)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ControlError("not_found", "x"), ExitCode.NOT_FOUND),
        (ControlError("refused", "x"), ExitCode.FAILED),
        (ControlError("conflict", "x"), ExitCode.FAILED),
        (ControlError("of a newer node", "x"), ExitCode.FAILED),
        (NodeUnreachableError("x"), ExitCode.UNREACHABLE),
        (DeadlineError("x"), ExitCode.TIMEOUT),
    ],
)
def test_a_refusal_of_the_node_is_an_exit_code(error: ControlError, code: ExitCode) -> None:
    assert from_control(error).exit_code is code


def test_errors_have_one_shape() -> None:
    error = CliError("no", exit_code=ExitCode.NOT_FOUND, pointer="/a")
    assert error.to_json() == {"error": {"code": "not_found", "message": "no", "pointer": "/a"}}


def test_no_node_is_exit_code_four_with_advice(paths: Paths) -> None:
    ran = manage("tree")
    assert (ran.code, ran.out) == (4, "")
    assert "no node runs here" in ran.err
    assert "manage.py doctor" in ran.err


def test_errors_are_json_on_standard_output_when_asked_for(paths: Paths) -> None:
    ran = manage("stop", "shop", "--json")
    assert ran.code == 4
    assert ran.json["error"]["code"] == "unreachable"
    assert ran.err == ""


def test_a_wrong_command_line_is_exit_code_two() -> None:
    ran = manage("hold", "x", "--for", "soon")
    assert ran.code == 2
    assert "'soon' is not a duration" in ran.err
    ran = manage("tree", "--state", "sleepy", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (2, "usage")


def test_options_may_stand_anywhere(node: FakeNode) -> None:
    assert "mail" not in manage("tree", "--depth", "5", "shop/web").out
    assert manage("stop", "shop/db", "--timeout", "5s", "shop/mail", "--json").json["ok"] is True
    assert manage("strays", "--json", "list").code == 0
    node.strays = [{"pid": 9, "command": []}]
    assert manage("strays", "end", "--yes", "9").code == 0


def test_options_are_never_abbreviated(paths: Paths) -> None:
    assert manage("tree", "--dep", "1").code == 2


def test_a_key_that_is_not_there_is_exit_code_three(node: FakeNode) -> None:
    ran = manage("stop", "shop/nix", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (3, "not_found")


def test_another_instance_is_chosen_by_option(node: FakeNode, tmp_path: Path) -> None:
    assert manage("status").code == 0
    assert manage("status", "--data-dir", str(tmp_path)).code == 4


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_eighty_columns_and_shows_an_example(name: str) -> None:
    ran = manage(name, "--help")
    assert ran.code == 0
    assert max(map(len, ran.out.splitlines())) <= 80
    assert f"manage.py {name}" in " ".join(ran.out.split("Example:")[1].split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_json_and_needs_no_checks(name: str) -> None:
    command = load(name)
    assert command.requires_system_checks == []
    assert "--json" in command.create_parser("manage.py", name).format_help()


def test_neither_settings_nor_models_nor_stores_are_loaded(node: FakeNode) -> None:
    program = (
        "import sys; from controlplane.cli.main import run; run(['manage.py', 'tree']); "
        "from django.conf import settings; assert not settings.configured; "
        "heavy = ('django.db.models', 'psycopg', 'redis', 'celery', 'yaml', 'controlplane.settings'); "
        "print([m for m in heavy if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines()[-1] == "[]"


def test_a_reader_that_goes_away_ends_the_command_quietly(node: FakeNode) -> None:
    read, write = os.pipe()
    with spawn("tree", "--watch", "--json", stdout=write) as running:
        os.close(write)
        assert os.read(read, 10)
        os.close(read)
        with node.changing():
            node.find("shop/db")["state"] = "stopped"
        ran = running.end()
    assert (ran.code, ran.err) == (141, "")


def test_ctrl_c_ends_with_130_and_without_a_traceback(node: FakeNode) -> None:
    node.hold_answers("stop")
    with spawn("stop", "shop/db") as running:
        wait_for(lambda: node.asked("stop"), timeout=DEADLINE)
        running.process.send_signal(signal.SIGINT)
        ran = running.end()
    assert ran.code == 130
    assert "Traceback" not in ran.err


def test_output_that_the_encoding_lacks_does_not_end_a_command(node: FakeNode) -> None:
    with node.changing():
        node.find("shop/db")["status"] = "größer ✓"
    with spawn("tree", env={**os.environ, "PYTHONIOENCODING": "ascii"}) as running:
        ran = running.end()
    assert (ran.code, ran.err) == (0, "")
    assert "* running" in ran.out


def test_files_that_cannot_be_read_are_an_error_and_no_traceback(paths: Paths) -> None:
    paths.journal_dir.write_text("a file where a directory should be")
    ran = manage("events", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "io")
    assert str(paths.journal_dir) in ran.json["error"]["message"]


def test_json_is_one_document(node: FakeNode) -> None:
    assert set(json.loads(manage("tree", "--json").out)) == {"node", "trees"}
