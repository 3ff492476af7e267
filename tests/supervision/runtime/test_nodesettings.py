"""node.toml: what the owner of a host allows, and how faults in it are told."""

import os
from pathlib import Path

import pytest

from supervision.runtime.launch_errors import LaunchError
from supervision.runtime.launch_spec import LaunchPlan, UserIds
from supervision.runtime.nodesettings import AllowList, NodeSettings, NodeSettingsError

ROOT = UserIds("root", 0, 0, (0,))
NOBODY = UserIds("nobody", 65534, 65534, (65534,))
DAEMON = UserIds("daemon", 1, 1, (1,))
NUMBER = UserIds("54321", 54321, 54321, (54321,))


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    settings = NodeSettings.load(tmp_path / "node.toml")
    assert settings == NodeSettings(AllowList(), {}, 2**30, 10_000)
    assert not settings.allow.is_explicit


def test_a_file_says_everything(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text(
        'executables = ["/usr/bin/*", "*"]\nusers = ["shop", 1001]\ngroups = ["www-data"]\nfiles = ["/etc/shop/**"]\n'
        'root_children = true\n[labels]\nzone = "a"\nrack = 7\n[limits]\njournal = "2GiB"\nchildren = 50\n'
    )
    allow = AllowList(("/usr/bin/*", "*"), ("shop", "1001"), ("www-data",), ("/etc/shop/**",), True)
    assert NodeSettings.load(path) == NodeSettings(allow, {"zone": "a", "rack": "7"}, 2**31, 50)
    assert allow.is_explicit


def test_an_allow_list_is_made_of_what_the_file_holds() -> None:
    assert AllowList.from_node_toml({"root_children": True}) == AllowList(root_children=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("executable = []", "unknown key 'executable' in `node.toml`; did you mean 'executables'?"),
        ('executables = ["bin/x"]', "/executables/0: 'bin/x' is no absolute path or pattern"),
        ("root_children = 1", "/root_children: 1 is neither true nor false"),
        ("root_children = yes", "Invalid value (at line 1, column 17)"),
        ("[limits]\njournal = 5", "/limits/journal: 5 is out of bounds: size, 64MiB to"),
        ("\xff", "at line 1"),
    ],
)
def test_a_fault_names_the_file_and_the_field(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "node.toml"
    path.write_text(text)
    with pytest.raises(NodeSettingsError) as caught:
        NodeSettings.load(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_all_faults_are_told(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text("a = 1\nb = 2\n")
    with pytest.raises(NodeSettingsError) as caught:
        NodeSettings.load(path)
    assert str(caught.value).count(str(path)) == 2


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(NodeSettingsError, match="Is a directory"):
        NodeSettings.load(tmp_path)


class TestPrograms:
    @pytest.mark.parametrize(
        ("patterns", "path", "allowed"),
        [
            (None, "/any/thing", True),
            (("*",), "/any/thing", True),
            ((), "/any/thing", False),
            (("/usr/bin/true",), "/usr/bin/true", True),
            (("/usr/bin/tru",), "/usr/bin/true", False),
            (("/usr/bin/t*",), "/usr/bin/true", True),
            (("/usr/*",), "/usr/bin/true", False),
            (("/usr/**",), "/usr/bin/true", True),
            (("/usr/b?n/true",), "/usr/bin/true", True),
            (("/usr/bin/[t]rue",), "/usr/bin/true", False),
            (("/usr/bin/*",), "/usr/bin/../sbin/x", False),
        ],
    )
    def test_are_allowed_by_pattern(self, patterns: tuple[str, ...] | None, path: str, allowed: bool) -> None:
        problem = AllowList(patterns).executable_problem(path)
        assert (problem == "") == allowed
        assert allowed or "is not in the allow-list of this node" in problem

    def test_are_looked_at_with_links_of_their_directory_followed(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "real" / "x").touch()
        (tmp_path / "link").symlink_to("real")
        found = str(tmp_path / "link" / "x")
        assert AllowList((f"{tmp_path}/real/*",)).executable_problem(found) == ""
        assert AllowList((f"{tmp_path}/link/*",)).executable_problem(found)

    def test_may_be_listed_by_their_own_name_or_by_what_it_links_to(self, tmp_path: Path) -> None:
        """As `python` of a virtual environment."""
        (tmp_path / "venv").mkdir()
        (tmp_path / "python3").touch()
        (tmp_path / "venv" / "python").symlink_to(tmp_path / "python3")
        found = str(tmp_path / "venv" / "python")
        assert AllowList((found,)).executable_problem(found) == ""
        assert AllowList((str(tmp_path / "python3"),)).executable_problem(found) == ""


class TestUsers:
    @pytest.mark.parametrize(
        ("allow", "user", "words"),
        [
            (AllowList(), None, "the node runs as root and the child names no user"),
            (AllowList(), ROOT, "the node runs as root and the child would run as root"),
            (AllowList(), NOBODY, ""),
            (AllowList(root_children=True), None, ""),
            (AllowList(root_children=True), ROOT, ""),
            (AllowList(users=("*",)), NOBODY, ""),
            (AllowList(users=("*",)), ROOT, "would run as root"),
            (AllowList(users=("root",)), ROOT, ""),
            (AllowList(users=("root",)), None, "names no user"),
            (AllowList(users=("nobody",)), NOBODY, ""),
            (AllowList(users=("65534",)), NOBODY, ""),
            (AllowList(users=("nobody",)), DAEMON, "user daemon is not in the allow-list"),
            (AllowList(users=()), NOBODY, "user nobody is not in the allow-list"),
            (AllowList(), UserIds("nobody", 65534, 0, (0,)), "group 0 is none of user nobody's"),
            (AllowList(groups=("daemon",)), UserIds("nobody", 65534, 1, (1,)), ""),
            (AllowList(groups=("1",)), UserIds("nobody", 65534, 1, (1,)), ""),
            (AllowList(groups=("*",)), UserIds("nobody", 65534, 1, (1,)), ""),
            (AllowList(groups=("no-such-group",)), UserIds("nobody", 65534, 1, (1,)), "group 1 is none"),
            (AllowList(), NUMBER, "group 54321 is none of user 54321's"),
            (AllowList(groups=("54321",)), NUMBER, ""),
        ],
    )
    def test_of_a_root_node(self, allow: AllowList, user: UserIds | None, words: str) -> None:
        problem = allow.user_problem(user, as_root=True)
        assert words in problem
        assert bool(problem) == bool(words)

    def test_of_an_ordinary_node_are_itself(self) -> None:
        own = UserIds.lookup(str(os.geteuid()))
        allow = AllowList()
        assert allow.user_problem(None, as_root=False) == ""
        assert allow.user_problem(UserIds(own.name, own.uid, os.getegid(), ()), as_root=False) == ""
        assert "not as root: a child cannot run as stranger" in allow.user_problem(
            UserIds("stranger", own.uid + 1, own.gid, ()), as_root=False
        )
        assert "cannot give a child group" in allow.user_problem(
            UserIds(own.name, own.uid, os.getegid() + 1, ()), as_root=False
        )


def test_files_that_root_may_read_for_children_are_none_by_default() -> None:
    assert not AllowList().trusts_file("/etc/shop.env")
    assert AllowList(files=("/etc/*.env",)).trusts_file("/etc/shop.env")
    assert not AllowList(files=("/etc/*.env",)).trusts_file("/etc/shop/../shadow")
    assert AllowList(files=("*",)).trusts_file("/etc/shadow")


def test_the_last_look_is_at_what_is_really_executed() -> None:
    allow = AllowList(("/usr/bin/*",), root_children=True)
    plan = LaunchPlan(["x"], {}, "/", "/o", "/e", executable="/opt/x")
    with pytest.raises(LaunchError, match="/opt/x is not in the allow-list"):
        allow.check(plan, as_root=True)
    with pytest.raises(LaunchError, match="names no user"):
        AllowList().check(plan, as_root=True)
    AllowList().check(plan, as_root=False)
