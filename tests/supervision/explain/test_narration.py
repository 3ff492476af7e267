"""Every record in one line."""

import pytest

from supervision.explain.narration import KINDS, Line, narrate
from supervision.explain.records import keys_of
from supervision.kernel.backoff import Backoff
from supervision.kernel.spec import ChildSpec, SupervisorSpec
from supervision.runtime import journal_segments
from tests.support.told_tree import ToldTree

HEAD = {"v": 1, "seq": 1, "t": 0.0, "b": 0.0}


def tell(record: dict[str, object]) -> Line:
    return narrate({**HEAD, **record}, who=lambda uid: f"user{uid}")


def story(tree: ToldTree) -> list[str]:
    return [
        f"{line.subject}: {line.text}"
        for record in tree.records
        for line in [narrate(record, who=lambda _: "alice")]
    ]


def test_every_kind_of_the_journal_has_words() -> None:
    told = journal_segments.KINDS - {
        journal_segments.EVENT
    }  # what programs say stands in a spool, in no journal
    assert set(KINDS) == {*told, journal_segments.DAMAGE}


def test_the_life_of_a_child_reads_as_a_story() -> None:
    mail = ChildSpec("mail", backoff=Backoff(2.0, 2.0, 60.0))
    tree = ToldTree(
        "shop",
        SupervisorSpec(
            3, 5.0, children=(ChildSpec("db", readiness=True), ChildSpec("api", depends_on=("db",)), mail)
        ),
    )
    tree.begin()
    tree.ready("shop/db")
    tree.exit("shop/mail", "exit(3)", stderr=["Traceback", "ValueError: boom", ""])
    tree.tick(2)
    tree.ask("hold", "shop/mail", seconds=60)
    tree.ask("stop", "shop/db")
    assert story(tree) == [
        "shop: tree shop begins",
        "shop/db: started, pid 4001, incarnation 1; shop/api: waits for shop/db",
        "shop/mail: running, pid 4002, incarnation 1",
        "shop/db: ready",
        "shop/api: running, pid 4003, incarnation 1",
        "shop/mail: ended: exit(3); next try in 2s",
        "shop/mail: incarnation 1 last words: ValueError: boom",
        "shop/mail: its time has come; restart 1 of 3 in 5s",
        "shop/mail: running, pid 4004, incarnation 2",
        "shop/mail: alice asks: hold (seconds 60)",
        "shop/mail: held for 1m00s",
        "shop/db: alice asks: stop",
        "shop/db: asked to stop",
        "shop/db: ended: shutdown",
    ]


def test_an_escalation_is_trouble() -> None:
    tree = ToldTree("shop", SupervisorSpec(0, 5.0, children=(ChildSpec("db"),)))
    tree.begin()
    tree.exit("shop/db", "exit(1)")
    line = narrate(tree.records[2], who=str)
    assert (line.text, line.severity) == ("ended: exit(1); shop gives up", "trouble")


@pytest.mark.parametrize(
    ("record", "subject", "text"),
    [
        ({"k": "command", "uid": 5, "op": "apply", "args": {}}, "node", "user5 asks: apply"),
        (
            {"k": "node", "what": "guardian_died", "policy": "promote"},
            "node",
            "guardian died (policy promote)",
        ),
        (
            {
                "k": "node",
                "what": "template",
                "state": "ended",
                "modules": ["django", "shop"],
                "why": "it died",
            },
            "node",
            "template of shop ended: it died",
        ),
        (
            {"k": "stray", "what": "found", "pid": 7, "command": ["sleep", "9"]},
            "node",
            "stray found: pid 7 sleep 9",
        ),
        (
            {"k": "tree", "what": "applied", "tree": "t", "revision": 3, "message": "m"},
            "t",
            'revision 3 applied: "m"',
        ),
        (
            {"k": "tree", "what": "numbered", "tree": "t", "revision": 2},
            "t",
            "is revision 2 of the control plane",
        ),
        ({"k": "tree", "what": "removed", "tree": "t"}, "t", "removed"),
        ({"k": "snapshot", "trees": {"a": 1}}, "node", "snapshot of 1 tree"),
        ({"k": "dropped", "count": 9}, "node", "9 records dropped to stay in bounds"),
        (
            {"k": "damage", "first": 3, "last": 5, "what": "not a record"},
            "node",
            "records 3 to 5 cannot be read: not a record",
        ),
        (
            {"k": "process", "key": "t/a", "incarnation": 1, "config": {"revision": 3, "problem": ""}},
            "t/a",
            "took revision 3 of its config",
        ),
        (
            {
                "k": "process",
                "key": "t/a",
                "incarnation": 1,
                "config": {"revision": None, "problem": "KeyError: 'x'"},
            },
            "t/a",
            "could not take its config: KeyError: 'x'",
        ),
        ({"k": "process", "identities": [["t/a", 1, 5]]}, "node", "learnt the start time of 1 process"),
        (
            {
                "k": "process",
                "key": "t/a",
                "what": "started",
                "own": {"name": "w", "pid": 7, "policy": "adopt"},
            },
            "t/a",
            "started its child w (pid 7), adopt when it dies",
        ),
        (
            {
                "k": "process",
                "key": "t/a",
                "what": "ended",
                "own": {"name": "w", "pid": 7, "policy": "adopt"},
            },
            "t/a",
            "its child w (pid 7) ended",
        ),
        (
            {"k": "exit", "key": "t/a", "incarnation": 2, "stderr": []},
            "t/a",
            "incarnation 2 wrote nothing to stderr",
        ),
        ({"k": "moon", "full": True}, "?", "moon: full=True"),
        ({"k": "step", "tree": "t", "event": None}, "t", "a step this release cannot read"),
    ],
)
def test_the_other_kinds_are_told_too(record: dict[str, object], subject: str, text: str) -> None:
    line = tell(record)
    assert (line.subject, line.text) == (subject, text)


def test_a_record_is_about_every_key_it_names() -> None:
    tree = ToldTree("shop", SupervisorSpec(3, 5.0, children=(ChildSpec("a"), ChildSpec("b"))))
    tree.begin()
    assert {"shop", "shop/a"} <= keys_of(tree.records[0])
    assert keys_of({"k": "command", "args": {"key": "shop/a"}}) == {"shop/a"}
    assert keys_of({"k": "command", "args": {"supervisor": "shop"}}) == {"shop"}
    assert keys_of({"k": "process", "identities": [["t/a", 1, 5], ["t/b", 1, 6]]}) == {"t/a", "t/b"}
    assert keys_of({"k": "node"}) == set()
