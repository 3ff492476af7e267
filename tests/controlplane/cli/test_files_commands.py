"""validate, schema, plan, apply, delete: tree files against a node."""

import json
from pathlib import Path

import jsonschema
import pytest

from supervision.trees.schema import PATH
from tests.support.command_line import manage, on_terminal, spawn
from tests.support.fake_node import FakeNode
from tests.support.fake_rows import Json
from tests.support.scripted_node import RefusalError
from tests.support.waiting import wait_for

SLEEP = "[sleep, '600']"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The tree of the fake with mail gone, a child added and one that is another program now."""
    path = tmp_path / "shop.yaml"
    path.write_text(
        "version: 1\ntree: shop\nsupervisor:\n  children:\n"
        f"  - id: db\n    process: {{command: {SLEEP}}}\n"
        "  - id: new\n    process: {command: ['true']}\n"
    )
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.yaml"
    path.write_text("version: 1\ntree: shop\nsupervisor:\n  strategie: one\n  children: []\n")
    return path


def test_a_valid_file_is_said_to_be(file: Path) -> None:
    ran = manage("validate", str(file))
    assert (ran.code, ran.out) == (0, f"{file}: valid, tree shop\n")


def test_every_problem_of_every_file_has_file_line_and_column(file: Path, bad: Path) -> None:
    ran = manage("validate", str(file), str(bad), "/nowhere/x.yaml")
    assert ran.code == 1
    assert f"{bad}:4:3: error: /supervisor/strategie: unknown key" in ran.out
    assert "did you mean 'strategy'" in ran.out
    assert "/nowhere/x.yaml: error: cannot be read: No such file or directory" in ran.out
    assert "valid, tree shop" in ran.out


def test_validation_as_json_lists_each_file(file: Path, bad: Path) -> None:
    ran = manage("validate", str(file), str(bad), "--json")
    assert ran.json["ok"] is False
    good, wrong = ran.json["files"]
    assert (good["valid"], good["tree"], good["children"], good["problems"]) == (True, "shop", 2, [])
    assert wrong["problems"][0]["line"] == 4


def test_validation_needs_no_node(file: Path) -> None:
    assert manage("validate", str(file)).err == ""


def test_the_schema_is_the_published_one_and_accepts_a_tree(file: Path) -> None:
    ran = manage("schema")
    assert ran.out == PATH.read_text()
    document = {
        "version": 1,
        "tree": "t",
        "supervisor": {"children": [{"id": "a", "process": {"command": ["true"]}}]},
    }
    jsonschema.validate(document, ran.json)


def test_a_plan_shows_signs_keys_and_why_in_order(node: FakeNode, file: Path) -> None:
    ran = manage("plan", str(file))
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "Plan for shop, which runs revision 4:",
        "  - stop    shop/mail       removed",
        "  - stop    shop/web/api@2  removed",
        "  - stop    shop/web/api@1  removed",
        "  + start   shop/new        added",
        "1 to start, 3 to stop, 1 unchanged.",
    ]


def test_a_changed_child_is_one_restart(node: FakeNode, file: Path) -> None:
    steps = [
        {"do": "stop", "key": "shop/db", "why": "changed: /process/command"},
        {"do": "update", "key": "shop/x", "why": "changed: shutdown"},
        {"do": "start", "key": "shop/db", "why": "changed: /process/command"},
    ]
    node.handlers["plan"] = lambda _: {"tree": "shop", "from_revision": 4, "steps": steps, "findings": []}
    ran = manage("plan", str(file))
    assert ran.out.splitlines()[1:] == [
        "  ~ update  shop/x   changed: shutdown",
        "  ~ restart shop/db  changed: /process/command",
        "1 to restart, 1 to update.",
    ]


def test_a_pool_of_workers_says_how_many_it_has_and_is_to_have(node: FakeNode, tmp_path: Path) -> None:
    file = tmp_path / "pools.yaml"
    file.write_text(
        "version: 1\ntree: shop\nsupervisor:\n  children:\n"
        "  - {id: mail, instances: 3, celery_worker: {app: 'shop:app'}}\n"
        "  - {id: web, process: {command: ['true']}}\n"
        "  - {id: bulk, celery_worker: {app: 'shop:app', scale: {min: 0, max: 4}}}\n"
    )
    steps = [
        {"do": "keep", "key": "shop", "why": ""},
        {"do": "stop", "key": "shop/mail@1", "why": "changed: /celery_worker/app"},
        {"do": "start", "key": "shop/mail@1", "why": "changed: /celery_worker/app"},
        {"do": "keep", "key": "shop/mail@2", "why": ""},
        {"do": "start", "key": "shop/mail@3", "why": "added"},
        {"do": "stop", "key": "shop/bulk@1", "why": "removed"},
    ]
    node.handlers["plan"] = lambda _: {"tree": "shop", "from_revision": 4, "steps": steps, "findings": []}
    ran = manage("plan", str(file))
    assert ran.out.splitlines()[-3:-1] == [
        "  pool shop/mail: 2 workers now, 3 wanted",
        "  pool shop/bulk: 1 worker now, 0 wanted",
    ]
    assert manage("plan", str(file), "--json").json["pools"] == [
        {"key": "shop/mail", "now": 2, "wanted": 3},
        {"key": "shop/bulk", "now": 1, "wanted": 0},
    ]


def test_the_detailed_exit_code_is_terraforms(node: FakeNode, file: Path, bad: Path) -> None:
    assert manage("plan", str(file), "--detailed-exitcode").code == 2
    assert manage("plan", str(bad), "--detailed-exitcode").code == 1
    assert manage("plan", "--detailed-exitcode").code == 1, "a wrong command line must not read as changes"
    manage("apply", str(file), "--yes")
    ran = manage("plan", str(file), "--detailed-exitcode")
    assert ran.code == 0
    assert "Nothing to change" in ran.out


def test_findings_stand_at_their_lines_and_errors_fail_the_plan(node: FakeNode, file: Path) -> None:
    node.findings = [
        {
            "pointer": "/supervisor/children/1/process/command",
            "severity": "error",
            "message": "no such executable: true",
        },
        {"pointer": "/supervisor/children/0", "severity": "warning", "message": "runs as root"},
    ]
    ran = manage("plan", str(file))
    assert ran.code == 1
    assert f"{file}:8:15: error: /supervisor/children/1/process/command: no such executable: true" in ran.out
    assert f"{file}:5:5: warning: /supervisor/children/0: runs as root" in ran.out
    findings = manage("plan", str(file), "--json").json["findings"]
    assert [finding["line"] for finding in findings] == [8, 5]
    ran = manage("apply", str(file), "--yes")
    assert ran.code == 1
    assert "nothing was applied" in ran.err
    assert node.asked("apply") == []


def test_a_refusal_about_the_document_is_put_at_its_lines(node: FakeNode, file: Path) -> None:
    def plan(_args: Json) -> Json:
        refusal = RefusalError("bad_request", "1 error(s) in the tree", "/args/spec")
        refusal.body["errors"] = [{"pointer": "/supervisor/children/0/id", "message": "unknown to this node"}]
        raise refusal

    node.handlers["plan"] = plan
    ran = manage("plan", str(file))
    assert ran.code == 1
    assert f"{file}:5:5: error: /supervisor/children/0/id: unknown to this node" in ran.out


def test_apply_asks_applies_with_the_message_and_waits(node: FakeNode, file: Path) -> None:
    with on_terminal("apply", str(file), "--message", "smaller") as running:
        running.until("Apply to shop? [y/N]")
        running.type("y\n")
        running.until("revision 5 runs, 2 of 2 running")
        assert running.wait() == 0
    (asked,) = node.asked("apply")
    assert (asked["message"], asked["from_revision"]) == ("smaller", 4)


def test_apply_refuses_to_guess_where_nobody_can_answer(node: FakeNode, file: Path) -> None:
    ran = manage("apply", str(file))
    assert ran.code == 1
    assert "--yes" in ran.err
    assert node.asked("apply") == []


def test_applying_the_same_again_changes_nothing_and_asks_nobody(node: FakeNode, file: Path) -> None:
    assert manage("apply", str(file), "--yes").code == 0
    ran = manage("apply", str(file))
    assert ran.code == 0
    assert "Nothing to change" in ran.out
    assert len(node.asked("apply")) == 1


def test_apply_waits_for_what_is_to_come_and_says_what_is_in_the_way(node: FakeNode, file: Path) -> None:
    original = node.op_apply

    def later(args: Json) -> Json:
        answer = original(args)
        node.find("shop/new").update(state="waiting", pid=None, waiting_for=["shop/db"])
        return answer

    node.handlers["apply"] = later
    ran = manage("apply", str(file), "--yes", "--timeout", "300ms", "--json")
    assert ran.code == 5
    assert ran.json["in_the_way"] == ["shop/new: waiting (waits for db)"]
    assert ran.json["revision"] == 5


def test_apply_ends_when_what_was_to_come_has_come(node: FakeNode, file: Path) -> None:
    original = node.op_apply

    def later(args: Json) -> Json:
        answer = original(args)
        node.find("shop/new")["state"] = "starting"
        return answer

    node.handlers["apply"] = later
    with spawn("apply", str(file), "--yes") as running:
        wait_for(lambda: node.asked("apply"), timeout=30)
        with node.changing():
            node.find("shop/new")["state"] = "running"
        assert running.end().code == 0


def test_apply_fails_at_once_when_nothing_more_can_come(node: FakeNode, file: Path) -> None:
    original = node.op_apply

    def failing(args: Json) -> Json:
        answer = original(args)
        node.find("shop/new").update(
            state="failed", pid=None, last_exit={"reason": "start_failed(no)", "at": 0, "incarnation": 1}
        )
        return answer

    node.handlers["apply"] = failing
    ran = manage("apply", str(file), "--yes")
    assert ran.code == 1
    assert "shop/new: failed (start_failed(no))" in ran.out


def test_a_restart_that_has_not_happened_yet_is_waited_for(node: FakeNode, file: Path) -> None:
    steps = [{"do": do, "key": "shop/db", "why": "changed"} for do in ("stop", "start")]
    node.handlers["plan"] = lambda _: {"tree": "shop", "from_revision": 4, "steps": steps, "findings": []}
    node.handlers["apply"] = lambda _: {"tree": "shop", "revision": 4, "steps": steps}
    node.find("shop")["children"] = node.find("shop")["children"][:1]
    with spawn("apply", str(file), "--yes") as running:
        wait_for(lambda: len(node.asked("tree")) > 3, timeout=30)
        assert running.process.poll() is None
        with node.changing():
            node._life(node.find("shop/db"))
        assert running.end().code == 0


def test_a_revision_that_another_one_replaced_meanwhile_is_no_success(node: FakeNode, file: Path) -> None:
    original = node.op_apply

    def overtaken(args: Json) -> Json:
        answer = original(args)
        node.trees[-1]["revision"] = 9
        return answer

    node.handlers["apply"] = overtaken
    ran = manage("apply", str(file), "--yes", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "superseded")


def test_a_plan_that_is_old_by_the_time_it_is_applied_is_refused(node: FakeNode, file: Path) -> None:
    original = node.op_plan

    def older(args: Json) -> Json:
        return {**original(args), "from_revision": 3}

    node.handlers["plan"] = older
    node.handlers["apply"] = lambda args: FakeNode.op_apply(node, args)
    ran = manage("apply", str(file), "--yes", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "conflict")


def test_without_waiting_apply_says_what_is_being_carried_out(node: FakeNode, file: Path) -> None:
    ran = manage("apply", str(file), "--yes", "--no-wait")
    assert (
        ran.out.splitlines()[-1]
        == "shop: revision 5 is being carried out: 1 to start, 3 to stop, 1 unchanged."
    )


def test_a_file_comes_from_standard_input_too(node: FakeNode, file: Path) -> None:
    with file.open() as text, spawn("plan", "-", stdin=text) as running:
        assert "start   shop/new" in running.end().out


def test_json_files_are_read_as_well(node: FakeNode, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps({"version": 1, "tree": "t", "supervisor": {"children": []}}))
    assert manage("validate", str(path)).code == 0


def test_delete_says_how_much_it_stops_before_it_asks(node: FakeNode) -> None:
    with on_terminal("delete", "shop") as running:
        running.until("Stop 3 processes and delete the tree shop? [y/N]")
        running.type("y\n")
        running.until("shop  deleted")
        assert running.wait() == 0
    assert node.trees == []


def test_deleting_what_is_not_there_is_not_found(node: FakeNode) -> None:
    ran = manage("delete", "shopp", "--yes")
    assert ran.code == 3
    assert "Did you mean shop?" in ran.err


def test_a_delete_past_its_timeout_stands(node: FakeNode) -> None:
    node.hold_answers("delete")
    node.handlers["delete"] = lambda _: {}
    ran = manage("delete", "shop", "--yes", "--timeout", "300ms")
    assert ran.code == 5
    assert "the request stands" in ran.err


def test_a_node_replaced_in_the_middle_of_a_delete_is_asked_again(node: FakeNode) -> None:
    node.hold_answers("delete")
    with spawn("delete", "shop", "--yes") as running:
        wait_for(lambda: node.asked("delete"), timeout=30)
        node.replace()
        node.forget_answers("delete")
        ran = running.end()
    assert ran.code == 0, ran.err
    assert ran.out == "shop  deleted\n"
