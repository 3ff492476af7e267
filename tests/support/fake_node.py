"""A node without processes: the control protocol over a real Unix socket, around a scripted tree.

Runs in a thread of the test. Its state is plain JSON as the node's answers are; `changing()` edits it as life would and
hints to every watcher. What the real node does over seconds is scripted: `hold_answers(op)` keeps the answers back until
released, `stall()` stops answering as SIGSTOP would, `replace()` drops every connection and returns under another pid.
"""

import contextlib
import copy
import json
import os
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from supervision.runtime.treedoc import parse_tree

Json = dict[str, Any]


class RefusalError(Exception):
    """What an op answers when it refuses."""

    def __init__(self, code: str, message: str, pointer: str | None = None) -> None:
        super().__init__(message)
        self.body: Json = {"code": code, "message": message} | (
            {} if pointer is None else {"pointer": pointer}
        )


def child(key: str, state: str = "running", **fields: Any) -> Json:
    """A child's row as `tree` answers it, healthy unless told otherwise."""
    running = state in ("running", "starting", "stopping")
    body = {
        "key": key, "id": key.rpartition("/")[2], "kind": "process", "state": state, "incarnation": 1,
        "pid": 4000 + sum(key.encode()) % 1000 if running else None, "since": time.time() - 75, "restarts": 0,
        "restart": "permanent", "last_exit": None, "held": False, "held_until": None,
        "wanted": "down" if state == "stopped" else "up", "waiting_for": [], "backoff_until": None, "status": "",
        "command": ["sleep", "600"], "ready": state == "running", "stage": "main" if running else None,
        "dynamic": False, "depends_on": [], "descendants_ending": [], "blocked": "",
    }  # fmt: skip
    return body | fields


def supervisor(key: str, *children: Json, strategy: str = "one_for_one", **fields: Any) -> Json:
    """A supervisor's row around `children`."""
    body = {
        "key": key, "id": key.rpartition("/")[2], "kind": "supervisor", "state": "running", "incarnation": 1,
        "strategy": strategy, "intensity": 3, "period": 5.0, "window_used": 0, "restarts": 0, "stop": "ordered",
        "since": time.time() - 75, "wanted": "up", "restart": "permanent", "children": list(children),
    }  # fmt: skip
    return body | fields


def tree(root: Json, *, revision: int = 1, message: str = "") -> Json:
    """One applied tree."""
    return {
        "name": root["key"], "revision": revision, "message": message, "applied_at": time.time() - 100,
        "digest": f"{revision:064x}", "ended": None, "blocked": 0, "root": root,
    }  # fmt: skip


def shop() -> Json:
    """The tree most tests talk about: two instances that share a supervisor with their database, and a crash loop."""
    return tree(
        supervisor(
            "shop",
            child("shop/db"),
            supervisor("shop/web", child("shop/web/api@1"), child("shop/web/api@2"), strategy="rest_for_one"),
            child(
                "shop/mail", "backoff", incarnation=7, restarts=6, backoff_until=time.time() + 40,
                last_exit={"reason": "exit(3)", "at": time.time() - 2, "incarnation": 7},
            ),
        ),
        revision=4,
        message="bigger pool",
    )  # fmt: skip


