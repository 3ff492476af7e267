"""Tree documents: what each field becomes, what is refused and in which words, and what the kernel is given."""

import copy
import time
from typing import Any

import pytest

from supervision.kernel import Kernel
from supervision.kernel.backoff import Backoff
from supervision.kernel.spec import (
    AutoShutdown,
    ChildType,
    FailureAction,
    OnFailure,
    Restart,
    Shutdown,
    StopOrder,
    Strategy,
)
from supervision.runtime.treedoc import DocumentErrors, parse_tree
from tests.supervision.runtime.tree_documents import FULL, child, faults, full, parsed, supervisor, tree

Json = dict[str, Any]


class TestTheSpecification:
    def test_of_a_bare_tree_has_the_defaults_of_the_schema(self) -> None:
        spec = parse_tree({"version": 1, "tree": "t", "supervisor": {}}).spec
        assert (spec.intensity, spec.period) == (3, 5.0)
        assert spec.strategy == Strategy.ONE_FOR_ONE
        assert spec.auto_shutdown == AutoShutdown.NEVER
        assert spec.stop == StopOrder.ORDERED
        assert spec.max_children is None
        assert spec.children == ()
        assert spec.on_failure == OnFailure(FailureAction.RETRY, 1.0, 2.0, 60.0)

    def test_of_a_bare_child_has_the_defaults_of_otp(self) -> None:
        spec = parsed(child()).spec.children[0]
        assert (spec.id, spec.restart, spec.shutdown, spec.type) == (
            "a",
            Restart.PERMANENT,
            5.0,
            ChildType.WORKER,
        )
        assert (spec.significant, spec.depends_on, spec.backoff) == (False, (), None)
        assert spec.success_exit_codes == frozenset()
        assert spec.readiness is False
        assert spec.body == {"kind": "process", "process": {"command": ["/bin/sleep", "9"]}}

    def test_of_a_supervisor_child_waits_for_ever_when_it_stops(self) -> None:
        spec = parsed(supervisor("s", child(), strategy="one_for_all")).spec.children[0]
        assert (spec.type, spec.shutdown) == (ChildType.SUPERVISOR, Shutdown.INFINITY)
        assert spec.supervisor is not None
        assert spec.supervisor.strategy == Strategy.ONE_FOR_ALL
        assert spec.supervisor.on_failure is None
        assert [each.id for each in spec.supervisor.children] == ["a"]

    def test_has_every_field_of_the_document(self) -> None:
        spec = parse_tree(FULL).spec
        assert (spec.strategy, spec.intensity, spec.period) == (Strategy.REST_FOR_ONE, 5, 10.0)
        assert (spec.auto_shutdown, spec.stop, spec.max_children) == (
            AutoShutdown.ANY_SIGNIFICANT,
            StopOrder.PARALLEL,
            50,
        )
        assert spec.on_failure == OnFailure(FailureAction.STAY_DOWN, 2.0, 1.5, 30.0)
        web = spec.children[0]
        assert (web.restart, web.significant, web.shutdown) == (Restart.TRANSIENT, True, 90.0)
        assert web.backoff == Backoff(0.1, 3.0, 1.0, 0.5, 20.0)
        assert web.success_exit_codes == {3, 4}
        assert web.readiness is True

    @pytest.mark.parametrize(
        ("written", "means"), [("brutal_kill", Shutdown.BRUTAL_KILL), ("infinity", Shutdown.INFINITY)]
    )
    def test_takes_the_words_for_shutdown(self, written: str, means: Shutdown) -> None:
        assert parsed(child(shutdown=written)).spec.children[0].shutdown == means

    def test_makes_a_child_of_each_instance_and_shares_the_body(self) -> None:
        children = parsed(child("w", instances=3)).spec.children
        assert [each.id for each in children] == ["w@1", "w@2", "w@3"]
        assert children[0].body is children[2].body

    def test_numbers_a_single_instance_too_so_that_it_can_grow(self) -> None:
        assert [each.id for each in parsed(child("w", instances=1)).spec.children] == ["w@1"]

    def test_of_no_instances_has_no_child(self) -> None:
        assert parsed(child("w", instances=0)).spec.children == ()

    def test_is_the_same_for_a_number_and_for_the_same_time_with_units(self) -> None:
        first = parsed(child(shutdown=90, process={"watchdog": 0.5}))
        assert parsed(child(shutdown="1m30s", process={"watchdog": "500ms"})) == first


