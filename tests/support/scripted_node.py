"""The state of a node without processes, and what each operation does to it. No socket."""

import copy
import time
from collections.abc import Iterator

from supervision.runtime.treedoc import parse_tree
from tests.support.fake_rows import Json, child, shop, supervisor, tree


class RefusalError(Exception):
    """What an op answers when it refuses."""

    def __init__(self, code: str, message: str, pointer: str | None = None) -> None:
        super().__init__(message)
        self.body: Json = {"code": code, "message": message} | (
            {} if pointer is None else {"pointer": pointer}
        )


class ScriptedNode:
    """Plain JSON as the node's answers are; `op_NAME(args)` answers, or raises RefusalError."""

    def __init__(self, trees: list[Json] | None = None) -> None:
        self.trees = [shop()] if trees is None else trees
        self.documents: dict[str, Json] = {}
        self.strays: list[Json] = []
        self.findings: list[Json] = []
        self.node_id = "3f2a91bc" + "0" * 24
        self.pid = 4121
        self.started = time.time() - 3600
        self.seq = 100

    def changed(self) -> None:
        """Something did."""
        self.seq += 1

    def find(self, key: str) -> Json:
        """The row with this key, to edit inside `changing()`; RefusalError when there is none."""
        for body in self.rows():
            if body["key"] == key:
                return body
        raise RefusalError("not_found", f"no such child: {key}")

    def rows(self) -> Iterator[Json]:
        stack = [body["root"] for body in reversed(self.trees)]
        while stack:
            body = stack.pop()
            yield body
            stack.extend(reversed(body.get("children", [])))

    def op_status(self, _args: Json) -> Json:
        children = [body for body in self.rows() if body["kind"] != "supervisor"]
        return {
            "node_id": self.node_id, "pid": self.pid, "guardian_pid": 4119, "version": "0.1.0",
            "started": self.started, "now": time.time(), "journal_seq": self.seq, "journal_room": 1 << 20,
            "journal_short": False, "stopping": False, "on_guardian_death": "promote", "cgroup": True,
            "trees": len(self.trees), "children": len(children), "strays": len(self.strays),
            "helpers": [{"name": "rotator", "pid": 4130, "starts": 1}],
        }  # fmt: skip

    def op_tree(self, args: Json) -> Json:
        trees = [body for body in self.trees if args.get("tree") in (None, body["name"])]
        if args.get("tree") is not None and not trees:
            raise RefusalError("not_found", f"no such tree: {args['tree']}")
        return {"node": self.op_status({}), "trees": copy.deepcopy(trees)}

    def op_plan(self, args: Json) -> Json:
        name, wanted = _wanted(args["spec"])
        now = {
            body["key"]: body
            for body in self.rows()
            if body["key"].split("/")[0] == name and "children" not in body
        }
        steps = [{"do": "stop", "key": key, "why": "removed"} for key in reversed(now) if key not in wanted]
        for key, command in wanted.items():
            if key not in now:
                steps.append({"do": "start", "key": key, "why": "added"})
            elif now[key]["command"] != command:
                steps.append({"do": "restart", "key": key, "why": "process.command changed"})
            else:
                steps.append({"do": "keep", "key": key, "why": ""})
        revision = next((body["revision"] for body in self.trees if body["name"] == name), None)
        changes = sum(step["do"] != "keep" for step in steps)
        return {
            "tree": name,
            "from_revision": revision,
            "steps": steps,
            "findings": self.findings,
            "changes": changes,
        }

    def op_apply(self, args: Json) -> Json:
        plan = self.op_plan(args)
        expected = args.get("from_revision", plan["from_revision"])
        if expected != plan["from_revision"]:
            raise RefusalError(
                "conflict", f"{plan['tree']} is at revision {plan['from_revision']}, not {expected}"
            )
        if any(finding["severity"] == "error" for finding in plan["findings"]):
            raise RefusalError("refused", "the tree has errors", "/args/spec")
        digest = parse_tree(args["spec"]).digest
        known = next((body for body in self.trees if body["digest"] == digest), None)
        if known is not None:
            return {"tree": plan["tree"], "revision": known["revision"], "steps": plan["steps"]}
        name, wanted = _wanted(args["spec"])
        old = {body["key"]: body for body in self.rows()}
        rows = [old.get(key) or child(key, command=command) for key, command in wanted.items()]
        for row, command in zip(rows, wanted.values(), strict=True):
            row["command"] = command
        revision = (plan["from_revision"] or 0) + 1
        applied = tree(supervisor(name, *rows), revision=revision, message=args.get("message") or "")
        applied["digest"] = digest
        self.trees = [body for body in self.trees if body["name"] != name] + [applied]
        self.documents[name] = args["spec"]
        self.changed()
        return {"tree": name, "revision": revision, "steps": plan["steps"]}

    def op_delete(self, args: Json) -> Json:
        before = len(self.trees)
        self.trees = [body for body in self.trees if body["name"] != args["tree"]]
        if len(self.trees) == before:
            raise RefusalError("not_found", f"no such tree: {args['tree']}")
        self.changed()
        return {"tree": args["tree"]}

    def op_start(self, args: Json) -> Json:
        for body in self._below(args["key"]):
            body["wanted"] = "up"
            if body["state"] != "running":
                self._life(body)
        return self._acted(args["key"])

    def op_stop(self, args: Json) -> Json:
        for body in self._below(args["key"]):
            if body["state"] != "stopped":
                body.update(state="stopped", since=time.time(), wanted="down")
                if "pid" in body:
                    last = {"reason": "shutdown", "at": time.time(), "incarnation": body["incarnation"]}
                    body.update(pid=None, ready=False, last_exit=last, backoff_until=None)
        return self._acted(args["key"])

    def op_restart(self, args: Json) -> Json:
        for body in self._below(args["key"]):
            body["wanted"] = "up"
            self._life(body)
        return self._acted(args["key"])

    def op_hold(self, args: Json) -> Json:
        body = self.find(args["key"])
        seconds = args.get("seconds")
        body.update(held=True, held_until=None if seconds is None else time.time() + seconds)
        return self._acted(args["key"])

    def op_release(self, args: Json) -> Json:
        self.find(args["key"]).update(held=False, held_until=None)
        return self._acted(args["key"])

    def op_signal(self, args: Json) -> Json:
        body = self.find(args["key"])
        if body.get("pid") is None:
            raise RefusalError("conflict", f"{args['key']} does not run")
        return {"key": args["key"], "signal": args["signal"]}

    def op_reload(self, args: Json) -> Json:
        self.find(args["key"])
        return {"key": args["key"]}

    def op_start_child(self, args: Json) -> Json:
        above = self.find(args["supervisor"])
        if above["strategy"] != "simple_one_for_one":
            raise RefusalError("refused", f"{args['supervisor']} has no template", "/supervisor")
        label = args.get("instance") or str(len(above["children"]) + 1)
        key = f"{args['supervisor']}/worker@{label}"
        if any(body["key"] == key for body in above["children"]):
            raise RefusalError("conflict", f"{key} exists")
        above["children"].append(child(key))
        self.changed()
        return {"key": key}

    def op_delete_child(self, args: Json) -> Json:
        body = self.find(args["key"])
        if body["state"] != "stopped":
            raise RefusalError("conflict", f"{args['key']} runs: stop it first")
        for above in self.rows():
            above["children"] = [row for row in above.get("children", []) if row is not body]
        self.changed()
        return {"key": args["key"]}

    def op_strays(self, _args: Json) -> Json:
        return {"strays": copy.deepcopy(self.strays), "processes": 40}

    def op_adopt_stray(self, args: Json) -> Json:
        stray = self._stray(args["pid"])
        self.find(args["key"])
        stray["owner"] = args["key"]
        return {"pid": args["pid"], "key": args["key"]}

    def op_end_stray(self, args: Json) -> Json:
        self.strays.remove(self._stray(args["pid"]))
        return {"pid": args["pid"]}

    def op_spec(self, args: Json) -> Json:
        try:
            return {"tree": args["tree"], "document": self.documents[args["tree"]]}
        except KeyError:
            raise RefusalError("not_found", f"no such tree: {args['tree']}") from None

    def _stray(self, pid: int) -> Json:
        for stray in self.strays:
            if stray["pid"] == pid:
                return stray
        raise RefusalError("not_found", f"no stray with pid {pid}")

    def _below(self, key: str) -> list[Json]:
        self.find(key)
        return [body for body in self.rows() if body["key"] == key or body["key"].startswith(key + "/")]

    def _life(self, body: Json) -> None:
        body.update(
            state="running", since=time.time(), incarnation=body["incarnation"] + 1, backoff_until=None
        )
        if "pid" in body:
            body.update(pid=(body["pid"] or 5000) + 1000, ready=True)

    def _acted(self, key: str) -> Json:
        self.changed()
        body = self.find(key)
        return {"key": key, "state": body["state"], "incarnation": body["incarnation"]}


def _wanted(spec: Json) -> tuple[str, dict[str, list[str]]]:
    """Name of a document's tree, and the command of each child right below its root; enough of a tree for the fake."""
    name = spec["tree"]
    children = spec["supervisor"].get("children", [])
    return name, {f"{name}/{body['id']}": list(body["process"]["command"]) for body in children}
