"""logs, events, explain: files on disk, with the node dead or alive."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from controlplane.cli.journalread import newest, seq_before
from controlplane.cli.logview import common
from controlplane.cli.terminal import strip
from supervision.kernel.backoff import Backoff
from supervision.kernel.spec import ChildSpec, SupervisorSpec
from supervision.runtime.clock import ManualClock, SystemClock
from supervision.runtime.journal import Journal
from supervision.runtime.output import OutputStore
from supervision.runtime.paths import Paths
from tests.support.command_line import manage, on_terminal, spawn
from tests.support.fake_node import FakeNode
from tests.support.told_tree import ToldTree


class Output:
    """Writes what children would."""

    def __init__(self, paths: Paths) -> None:
        self.store = OutputStore(paths.logs_dir)

    def write(self, key: str, *lines: str, incarnation: int = 1, stream: str = "out") -> None:
        out, err = self.store.paths(key, incarnation)
        with Path(out if stream == "out" else err).open("a") as file:
            file.writelines(line + "\n" for line in lines)


@pytest.fixture
def output(paths: Paths) -> Output:
    return Output(paths)


@pytest.fixture
def journal(paths: Paths) -> Iterator[Journal]:
    paths.journal_dir.mkdir()
    clock = ManualClock(wall=SystemClock().wall() - 100)
    journal = Journal.open(paths.journal_dir, clock=clock)
    yield journal
    journal.close()


@pytest.fixture
def told(paths: Paths) -> ToldTree:
    """A tree whose mail is in backoff, its records in the journal of this instance."""
    paths.journal_dir.mkdir()
    clock = ManualClock(wall=SystemClock().wall() - 5)
    spec = SupervisorSpec(
        3, 5.0, children=(ChildSpec("db"), ChildSpec("mail", backoff=Backoff(60.0, 2.0, 60.0)))
    )
    tree = ToldTree("shop", spec, clock=clock)
    tree.begin()
    tree.exit("shop/mail", "exit(3)", stderr=["ValueError: boom"])
    tree.ask("stop", "shop/db", uid=os.getuid())
    path = paths.journal_dir / f"{1:016d}.journal"
    path.write_text("".join(json.dumps(record, separators=(",", ":")) + "\n" for record in tree.records))
    return tree


# -- logs ---------------------------------------------------------------------------------------------------------------


def test_one_childs_output_is_what_it_wrote(output: Output) -> None:
    output.write("shop/db", "one", "two")
    assert manage("logs", "shop/db").out == "one\ntwo\n"


def test_only_the_last_lines(output: Output) -> None:
    output.write("shop/db", *(str(n) for n in range(100)))
    assert manage("logs", "shop/db").out.splitlines()[0] == "50"
    assert manage("logs", "shop/db", "-n", "2").out == "98\n99\n"
    assert manage("logs", "shop/db", "-n", "0").out == ""
    assert len(manage("logs", "shop/db", "--since", "1h").out.splitlines()) == 100


def test_several_children_have_their_keys_in_front(output: Output) -> None:
    output.write("shop/web/api@1", "a")
    output.write("shop/web/api@2", "b")
    output.write("shop/db", "c")
    lines = manage("logs", "shop/web/api").out.splitlines()
    assert sorted(lines) == ["shop/web/api@1 | a", "shop/web/api@2 | b"]
    assert len(manage("logs", "shop").out.splitlines()) == 3
    assert sorted(manage("logs", "shop/web/*").out.splitlines()) == sorted(lines)


def test_streams_and_incarnations_choose(output: Output) -> None:
    output.write("shop/db", "out1")
    output.write("shop/db", "err1", stream="err")
    output.write("shop/db", "out2", incarnation=2)
    assert manage("logs", "shop/db", "--stderr").out == "err1\n"
    assert manage("logs", "shop/db", "--stdout").out == "out1\nout2\n"
    assert manage("logs", "shop/db", "--incarnation", "2").out == "out2\n"
    assert manage("logs", "shop/db", "--stdout", "--stderr").code == 2


def test_lines_carry_time_key_stream_and_incarnation_as_json(output: Output) -> None:
    output.write("shop/db", "x", stream="err", incarnation=3)
    (record,) = manage("logs", "shop/db", "--json").records
    assert (record["key"], record["stream"], record["incarnation"], record["text"]) == (
        "shop/db",
        "err",
        3,
        "x",
    )
    assert record["time"].endswith("Z")
    assert manage("logs", "shop/db", "--time").out.endswith(" x\n")


def test_what_nobody_knows_is_not_found_and_what_is_silent_is_said(node: FakeNode, output: Output) -> None:
    ran = manage("logs", "shop/db")
    assert (ran.code, ran.out) == (0, "")
    assert "has written nothing" in ran.err
    assert manage("logs", "shop/nix").code == 3


def test_with_the_node_dead_output_is_still_there(output: Output) -> None:
    output.write("shop/db", "last words")
    assert manage("logs", "shop/db").out == "last words\n"
    ran = manage("logs", "shop/other")
    assert ran.code == 3
    assert "no node answers" in ran.err


def test_following_goes_on_with_what_is_written(output: Output) -> None:
    output.write("shop/db", "old")
    with spawn("logs", "-f", "shop/db") as running:
        assert running.line() == "old\n"
        output.write("shop/db", "new")
        assert running.line() == "new\n"
        output.write("shop/db", "next life", incarnation=2)
        assert running.line() == "next life\n"


def test_following_several_shows_those_that_come_later_too(output: Output) -> None:
    output.write("shop/web/api@1", "a")
    output.write("shop/db", "not asked for")
    with spawn("logs", "-f", "shop/web/api", "-n", "5") as running:
        assert running.line() == "a\n"
        output.write("shop/web/api@2", "b")
        assert running.line().endswith("shop/web/api@2 | b\n")


def test_the_place_to_follow_is_above_all_that_is_meant() -> None:
    assert common(["shop/web/api@1"]) == "shop/web/api@1"
    assert common(["shop/web/api"]) == "shop/web"
    assert common(["shop/web/api@1", "shop/web/log@1"]) == "shop/web"
    assert common(["shop/w*/x", "shop/db@1"]) == "shop"
    assert common(["shop"]) == "shop"


def test_a_program_may_colour_the_terminal_but_not_command_it(output: Output) -> None:
    output.write("shop/db", "\x1b[31mred\x1b[0m \x1b[2J\x1b]0;title\x07cleared\x07")
    with on_terminal("logs", "shop/db") as running:
        seen = running.until("cleared")
    assert "\x1b[31mred\x1b[0m" in seen
    assert "\x1b[2J" not in seen
    assert "title" not in seen
    assert "\x1b[2J" in manage("logs", "shop/db").out, "in a pipe it is what the program wrote"


def test_what_cannot_be_a_key_is_refused(paths: Paths) -> None:
    for word in ("../etc", "shop//db", "."):
        assert manage("logs", word).code == 2


# -- events -------------------------------------------------------------------------------------------------------------


def test_events_tell_what_happened_without_a_node(told: ToldTree) -> None:
    lines = manage("events").out.splitlines()
    assert "shop/mail               ended: exit(3); next try in 1m00s" in lines[3]
    assert lines[4].endswith("incarnation 1 last words: ValueError: boom")
    assert "asks: stop" in lines[5]


def test_events_choose_by_key_kind_and_number(told: ToldTree) -> None:
    assert len(manage("events", "--key", "shop/mail", "--kind", "exited").out.splitlines()) == 1
    assert manage("events", "--kind", "command,exit").out.count("\n") == 2
    assert len(manage("events", "--limit", "2").out.splitlines()) == 2
    assert len(manage("events", "--limit", "0").out.splitlines()) == len(told.records)
    assert manage("events", "--kind", "gossip").code == 2


def test_events_as_json_are_the_records_themselves(told: ToldTree) -> None:
    assert manage("events", "--json", "--limit", "0").records == told.records


def test_events_since_a_moment(journal: Journal) -> None:
    clock = journal._clock
    assert isinstance(clock, ManualClock)
    for number in range(2000):
        journal.append("node", {"what": f"n{number}"})
        clock.jump(0.05)
    shown = manage("events", "--since", "50s", "--json").records
    assert 900 < len(shown) < 1100
    assert shown[-1]["what"] == "n1999"


def test_reading_begins_near_the_end_and_reaches_back_only_as_far_as_needed(
    journal: Journal, paths: Paths
) -> None:
    for number in range(6000):
        journal.append("node", {"what": f"n{number}"})
    clock = SystemClock()
    found, beginning = newest(paths.journal_dir, clock, enough=lambda some: len(some) >= 10)
    assert (len(found), beginning) == (4096, False)
    found, beginning = newest(
        paths.journal_dir, clock, enough=lambda some: bool(some), wanted=lambda record: record["what"] == "n3"
    )
    assert (len(found), beginning) == (1, True)
    assert seq_before(paths.journal_dir, clock.wall()) > 5000


def test_following_events_goes_on(told: ToldTree, paths: Paths) -> None:
    with spawn("events", "--follow", "--limit", "1") as running:
        assert "ended: shutdown" in running.line()
        before = len(told.records)
        told.exit("shop/db", "normal")
        told.append("node", what="stopping")
        with (paths.journal_dir / f"{1:016d}.journal").open("a") as file:
            file.writelines(
                json.dumps(record, separators=(",", ":")) + "\n" for record in told.records[before:]
            )
        assert running.until("stopping")


def test_on_a_terminal_an_event_is_one_line_of_its_width(told: ToldTree) -> None:
    with on_terminal("events", columns=60) as running:
        assert running.wait() == 0
        lines = strip(running.seen).replace("\r", "").splitlines()
    assert max(map(len, lines)) <= 60
    assert any(line.endswith("…") for line in lines)


def test_no_journal_is_no_events(paths: Paths) -> None:
    ran = manage("events")
    assert (ran.code, ran.out) == (0, "")


# -- explain ------------------------------------------------------------------------------------------------------------


def test_explain_without_a_node_tells_what_was_last(told: ToldTree) -> None:
    ran = manage("explain", "shop/mail")
    assert ran.code == 0
    assert "▲ shop/mail ended with exit code 3, and its restart waits." in ran.out
    assert "| ValueError: boom" in ran.out
    assert "Next: It is tried again in 5" in ran.out
    assert "this is what the journal says" in ran.err
    assert max(map(len, ran.out.splitlines())) <= 80


def test_explain_as_json_is_the_explanation(told: ToldTree) -> None:
    body = manage("explain", "shop/mail", "--json").json
    assert (body["state"], body["current"]) == ("backoff", False)
    assert body["chain"][0]["evidence"] == ["ValueError: boom"]


def test_explain_asks_the_node_where_there_is_one(node: FakeNode) -> None:
    ran = manage("explain", "shop/db")
    assert ran.out.startswith("● shop/db runs for ")
    assert ran.err == ""


def test_explain_of_what_nobody_knows_names_the_nearest(told: ToldTree) -> None:
    ran = manage("explain", "shop/mial")
    assert ran.code == 3
    assert "Did you mean shop/mail?" in ran.err


def test_explain_names_the_user_who_stopped_it(told: ToldTree) -> None:
    import pwd

    name = pwd.getpwuid(os.getuid()).pw_name
    assert f"shop/db is stopped by {name} at " in manage("explain", "shop/db").out


def test_explain_reaches_back_for_the_command_that_stopped_it(paths: Paths) -> None:
    paths.journal_dir.mkdir()
    tree = ToldTree(
        "shop", SupervisorSpec(3, 5.0, children=(ChildSpec("db"),)), clock=ManualClock(wall=time.time())
    )
    tree.begin()
    tree.ask("stop", "shop/db", uid=os.getuid())
    for _ in range(5000):
        tree.append("stray", what="found", pid=1)
    text = "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in tree.records)
    (paths.journal_dir / f"{1:016d}.journal").write_text(text)
    assert "is stopped by" in manage("explain", "shop/db").out