class TestTheBody:
    def test_holds_only_what_differs_from_the_defaults(self) -> None:
        """So that a release with a new field changes no body, and restarts no child."""
        body = (
            parsed(child(process={"stop_signal": "SIGTERM", "environment": {}, "nice": 0}))
            .spec.children[0]
            .body
        )
        assert body["process"] == {"command": ["/bin/sleep", "9"], "nice": 0}

    def test_has_the_environment_of_the_tree_below_that_of_the_child(self) -> None:
        document = tree(child(process={"environment": {"A": "child"}})) | {
            "environment": {"A": "tree", "B": "tree"}
        }
        body = parse_tree(document).spec.children[0].body
        assert body["process"]["environment"] == {"A": "child", "B": "tree"}
        assert "tree_environment" not in body

    def test_keeps_the_environment_of_the_tree_apart_where_files_stand_between(self) -> None:
        process = {"environment": {"A": "child"}, "environment_files": ["/etc/x"]}
        document = tree(child(process=process)) | {"environment": {"A": "tree", "B": "tree"}}
        body = parse_tree(document).spec.children[0].body
        assert body["process"]["environment"] == {"A": "child"}
        assert body["tree_environment"] == {"A": "tree", "B": "tree"}

    def test_holds_the_reference_to_a_secret(self) -> None:
        body = parsed(child(process={"environment": {"P": {"secret": "DB"}}})).spec.children[0].body
        assert body["process"]["environment"] == {"P": {"secret": "DB"}}

    def test_of_a_task_has_the_environment_of_the_tree_which_its_application_needs(self) -> None:
        task = {"id": "t", "celery_task": {"app": "a", "task": "b"}}
        document = tree(task) | {"environment": {"A": "tree"}}
        assert parse_tree(document).spec.children[0].body == {
            "kind": "celery_task",
            "celery_task": {"app": "a", "task": "b", "environment": {"A": "tree"}},
        }


class TestTheNormalForm:
    def test_reads_as_itself(self) -> None:
        document = parse_tree(FULL)
        assert parse_tree(document.document) == document
        assert parse_tree(document.sparse) == document
        assert parse_tree(document.for_people) == document

    def test_does_not_change_what_it_was_made_of(self) -> None:
        given = full()
        parse_tree(given)
        assert given == FULL

    def test_shares_nothing_with_another(self) -> None:
        first, second = parsed(child()), parsed(child())
        first.document["supervisor"]["children"][0]["process"]["environment"]["X"] = "1"
        first.document["on_failure"]["cap"] = 1
        assert second == parsed(child())

    def test_has_a_digest_that_only_the_content_changes(self) -> None:
        digest = parsed(child(shutdown="5s")).digest
        assert parsed(child(shutdown=5.0)).digest == digest
        assert parsed(child()).digest == digest
        assert parsed({**child(), "kind": "process"}).digest == digest
        assert parsed(child(shutdown="6s")).digest != digest
        assert len(digest) == 64

    def test_for_people_has_units(self) -> None:
        found = parsed(child(shutdown=90, process={"output": {"max_bytes": 2**20}})).for_people
        assert found["supervisor"]["children"][0] == {
            "id": "a",
            "shutdown": "90s",
            "process": {"command": ["/bin/sleep", "9"], "output": {"max_bytes": "1MiB"}},
        }

    def test_leads_from_a_key_to_its_place(self) -> None:
        found = parsed(child("x"), supervisor("s", child("y", instances=2)))
        assert found.pointer_of("t/s/y@2") == "/supervisor/children/1/supervisor/children/0"
        assert found.pointer_of("t") == "/supervisor"
        assert found.pointer_of("t/gone") == "/supervisor"


