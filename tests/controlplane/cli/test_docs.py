"""docs/cli.md names every command, every option and every exit code, and nothing that does not exist."""

import argparse
import re
from pathlib import Path

import pytest
from django.core.management import load_command_class

from controlplane.cli.exits import MEANINGS, ExitCode
from controlplane.cli.main import COMMANDS, load
from tests.support.command_line import ROOT

TEXT = (ROOT / "docs/cli.md").read_text()
SECTIONS = {part.split("\n", 1)[0].strip(): part for part in re.split(r"^### ", TEXT, flags=re.MULTILINE)[1:]}

COMMON = {
    "-h", "--help", "--json", "--data-dir", "--url", "--token", "--node", "--no-color", "--force-color",
}  # fmt: skip
DJANGO = {"--version", "-v", "--verbosity", "--settings", "--pythonpath", "--traceback", "--skip-checks"}


def on_disk() -> dict[str, str]:
    """Every management command of ours, with the app that has it."""
    found = {}
    for app in ("controlplane", "supervision"):
        for path in Path(ROOT, app, "management/commands").glob("*.py"):
            if not path.stem.startswith("_"):
                found[path.stem] = app
    return found


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """Options that --help shows, those of subcommands included."""
    found: set[str] = set()
    for action in parser._actions:
        if action.help != argparse.SUPPRESS:
            found.update(action.option_strings)
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                found |= options_of(sub)
    return found


def test_every_command_has_a_section_and_every_section_a_command() -> None:
    assert set(SECTIONS) == set(on_disk())


def test_every_operators_command_is_run_without_settings() -> None:
    operators = {name for name, app in on_disk().items() if app == "controlplane"} - {
        "up",
        "guardian",
        "node",
        "courier",
        "system",
        "login_link",
        "error_project",
        "issue",
        "issue_rule",
        "error_owners",
        "error_grouping",
        "agent_config",
        "agent_kind",
        "registration",
        "service",
        "checkpoint",
        "audit_runs",
        "remediation",
        "workers",
        "queues",
        "tasks",
        "controller",
        "backup",
        "restore",
        "move_stores",
    }
    assert set(COMMANDS) == operators


@pytest.mark.parametrize("name", sorted(on_disk()))
def test_every_option_is_in_its_commands_section(name: str) -> None:
    command = load_command_class(on_disk()[name], name)
    options = options_of(command.create_parser("manage.py", name)) - DJANGO
    section = SECTIONS[name].split("\n## ")[0]
    for option in options - COMMON:
        assert re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", section) or (
            option in ("-y", "--yes") and "## Acting" in TEXT.split(f"### {name}")[0]
        ), option


@pytest.mark.parametrize("name", sorted(on_disk()))
def test_no_option_is_made_up(name: str) -> None:
    command = load_command_class(on_disk()[name], name)
    options = options_of(command.create_parser("manage.py", name)) | COMMON
    usage = SECTIONS[name].split("`: ")[0].split("\n\n```")[0]
    for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", usage):
        assert option in options, option


def test_common_options_are_described_once() -> None:
    parser = load("tree").create_parser("manage.py", "tree")
    for option in COMMON & options_of(parser):
        assert f"`{option}" in TEXT, option


def test_every_exit_code_is_in_the_table_with_its_meaning() -> None:
    for code in ExitCode:
        assert f"| {int(code)} | {MEANINGS[code]} |" in TEXT


def test_error_codes_of_ours_are_listed() -> None:
    listed = set(re.findall(r"`([a-z_]+)`", TEXT.split("Codes: ")[1].split("An error about")[0]))
    source = "\n".join(path.read_text() for path in Path(ROOT, "controlplane/cli").glob("*.py"))
    used = set(re.findall(r'code="([a-z_]+)"', source))
    assert used <= listed
