"""Tree files: where each fault stands, what YAML's words mean, what is bounded, and that an export is the same tree."""

import io
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supervision.runtime.treedoc import parse_tree
from supervision.trees.treefile import (
    MAX_BYTES,
    Problem,
    TreeFileErrors,
    export_yaml,
    load_tree,
    read_tree_file,
    read_tree_text,
)
from supervision.trees.yamltext import plain_value
from tests.supervision.runtime.tree_documents import FULL, child, tree

SHOP = """\
version: 1
tree: shop
supervisor:
  children:
  - id: api
    process:
      comand: [api]      # not `command`
  - id: api
    restart: sometimes
    depends_on: [nobody]
    process:
      command: [api]
      pre_start:
      - [check, 1.5]
"""


def value(text: str, name: str = "x.yaml") -> Any:
    """What a text becomes, tree or not."""
    return read_tree_text(text, name=name, base="/base").text.value


def problems(text: str | bytes, name: str = "x.yaml") -> list[Problem]:
    with pytest.raises(TreeFileErrors) as caught:
        read_tree_text(text, name=name, base="/base").parse()
    return list(caught.value.problems)


def problem(text: str | bytes, name: str = "x.yaml") -> str:
    """The first of them, as it is printed."""
    return str(problems(text, name)[0])


class TestFaults:
    def test_are_all_told_with_file_line_pointer_and_the_nearest_key(self) -> None:
        at = "/supervisor/children"
        told = [str(each) for each in problems(SHOP, "shop.yaml")]
        assert (
            told[0]
            == f"shop.yaml:6:5: {at}/0/process: `command` is missing: list of arguments, the program first"
        )
        assert told[1] == (
            f"shop.yaml:7:7: {at}/0/process/comand: unknown key 'comand' in `process`; did you mean 'command'?"
        )
        assert told[2] == f"shop.yaml:8:5: {at}/1/id: another child here is called 'api'"
        assert told[3].startswith(f"shop.yaml:9:5: {at}/1/restart: 'sometimes' is not one of permanent")
        assert told[4].startswith(f"shop.yaml:10:18: {at}/1/depends_on/0: 'nobody' is neither a sibling")
        assert told[5] == f"shop.yaml:14:17: {at}/1/process/pre_start/0/1: 1.5 is no text; write it in quotes"
        assert len(told) == 6

    def test_have_the_same_lines_in_json(self) -> None:
        text = '{\n"version": 1,\n"tree": "x",\n"supervisor": {\n"strategi": 1\n}}'
        assert problem(text, "x.json").startswith("x.json:5:1: /supervisor/strategi: unknown key 'strategi'")

    def test_of_the_notation_come_before_those_of_the_tree(self) -> None:
        assert [each.message for each in problems("a: 1\na: 2\nb: !x 3\n")] == [
            "key 'a' stands here twice, first on line 1",
            "a tag, !x: tree files have none",
        ]

    def test_found_by_the_node_are_placed_too(self) -> None:
        """Its pointers go into the normal form, where a bare list is a mapping with `command`."""
        text = SHOP.replace("comand", "command").replace("1.5", "'1'")
        file = read_tree_text(text, name="shop.yaml", base="/")
        found = file.problem("/supervisor/children/1/process/pre_start/0/command/0", "is not there")
        assert (found.line, found.column) == (14, 10)
        assert file.problem("/supervisor/children/1/process/cwd", "is not there").line == 11
        assert file.problem("/environment/A", "is not there").line == 1

    def test_of_a_merged_key_stand_where_it_was_written(self) -> None:
        text = "version: 1\ntree: t\nenvironment: &e\n  1A: x\nsupervisor:\n  children:\n  - id: a\n    process:\n"
        text += "      command: [a]\n      environment:\n        <<: *e\n        B: y\n"
        assert [(each.line, each.pointer) for each in problems(text)] == [
            (4, "/environment/1A"),
            (4, "/supervisor/children/0/process/environment/1A"),
        ]

    def test_of_the_file_itself_are_told_the_same_way(self, tmp_path: Path) -> None:
        paths: list[tuple[Path | str, str]] = [
            (tmp_path / "gone", "No such file"),
            (tmp_path, "Is a directory"),
            ("a\0b", "null byte"),
        ]
        for path, words in paths:
            with pytest.raises(TreeFileErrors, match=words):
                load_tree(path)