REFUSED: dict[str, tuple[Json, str, str]] = {
    "no mapping": ([], "", "a list is not a mapping with the fields of `tree`"),  # type: ignore[dict-item]
    "another version": (
        tree() | {"version": 2},
        "/version",
        "2 is not a version this release reads: write 1",
    ),
    "a nameless tree": ({"version": 1, "supervisor": {}}, "", "`tree` is missing: name"),
    "a tree with a slash": (tree() | {"tree": "a/b"}, "/tree", "'a/b' is no name: 1 to 63 letters"),
    "an unknown key": (tree(intensty=3), "/supervisor/intensty", "did you mean 'intensity'?"),
    "an unknown word": (tree(strategy="one_for_al"), "/supervisor/strategy", "did you mean 'one_for_all'?"),
    "a misspelled shutdown": (
        tree(child(shutdown="brutal")),
        "/supervisor/children/0/shutdown",
        "did you mean 'brutal_kill'?",
    ),
    "no period": (tree(period=0), "/supervisor/period", "out of bounds: duration, 1ms to 1d"),
    "a period without a unit": (
        tree(period="5"),
        "/supervisor/period",
        "such as 5s or 1m30s; units are ms, s, m, h, d",
    ),
    "an intensity below zero": (
        tree(intensity=-1),
        "/supervisor/intensity",
        "-1 is no whole number, 0 to 1000000",
    ),
    "a boolean intensity": (tree(intensity=True), "/supervisor/intensity", "true is no whole number"),
    "children of the tree": (tree() | {"children": []}, "/children", "it belongs in `supervisor`"),
    "a child of nothing": (tree({"id": "a"}), "/supervisor/children/0", "`process` is missing"),
    "a child of two kinds": (
        tree(child() | {"agent": {"entry_point": "a:B"}}),
        "/supervisor/children/0/agent",
        "the child is of kind process",
    ),
    "another kind than its section": (
        tree(child() | {"kind": "agent"}),
        "/supervisor/children/0/process",
        "the child is of kind agent",
    ),
    "a command beside id": (
        tree(child() | {"command": ["x"]}),
        "/supervisor/children/0/command",
        "it belongs in `process`",
    ),
    "a process that is a supervisor": (
        tree(supervisor("s") | {"process": {"command": ["x"]}}),
        "/supervisor/children/0/process",
        "a supervisor runs no process itself",
    ),
    "instances of a supervisor": (
        tree(supervisor("s") | {"instances": 2}),
        "/supervisor/children/0/instances",
        "only processes have instances",
    ),
    "two children of one id": (
        tree(child("a"), child("a")),
        "/supervisor/children/1/id",
        "another child here is called 'a'",
    ),
    "an id with an instance": (tree(child("a@1")), "/supervisor/children/0/id", "is no name"),
    "a significant child without auto_shutdown": (
        tree(child(significant=True, restart="temporary")),
        "/supervisor/children/0/significant",
        "needs `auto_shutdown` other than never",
    ),
    "a significant permanent child": (
        tree(child(significant=True), auto_shutdown="any_significant"),
        "/supervisor/children/0/significant",
        "a permanent child is never significant",
    ),
    "no template": (
        tree(strategy="simple_one_for_one"),
        "/supervisor/children",
        "exactly one child, the template: 0 stand here",
    ),
    "two templates": (
        tree(child("a"), child("b"), strategy="simple_one_for_one"),
        "/supervisor/children",
        "exactly one child, the template: 2 stand here",
    ),
    "a template with instances": (
        tree(child(instances=2), strategy="simple_one_for_one"),
        "/supervisor/children/0/instances",
        "instances of a template are started by `start_child`",
    ),
    "more children than max_children": (
        tree(child("a"), child("b"), max_children=1),
        "/supervisor/max_children",
        "2 children stand here, more than 1",
    ),
    "a backoff whose cap is below its initial wait": (
        tree(child(backoff={"initial": "2s", "cap": "1s"})),
        "/supervisor/children/0/backoff/cap",
        "1 s is less than `initial`, 2 s",
    ),
    "a permanent job": (
        tree(child(process={"readiness": {"completed": True}})),
        "/supervisor/children/0/process/readiness/completed",
        "a permanent child never completes",
    ),
    "too many children": (
        tree(child("a", instances=10_000), child("b")),
        "/supervisor/children/1",
        "a tree has at most 10000 children, instances counted",
    ),
    "on_failure of a nested supervisor": (
        tree(supervisor("s", on_failure={})),
        "/supervisor/children/0/supervisor/on_failure",
        "unknown key 'on_failure' in `supervisor`",
    ),
    "replicas without their number": (
        tree() | {"placement": {"mode": "replicas"}},
        "/placement",
        "`replicas` is missing: how many nodes run it",
    ),
    "a number of replicas where nothing is counted": (
        tree() | {"placement": {"replicas": 2}},
        "/placement/replicas",
        "with `mode: one` nothing is counted: write `mode: replicas`",
    ),
    "a singleton on every node": (
        tree() | {"placement": {"mode": "every", "singleton": True}},
        "/placement/singleton",
        "a singleton runs on one node: `mode` is every",
    ),
    "a singleton outside its section": (
        tree() | {"singleton": True},
        "/singleton",
        "it belongs in `placement`",
    ),
    "a node by name": (tree() | {"placement": {"node": "a"}}, "/placement/node", "chosen by its labels"),
    "a label that is none": (
        tree() | {"placement": {"labels": {"a b": "c"}}},
        "/placement/labels/a b",
        "is no label",
    ),
    "a rollout of nobody": (
        tree() | {"rollout": {"max_unavailable": 0}},
        "/rollout/max_unavailable",
        "0 is no whole number, 1 to 1000",
    ),
    "a rollout that never ends": (
        tree() | {"rollout": {"ready_deadline": "infinity"}},
        "/rollout/ready_deadline",
        "is no duration",
    ),
    "a key that is no text": (tree() | {1: 2}, "", "1 is not a key: keys are text"),  # type: ignore[dict-item]
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(case: str) -> None:
    document, pointer, words = REFUSED[case]
    found = faults(document)
    assert pointer in found, found
    assert words in found[pointer]
    assert len(found) == 1


def trying(instances: int | None, number: int | None, **child_fields: Any) -> Json:
    canary: Json = {"agent": {"command": ["/bin/newer"]}} | ({} if number is None else {"instance": number})
    one: Json = {"id": "a", "agent": {"command": ["/bin/older"]}, "canary": canary, **child_fields}
    return tree(one | ({} if instances is None else {"instances": instances}))


def test_one_instance_tries_another_section_and_is_not_restarted_meanwhile() -> None:
    specs = parse_tree(trying(3, 2)).spec.children
    said = [(spec.id, spec.restart, spec.body["agent"]["command"]) for spec in specs]
    assert said == [
        ("a@1", Restart.PERMANENT, ["/bin/older"]),
        ("a@2", Restart.TEMPORARY, ["/bin/newer"]),
        ("a@3", Restart.PERMANENT, ["/bin/older"]),
    ]
    [alone] = parse_tree(trying(None, None)).spec.children
    assert (alone.restart, alone.body["agent"]["command"]) == (Restart.TEMPORARY, ["/bin/newer"])


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        (trying(3, 4), "/supervisor/children/0/canary/instance"),
        (trying(3, None), "/supervisor/children/0/canary/instance"),
        (trying(None, 1), "/supervisor/children/0/canary/instance"),
        (trying(3, 1, canary={"instance": 1}), "/supervisor/children/0/canary"),
        (
            tree({"id": "a", "process": {"command": ["a"]}, "canary": {"agent": {"command": ["b"]}}}),
            "/supervisor/children/0/canary",
        ),
    ],
)
def test_a_canary_is_of_one_instance_of_an_agent(document: Json, pointer: str) -> None:
    assert list(faults(document)) == [pointer]