class FakeNode:
    """Serves `path` until closed. Use as a context manager."""

    def __init__(self, path: Path, trees: list[Json] | None = None) -> None:
        self.path = path
        self.trees = [shop()] if trees is None else trees
        self.documents: dict[str, Json] = {}
        self.strays: list[Json] = []
        self.node_id = "3f2a91bc" + "0" * 24
        self.pid = 4121
        self.started = time.time() - 3600
        self.seq = 100
        self.requests: list[tuple[str, Json]] = []
        self.handlers: dict[str, Callable[[Json], Any]] = {}
        """Ops a test answers itself; a handler may raise RefusalError."""
        self.findings: list[Json] = []
        self.lock = threading.RLock()
        self._held: dict[str, list[tuple[_Connection, Any, Json]]] = {}
        self._stalled = False
        self._selector = selectors.DefaultSelector()
        self._connections: set[_Connection] = set()
        self._listener: socket.socket | None = None
        self._wake_r, self._wake_w = os.pipe()
        os.set_blocking(self._wake_r, False)
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="fake-node", daemon=True)

    def __enter__(self) -> "FakeNode":
        self._listen()
        self._selector.register(self._wake_r, selectors.EVENT_READ, "wake")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing = True
        self._wake()
        self._thread.join(timeout=10)
        with self.lock:
            self._drop_all()
        self._selector.close()
        os.close(self._wake_r)
        os.close(self._wake_w)

    # What a test does to it

    @contextlib.contextmanager
    def changing(self) -> Iterator["FakeNode"]:
        """Edit the state; watchers are hinted afterwards."""
        with self.lock:
            yield self
            self._changed()

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

    def hold_answers(self, op: str) -> None:
        """Carry out `op` when asked, but do not answer before `release_answers`."""
        with self.lock:
            self._held.setdefault(op, [])

    def release_answers(self, op: str) -> None:
        with self.lock:
            for connection, request_id, answer in self._held.pop(op, []):
                connection.send({"id": request_id, **answer})

    def forget_answers(self, op: str) -> None:
        """Answer `op` again; what was held back is lost."""
        with self.lock:
            self._held.pop(op, None)

    def stall(self) -> None:
        """Accept and read, answer nothing."""
        self._stalled = True

    def resume(self) -> None:
        self._stalled = False
        self._wake()

    def replace(self, *, away: bool = False) -> None:
        """Die and come back as another process; with `away` stay dead until `return_`."""
        with self.lock:
            self._drop_all()
            self.pid += 1
            if not away:
                self._listen()
        self._wake()

    def return_(self) -> None:
        with self.lock:
            self._listen()
        self._wake()

    def asked(self, op: str) -> list[Json]:
        """The arguments of every request for `op` so far."""
        with self.lock:
            return [args for name, args in self.requests if name == op]

    # The protocol

    def _listen(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.path))
        self._listener.listen(64)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, "accept")

    def _drop_all(self) -> None:
        for connection in list(self._connections):
            self._close(connection)
        if self._listener is not None:
            self._selector.unregister(self._listener)
            self._listener.close()
            self.path.unlink(missing_ok=True)
            self._listener = None

    def _close(self, connection: "_Connection") -> None:
        self._connections.discard(connection)
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection.sock)
        connection.sock.close()

    def _wake(self) -> None:
        os.write(self._wake_w, b"x")

    def _serve(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select(timeout=5):
                with self.lock:
                    self._ready(key.data)
            if not self._stalled:
                with self.lock:
                    for connection in list(self._connections):
                        self._answer_all(connection)

    def _ready(self, what: Any) -> None:
        if what == "wake":
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_r, 4096)
        elif what == "accept":
            if self._listener is not None:
                with contextlib.suppress(BlockingIOError):
                    sock, _ = self._listener.accept()
                    connection = _Connection(sock)
                    self._connections.add(connection)
                    self._selector.register(sock, selectors.EVENT_READ, connection)
        elif isinstance(what, _Connection) and what in self._connections and not what.receive():
            self._close(what)

    def _answer_all(self, connection: "_Connection") -> None:
        if not connection.greeted:
            connection.greeted = True
            connection.send(
                {"overstory": "control", "v": 1, "min": 1, "node_id": self.node_id, "pid": self.pid}
            )
        for line in connection.lines():
            self._answer(connection, line)

    def _answer(self, connection: "_Connection", line: bytes) -> None:
        try:
            request = json.loads(line)
            op, args = str(request["op"]), dict(request.get("args") or {})
        except (ValueError, KeyError, TypeError) as error:
            refusal = {"code": "bad_request", "message": f"not a request: {error}"}
            connection.send({"id": None, "ok": False, "error": refusal})
            return
        self.requests.append((op, args))
        if op == "watch":
            connection.watches.append(request["id"])
            connection.send({"id": request["id"], "event": {"seq": self.seq}})
            return
        answer: Json
        try:
            handler = self.handlers.get(op) or getattr(self, f"op_{op}", None)
            if handler is None:
                raise RefusalError("bad_request", f"unknown operation {op!r}", "/op")
            answer = {"ok": True, "result": handler(args)}
        except RefusalError as refused:
            answer = {"ok": False, "error": refused.body}
        except KeyError as missing:
            name = missing.args[0]
            answer = {
                "ok": False,
                "error": {"code": "bad_request", "message": f"{name} is missing", "pointer": f"/{name}"},
            }
        if op in self._held:
            self._held[op].append((connection, request["id"], answer))
        else:
            connection.send({"id": request["id"], **answer})

    def _changed(self) -> None:
        self.seq += 1
        for connection in self._connections:
            for watch in connection.watches:
                if not self._stalled:
                    connection.send({"id": watch, "event": {"seq": self.seq}})

    # The ops

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
        self._changed()
        return {"tree": name, "revision": revision, "steps": plan["steps"]}

    def op_delete(self, args: Json) -> Json:
        before = len(self.trees)
        self.trees = [body for body in self.trees if body["name"] != args["tree"]]
        if len(self.trees) == before:
            raise RefusalError("not_found", f"no such tree: {args['tree']}")
        self._changed()
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
        self._changed()
        return {"key": key}

    def op_delete_child(self, args: Json) -> Json:
        body = self.find(args["key"])
        if body["state"] != "stopped":
            raise RefusalError("conflict", f"{args['key']} runs: stop it first")
        for above in self.rows():
            above["children"] = [row for row in above.get("children", []) if row is not body]
        self._changed()
        return {"key": args["key"]}

    def op_strays(self, _args: Json) -> Json:
        return {"strays": copy.deepcopy(self.strays)}

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
        self._changed()
        body = self.find(key)
        return {"key": key, "state": body["state"], "incarnation": body["incarnation"]}


class _Connection:
    """One client of the fake."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.greeted = False
        self.watches: list[Any] = []
        self._buffer = b""

    def receive(self) -> bool:
        try:
            data = self.sock.recv(1 << 20)
        except OSError:
            return False
        self._buffer += data
        return bool(data)

    def lines(self) -> list[bytes]:
        *lines, self._buffer = self._buffer.split(b"\n")
        return lines

    def send(self, body: Json) -> None:
        with contextlib.suppress(OSError):
            self.sock.sendall(json.dumps(body).encode() + b"\n")


def _wanted(spec: Json) -> tuple[str, dict[str, list[str]]]:
    """Name of a document's tree, and the command of each child right below its root; enough of a tree for the fake."""
    name = spec["tree"]
    children = spec["supervisor"].get("children", [])
    return name, {f"{name}/{body['id']}": list(body["process"]["command"]) for body in children}