class TestWords:
    @pytest.mark.parametrize(
        ("word", "means"),
        [
            ("", None), ("~", None), ("null", None), ("NULL", None), ("true", True), ("True", True), ("FALSE", False),
            ("0", 0), ("12", 12), ("-3", -3), ("1.5", 1.5), ("-0.5", -0.5), ("2e3", 2000.0), ("1E-2", 0.01),
        ],
    )  # fmt: skip
    def test_without_quotes_that_are_values(self, word: str, means: Any) -> None:
        found = value(f"a: {word}")["a"]
        assert found == means
        assert type(found) is type(means)

    @pytest.mark.parametrize(
        "word",
        [
            "on", "off", "yes", "no", "y", "n", "1:30", "190:20:30", "2026-11-21", "2026-11-21T04:00:00Z", "022", "0o22",
            "0x1F", "0b1", "1_000", "+1", "-0", ".5", "1.", ".inf", "-.INF", ".nan", "1e999", "1" * 30, "nul",
            "tRue", "=", "None",
        ],
    )  # fmt: skip
    def test_without_quotes_that_are_text(self, word: str) -> None:
        assert value(f"a: {word}") == {"a": word}

    def test_in_quotes_are_text(self) -> None:
        assert value("a: '1'\nb: \"true\"\nc: !!str 1\nd: ! 2\ne: |\n  3\n") == {
            "a": "1", "b": "true", "c": "1", "d": "2", "e": "3\n",
        }  # fmt: skip

    def test_that_are_keys_are_text(self) -> None:
        assert value("1: a\ntrue: b\n~: c\n'': d\non: e\n") == {
            "1": "a",
            "true": "b",
            "~": "c",
            "": "d",
            "on": "e",
        }

    def test_have_the_evident_meaning_in_a_tree(self) -> None:
        found = parse_tree(value("version: 1\ntree: t\nsupervisor:\n  children:\n  - id: no\n    process:\n"
                                 "      command: [on, 022, 1:30, 10]\n      umask: 022\n"))  # fmt: skip
        made = found.document["supervisor"]["children"][0]
        assert made["id"] == "no"
        assert made["process"]["command"] == ["on", "022", "1:30", "10"]
        assert made["process"]["umask"] == "0022"