def test_placement_and_rollout_left_out_or_said_as_by_default_are_the_same_document() -> None:
    said = {
        "placement": {"labels": {}, "mode": "one", "singleton": False},
        "rollout": {"max_unavailable": 1, "ready_deadline": "5m", "auto_rollback": False},
    }
    assert parse_tree(tree() | said).digest == parse_tree(tree()).digest
    assert parse_tree(tree() | said).sparse == parse_tree(tree()).sparse


def test_placement_and_rollout_are_in_no_child_and_change_nothing_that_runs() -> None:
    placed = parse_tree(tree() | {"placement": {"singleton": True}, "rollout": {"auto_rollback": True}})
    assert placed.spec == parse_tree(tree()).spec
    assert placed.digest != parse_tree(tree()).digest
    steps = Kernel("t", parse_tree(tree()).spec).plan(placed.spec)
    assert all(step.do == "keep" for step in steps)


def test_reports_every_fault_at_once() -> None:
    document = tree(child("a", shutdown="x"), child("b", depends_on=["c"]), child("b"), strategy="x") | {
        "tre": 1
    }
    assert list(faults(document)) == [
        "/supervisor/strategy",
        "/supervisor/children/0/shutdown",
        "/supervisor/children/2/id",
        "/tre",
        "/supervisor/children/1/depends_on/0",
    ]


