"""The example trees: what they show, and how `up` fits them in."""

import ast
import socket
from pathlib import Path
from typing import Any

import pytest

from controlplane.embedded.postgres_server import PostgresServer
from controlplane.embedded.privileges import ordinary
from controlplane.embedded.redis_server import RedisServer
from controlplane.foreground.examples import EXAMPLES_DIR, Example, load_examples
from controlplane.system_tree import SystemTree
from supervision.runtime.paths import Paths
from supervision.runtime.treedoc import parse_tree

EXAMPLES = load_examples()


def supervisors(document: dict[str, Any], depth: int = 1) -> list[tuple[int, dict[str, Any]]]:
    found = [(depth, document["supervisor"])]
    for child in document["supervisor"]["children"]:
        if "supervisor" in child:
            found += supervisors(child, depth + 1)
    return found


def test_every_strategy_appears_and_one_tree_is_three_deep() -> None:
    found = [pair for example in EXAMPLES for pair in supervisors(example.document)]
    assert {supervisor["strategy"] for _, supervisor in found} == {
        "one_for_one",
        "one_for_all",
        "rest_for_one",
        "simple_one_for_one",
    }
    assert max(depth for depth, _ in found) >= 3


def test_what_a_program_requires_the_tree_file_says_it_needs() -> None:
    """`required("NAME")` in a program, `# needs: NAME` in each tree that runs it."""
    for example in EXAMPLES:
        text = (EXAMPLES_DIR / f"{example.name}.yaml").read_text()
        required: set[str] = set()
        for program in (EXAMPLES_DIR / "programs").glob("*.py"):
            if program.stem in text.replace("--app=", " "):
                required |= names_required_by(program)
        assert required == example.needs, example.name


def names_required_by(program: Path) -> set[str]:
    calls = [node for node in ast.walk(ast.parse(program.read_text())) if isinstance(node, ast.Call)]
    return {
        str(argument.value)
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "required"
        for argument in call.args
        if isinstance(argument, ast.Constant)
    }


def test_a_taken_port_is_moved_wherever_the_tree_names_it() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        old = f"127.0.0.1:{sock.getsockname()[1]}"
        process = {
            "command": ["get", f"http://{old}/"],
            "sockets": [{"name": "http", "type": "tcp", "address": old}],
            "readiness": {"http": {"url": f"http://{old}/healthz"}},
        }
        document = {"tree": "x", "supervisor": {"children": [{"id": "a", "process": process}]}}
        example = Example("x", document, frozenset())
        lines = example.move_ports(set())
    assert len(lines) == 1
    assert old not in str(example.document)
    assert str(example.document).count(example.addresses()[0]) == 3


def test_a_free_port_stays_so_that_the_tree_is_unchanged() -> None:
    for example in EXAMPLES:
        before = str(example.document)
        if not example.move_ports(set()):
            assert str(example.document) == before


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_its_file_is_called_as_the_tree_is(example: Example) -> None:
    assert (EXAMPLES_DIR / f"{example.name}.yaml").exists()


def test_the_system_tree_is_a_valid_document_with_stores_and_without(data_dir: Path) -> None:
    paths = Paths(data_dir)
    postgres = PostgresServer.of(data_dir=data_dir, socket_dir=data_dir, privileges=ordinary())
    redis = RedisServer.of(data_dir=data_dir, socket_dir=data_dir)
    embedded = parse_tree(SystemTree(paths, 8400, postgres, redis).document())
    given = parse_tree(SystemTree(paths, 8400, None, None, {"DATABASE_URL_FILE": "/run/x"}).document())
    assert [child.id for child in embedded.spec.children] == [
        "postgres",
        "redis",
        "migrate",
        "web@1",
        "web@2",
        "worker",
        "beat",
        "digester",
        "controller",
    ]
    assert [child.id for child in given.spec.children] == [
        "migrate",
        "web@1",
        "web@2",
        "worker",
        "beat",
        "digester",
        "controller",
    ]