class TestAliases:
    def test_stand_for_what_was_written(self) -> None:
        assert value("a: &x [1, {b: 2}]\nc: *x\nd: &y z\ne: *y\n") == {
            "a": [1, {"b": 2}], "c": [1, {"b": 2}], "d": "z", "e": "z",
        }  # fmt: skip

    def test_are_merged_with_what_stands_here_winning(self) -> None:
        text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc:\n  <<: [*a, *b]\n  x: 3\n"
        assert value(text)["c"] == {"x": 3, "y": 1, "z": 2}

    def test_are_merged_only_where_the_key_has_no_quotes(self) -> None:
        assert value("'<<': {a: 1}") == {"<<": {"a": 1}}
        assert value('{"<<": {"a": 1}}', "x.json") == {"<<": {"a": 1}}

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("a: *x", "x.yaml:1:4: *x names nothing"),
            ("a: &x [*x]", "*x stands inside of what it names"),
            ("a: &x b\n*x : c", "an alias as a key"),
            ("<<: 1", "<< takes a mapping"),
            ("a: 1\n<<: {b: 1}\n<<: {c: 1}", "key '<<' stands here twice"),
        ],
    )
    def test_that_lead_nowhere_are_refused(self, text: str, words: str) -> None:
        assert words in problem(text)

    def test_that_multiply_are_bounded(self) -> None:
        lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 40)]
        began = time.monotonic()
        assert "too many values, aliases counted: at most 500000" in problem("\n".join(lines))
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "x.yaml:1:1: the file is empty"),
        ("  \n\n", "the file is empty"),
        ("# only a comment", "the file holds no document"),
        ("a:\n\tb: 1", "x.yaml:2:1: a tab: YAML is indented with spaces"),
        ("a: b: c", "x.yaml:1:5: a colon where no value can begin"),
        ("a: 'x", "the text ends inside quotes"),
        ("a: [1", "is expected here; are indentation, brackets and quotes right?"),
        ("a: 1\n  b: 2", "is the indentation right?"),
        ("a: @x", "text that begins with '@' is written in quotes"),
        ("a: {{x}}", "a mapping as a key: keys are text; text that begins with { is written in quotes"),
        ("[a]: 1", "a list as a key: keys are text"),
        ("a: 1\n---\nb: 2", "x.yaml:2:1: a second document: a file holds one tree"),
        ("a: !!python/object/apply:os.system [x]", "a tag, tag:yaml.org,2002:python/object/apply:os.system"),
        ("!!set {a, b}", "a tag, tag:yaml.org,2002:set"),
        ("a: \x00", "x.yaml:1:4: a control character, U+0000"),
        ("a: 1\nb: \x1b", "x.yaml:2:4: a control character, U+001B"),
        ("a: x\u2028y", "x.yaml:1:5: U+2028, which YAML takes for the end of a line"),
        ("a: x\x85y", "U+0085"),
        (b"a: 1\nb: \xff", "x.yaml:2:4: not UTF-8"),
        ("a: 1".encode("utf-16"), "UTF-16: a tree file is UTF-8"),
        ("a: \ud800", "not UTF-8"),
        ('a: "\\ud800"', "found invalid Unicode character escape code"),
        ("x" * (MAX_BYTES + 1), "larger than 4 MiB"),
        ("[" * 100_000, "nested too deep: at most 200 levels"),
        ("- " * 100_000, "nested too deep"),
        ("a:\n" * 2 + "b: 1", "key 'a' stands here twice, first on line 1"),
        ("{" + "a," * 300, "only the first 100 errors are shown"),
        ("just text", "'just text' is not a mapping with the fields of `tree`"),
        ("- a", "a list is not a mapping"),
    ],
    ids=lambda each: None if isinstance(each, str) and len(each) < 40 else "long",
)
def test_yaml_that_is_refused(text: str | bytes, words: str) -> None:
    assert any(words in str(each) for each in problems(text))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "the text ends where a key or } is expected"),
        ('{"a": }', "x.json:1:7: '}' where a value is expected"),
        ('{"a": 1,}', "x.json:1:9: '}' where a key is expected"),
        ('{"a" 1}', "'1' where ':' is expected"),
        ('{"a": [1,]}', "']' where a value is expected"),
        ('{"a": [1 2]}', "'2' where a comma or ] is expected"),
        ('{"a": 1} x', "x.json:1:10: more text after the end of the document"),
        ('{"a": 01}', "'1' where a comma or } is expected"),
        ('{"a": NaN}', "'N' where a value is expected"),
        ('{"a": 1e999}', "1e999 is out of range"),
        ('{"a": ' + "1" * 500 + "}", "a number of 500 characters"),
        ('{"a": "x\ny"}', "a string that is not closed, or holds a control character"),
        ('{"a": "\\x"}', "a string with an escape that JSON does not have"),
        ("{'a': 1}", '"\'" where a key or } is expected'),
        ('{"a": 1,\n"a": 2}', "x.json:2:1: key 'a' stands here twice, first on line 1"),
        ("[" * 100_000, "nested too deep: at most 200 levels"),
        ('{"version": 1, "tree": "\\ud800", "supervisor": {}}', "/tree: '\\ud800' holds a surrogate"),
        ("// no", "'/' where a value is expected"),
    ],
    ids=lambda each: None if isinstance(each, str) and len(each) < 40 else "long",
)
def test_json_that_is_refused(text: str, words: str) -> None:
    assert any(words in str(each) for each in problems(text, "x.json"))


