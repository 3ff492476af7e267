"""The operations of the control socket, each as requests to the API. One table, one small function each."""

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from controlplane.cli.remote.http import Api
from supervision.runtime.client import ControlError

LONG_POLL_S = 20
FINAL = frozenset({"done", "failed", "expired"})
LONGEST_S = 3600.0
"""What a request for a slow stop may take; the command's own --timeout ends the waiting, not the request."""
GONE_EVERY_S = 0.25


def tree(api: Api, args: Mapping[str, Any]) -> Any:
    """What is, in the shape of one node's answer."""
    return api.get("observed", node=api.address.node, tree=args.get("tree")).body


def status(api: Api, _args: Mapping[str, Any]) -> Any:
    """The node part of the same."""
    return tree(api, {})["node"]


def plan(api: Api, args: Mapping[str, Any]) -> Any:
    """What applying would do, over all nodes that it concerns."""
    body = api.post("plan", args["spec"]).body
    steps = [step for node in body["nodes"] for step in node["steps"]]
    findings = [finding for node in body["nodes"] for finding in node["findings"]]
    return {
        "tree": body["tree"],
        "digest": body["digest"],
        "from_revision": body["revision"],
        "changes": body["changes"],
        "steps": _once(steps),
        "findings": _once(findings),
    }


def apply(api: Api, args: Mapping[str, Any]) -> Any:
    """PUT the tree, based on the revision that was planned against."""
    planned = plan(api, args)
    expected = args.get("from_revision")
    if "from_revision" in args:
        _must_be_at(planned, planned["from_revision"], expected)
    headers = {"If-None-Match": "*"}
    if planned["from_revision"] is not None:
        current = api.get(f"trees/{planned['tree']}")
        _must_be_at(planned, current.body["revision"], planned["from_revision"])
        headers = {"If-Match": current.etag}
    answer = api.request(
        "PUT",
        f"trees/{planned['tree']}",
        query={"message": args.get("message") or None},
        body=args["spec"],
        headers=headers,
        timeout_s=60.0,
    )
    return {**planned, "revision": answer.body["revision"]}


def _must_be_at(planned: Mapping[str, Any], revision: int | None, expected: int | None) -> None:
    """Nobody applied another one meanwhile. Raises ControlError."""
    if revision != expected:
        words = f"{planned['tree']} is at revision {revision}, not at {expected}: plan again"
        raise ControlError("conflict", words)


def delete(api: Api, args: Mapping[str, Any]) -> Any:
    """DELETE the tree, and wait until no node runs anything of it."""
    name = args["tree"]
    api.request("DELETE", f"trees/{name}", headers={"If-Match": "*"})
    while any(  # audit: ignore[SUP207] a child may take its stop timeout; the command's own deadline ends the wait
        one["name"] == name for one in tree(api, {"tree": name})["trees"]
    ):
        time.sleep(GONE_EVERY_S)
    return {"tree": name, "removed": True}


def command(verb: str, *, key: str = "key") -> Callable[[Api, Mapping[str, Any]], Any]:
    """A command, carried out once however often the answer was lost, awaited to its end. `key`: the argument that names
    it."""

    def carry_out(api: Api, args: Mapping[str, Any]) -> Any:
        rest = {name: value for name, value in args.items() if name not in (key, "why") and value is not None}
        body = {
            "verb": verb,
            "key": str(args.get(key) or ""),
            "args": rest,
            "reason": str(args.get("why") or ""),
            "node": node_id_of(api),
            "deadline_s": LONGEST_S if verb in ("stop", "restart", "terminate", "delete_child") else 120.0,
        }
        operations = api.post("commands", body, key=str(uuid.uuid4())).body["operations"]
        results = [_await(api, operation) for operation in operations]
        return results[0] if results else {}

    return carry_out


def strays(api: Api, _args: Mapping[str, Any]) -> Any:
    node_id = node_id_of(api)
    found = [_stray(row) for row in api.pages("strays", node=node_id, state="found")]
    nodes = api.get("coverage").body["items"]
    return {
        "strays": found,
        "processes": sum(row["processes"] for row in nodes if node_id in (None, row["node"])),
    }


def end_stray(api: Api, args: Mapping[str, Any]) -> Any:
    """On the node that has the process: pids are a node's own."""
    return command("end_stray")(_on_node_of(api, args["pid"]), args)


def adopt_stray(api: Api, args: Mapping[str, Any]) -> Any:
    return command("adopt_stray")(_on_node_of(api, args["pid"]), args)


def _await(api: Api, operation: Mapping[str, Any]) -> Any:
    while operation["state"] not in FINAL:
        path = f"operations/{operation['id']}"
        operation = api.get(path, wait=LONG_POLL_S, timeout_s=LONG_POLL_S + 15.0).body
    if operation["state"] == "done":
        return operation["result"] or {}
    if operation["state"] == "expired":
        raise ControlError("unavailable", "the node did not take the request in time")
    error = operation["error"] or {}
    raise ControlError(
        str(error.get("code", "internal")), str(error.get("message", "it failed")), error.get("pointer")
    )


def node_id_of(api: Api) -> str | None:
    """The id of the node that --node means."""
    wanted = api.address.node
    if wanted is None:
        return None
    for node in api.pages("nodes"):
        if wanted in (node["id"], node["name"]):
            return str(node["id"])
    raise ControlError("not_found", f"there is no node {wanted}")


def _on_node_of(api: Api, pid: int) -> Api:
    if api.address.node is not None:
        return api
    nodes = {row["node"] for row in api.pages("strays", state="found") if row["pid"] == pid}
    if not nodes:
        raise ControlError("not_found", f"no stray with pid {pid}")
    if len(nodes) > 1:
        raise ControlError("refused", f"several nodes have a stray with pid {pid}: say which with --node")
    return Api(replace(api.address, node=nodes.pop()))


def _stray(row: Mapping[str, Any]) -> dict[str, Any]:
    seen = datetime.fromisoformat(row["first_seen"])
    return {**row, "seen_s": max(0.0, round((datetime.now(UTC) - seen).total_seconds(), 1))}  # noqa: TID251  shown, not decided by


def _once(rows: list[Any]) -> list[Any]:
    """Each of them once, in the order of the first."""
    found: list[Any] = []
    for row in rows:
        if row not in found:
            found.append(row)
    return found


OPERATIONS: Mapping[str, Callable[[Api, Mapping[str, Any]], Any]] = {
    "tree": tree,
    "status": status,
    "plan": plan,
    "apply": apply,
    "delete": delete,
    "start": command("start"),
    "stop": command("stop"),
    "restart": command("restart"),
    "hold": command("hold"),
    "release": command("release"),
    "signal": command("signal"),
    "reload": command("reload"),
    "recycle": command("recycle"),
    "start_child": command("start_child", key="supervisor"),
    "delete_child": command("delete_child"),
    "strays": strays,
    "adopt_stray": adopt_stray,
    "end_stray": end_stray,
}