def test_stops_after_a_hundred_faults() -> None:
    document = tree() | {f"unknown{number}": number for number in range(100_000)}
    began = time.monotonic()
    with pytest.raises(DocumentErrors) as caught:
        parse_tree(document)
    assert len(caught.value.errors) == 101
    assert caught.value.errors[-1].message == "only the first 100 errors are shown"
    assert time.monotonic() - began < 10


def test_bounds_how_deep_supervisors_stand_inside_one_another() -> None:
    def nested(levels: int) -> Json:
        inner = supervisor("s", child())
        for _ in range(levels - 2):
            inner = supervisor("s", inner)
        return tree(inner)

    assert Kernel("t", parse_tree(nested(32)).spec)
    assert list(faults(nested(33)).values()) == ["nested too deep: at most 32 levels"]
    assert len(faults(nested(200))) == 1


def test_shows_a_faulty_value_short_and_on_one_line() -> None:
    found = faults(tree() | {"tree": "x\n" * 10_000})
    assert len(found["/tree"]) < 200
    assert "\n" not in found["/tree"]
    assert "number of" in faults(tree(intensity=10**5000))["/supervisor/intensity"]


def test_never_shows_a_surrogate_as_it_is() -> None:
    message = faults(tree() | {"tree": "\ud800"})["/tree"]
    assert message.encode()
    assert "surrogate" in message


def test_a_key_with_a_surrogate_has_a_pointer_that_can_be_printed() -> None:
    found = faults(tree(child(process={"environment": {"\ud800": "x"}})) | {"\ud800": 1})
    assert set(found) == {"/\\ud800", "/supervisor/children/0/process/environment/\\ud800"}
    assert "".join([*found, *found.values()]).encode()


def test_takes_a_whole_number_for_text_as_its_digits() -> None:
    assert parse_tree(tree() | {"tree": 2024}).name == "2024"


def test_reads_a_thousand_children_well_within_a_second() -> None:
    children = [
        child(f"c{number}", depends_on=[f"c{number - 1}"] if number else []) for number in range(1000)
    ]
    document = tree(*children)
    began = time.monotonic()
    found = parse_tree(document)
    assert time.monotonic() - began < 1
    assert len(found.spec.children) == 1000


def test_takes_null_for_an_optional_field_that_is_not_given() -> None:
    document = copy.deepcopy(tree(child(process={"user": None, "limits": None}), max_children=None))
    assert parse_tree(document) == parsed(child())
    assert faults(tree(child(restart=None)))