def test_json_has_its_own_escapes() -> None:
    assert value('{"a": "\\ud83d\\ude42\\/\\u0041\\n"}', "x.json") == {"a": "🙂/A\n"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(json_values, st.sampled_from([None, 1, "\t"]))
def test_json_is_read_as_the_standard_library_reads_it(given_value: Any, indent: int | str | None) -> None:
    text = json.dumps({"x": given_value}, indent=indent)
    if not any(ord(each) in (0xFFFE, 0xFFFF, 0xFEFF) for each in text):
        assert value(text, "x.json") == {"x": given_value}


class TestNames:
    def test_tell_the_notation(self) -> None:
        assert value('{"a": 1}', "x.json") == value("a: 1", "x.yml") == {"a": 1}
        assert "where a value is expected" in problem("a: 1", "x.json")

    def test_that_do_not_tell_leave_it_to_the_text(self) -> None:
        assert value('{"a": "\\ud83d\\ude42"}', "standard input") == {"a": "🙂"}
        assert value("a: 1", "standard input") == {"a": 1}
        assert value('{"a": b, # flow\n}', "standard input") == {"a": "b"}
        assert "where a comma or } is expected" in problem('{"a": 1 "b": 2}', "standard input")


class TestPaths:
    TEXT = (
        "version: 1\ntree: t\nsupervisor:\n  children:\n  - id: a\n    process:\n      command: [./x]\n      cwd: app\n"
        "      environment_files: [x.env, {path: ../y.env}]\n      environment: {S: {secret_file: s}}\n"
    )

    def test_begin_at_the_directory_of_the_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "t.yaml").write_text(self.TEXT)
        monkeypatch.chdir(tmp_path)
        for path in ("in/t.yaml", tmp_path / "in" / "t.yaml", Path("in/../in/t.yaml")):
            process = load_tree(path).document["supervisor"]["children"][0]["process"]
            assert process["cwd"] == f"{tmp_path}/in/app"
            assert [each["path"] for each in process["environment_files"]] == [
                f"{tmp_path}/in/x.env",
                f"{tmp_path}/y.env",
            ]
            assert process["environment"]["S"] == {"secret_file": f"{tmp_path}/in/s"}
            assert process["command"] == ["./x"]

    def test_begin_at_the_working_directory_for_standard_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(self.TEXT.encode())))
        process = load_tree("-").document["supervisor"]["children"][0]["process"]
        assert process["cwd"] == os.path.join(os.getcwd(), "app")  # noqa: PTH109, PTH118


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm() -> None:
    file = read_tree_text(b"\xef\xbb\xbfversion: 1\r\ntree: t\r\nsupervisor: {}\r\n", name="x.yaml", base="/")
    assert file.parse().name == "t"


class TestAnExport:
    def test_reads_as_the_same_tree(self) -> None:
        document = parse_tree(FULL)
        text = export_yaml(document)
        assert read_tree_text(text, name="x.yaml", base="/").parse() == document

    def test_is_fit_for_people(self) -> None:
        document = parse_tree(
            tree(child("web", shutdown=90, process={"command": ["a", "on", "1:30"]}), period="5s")
        )
        assert export_yaml(document) == (
            "version: 1\ntree: t\nsupervisor:\n  children:\n    - id: web\n      shutdown: 90s\n      process:\n"
            "        command: [a, 'on', '1:30']\n"
        )

    @settings(max_examples=300, deadline=None)
    @given(
        st.lists(
            st.text(min_size=1, max_size=30).filter(lambda text: "\0" not in text), min_size=1, max_size=5
        )
    )
    def test_keeps_any_text(self, words: list[str]) -> None:
        document = parse_tree(tree(child(process={"command": words, "environment": {"A": words[0]}})))
        text = export_yaml(document)
        assert read_tree_text(text, name="x.yaml", base="/").parse() == document

    def test_is_read_by_other_yaml_readers_as_the_same_text(self) -> None:
        import yaml

        words = [
            "on",
            "1:30",
            "022",
            "2026-11-21",
            "1_000",
            "~",
            "true",
            "1.5",
            "1e3",
            "0x1F",
            "=",
            "<<",
            "null",
            "!x",
            "",
        ]
        document = parse_tree(tree(child(process={"command": ["x", *words]})))
        other = yaml.safe_load(export_yaml(document))
        assert other["supervisor"]["children"][0]["process"]["command"] == ["x", *words]


def test_plain_values_are_told_by_one_function() -> None:
    assert plain_value("5") == 5
    assert plain_value("5s") == "5s"


@pytest.mark.parametrize("notation", ["yaml", "json"])
def test_a_file_of_a_thousand_children_is_read_well_within_a_second(tmp_path: Path, notation: str) -> None:
    children = [
        child(
            f"c{number}",
            restart="transient",
            shutdown="10s",
            depends_on=[f"c{number - 1}"] if number else [],
            process={
                "environment": {"A": "1", "B": "2"},
                "readiness": {"tcp": {"port": 80}},
                "limits": {"nofile": 100},
            },
        )
        for number in range(1000)
    ]
    document = parse_tree(tree(*children))
    path = tmp_path / f"big.{notation}"
    path.write_text(export_yaml(document) if notation == "yaml" else json.dumps(tree(*children)))
    began = time.monotonic()
    found = read_tree_file(path).parse()
    took = time.monotonic() - began
    assert found == document
    assert took < 5, "ten times what is promised, for a busy machine"
