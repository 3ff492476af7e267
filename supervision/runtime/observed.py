"""Typed view of what the node answers to `tree`: what is, as opposed to the tree document, which is what should be.

Lenient on purpose: fields of a newer node are ignored and fields an older one does not send take their empty value, so that
a command line and a node of different releases understand each other. Times are Unix seconds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

STATES = (
    "waiting",
    "starting",
    "running",
    "backoff",
    "stopping",
    "stopped",
    "completed",
    "failed",
    "held",
    "lost",
)
"""The ten states of a child, in the order of the glossary."""

TROUBLE = frozenset({"failed", "backoff", "lost"})
"""States an operator wants to hear of."""


@dataclass(frozen=True, slots=True)
class LastExit:
    """How the latest life that ended ended."""

    reason: str
    at: float
    incarnation: int

    @classmethod
    def from_json(cls, body: object) -> "LastExit | None":
        if not isinstance(body, Mapping):
            return None
        return cls(term_words(body.get("reason")), _number(body, "at"), int(_number(body, "incarnation")))


@dataclass(frozen=True, slots=True)
class Child:
    """One supervised process (or what else a kind of child is)."""

    key: str
    id: str
    kind: str
    state: str
    incarnation: int
    pid: int | None
    since: float
    restarts: int
    restart: str
    last_exit: LastExit | None
    held: bool
    held_until: float | None
    wanted: str
    waiting_for: tuple[str, ...]
    backoff_until: float | None
    status: str
    command: tuple[str, ...]
    ready: bool
    stage: str
    """`pre_start`, `main` or `post_stop`; empty while nothing of it runs."""
    descendants_ending: tuple[int, ...]
    """Pids of an ended life that must be gone before the next begins."""
    own_children: tuple[str, ...]
    """Names of the processes that an agent started itself."""
    blocked: str
    """What keeps its events from being recorded, such as a full disk."""
    dynamic: bool

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "Child":
        pid = body.get("pid")
        return cls(
            key=_text(body, "key"),
            id=_text(body, "id") or _text(body, "key").rpartition("/")[2],
            kind=_text(body, "kind") or "process",
            state=_text(body, "state"),
            incarnation=int(_number(body, "incarnation")),
            pid=pid if isinstance(pid, int) else None,
            since=_number(body, "since"),
            restarts=int(_number(body, "restarts")),
            restart=_text(body, "restart") or "permanent",
            last_exit=LastExit.from_json(body.get("last_exit")),
            held=_held(body),
            held_until=_optional(body, "held_until"),
            wanted=_text(body, "wanted") or "up",
            waiting_for=_texts(body, "waiting_for"),
            backoff_until=_optional(body, "backoff_until"),
            status=_text(body, "status"),
            command=_texts(body, "command"),
            ready=body.get("ready") is True,
            stage=_text(body, "stage"),
            descendants_ending=tuple(
                pid for pid in _list(body, "descendants_ending") if isinstance(pid, int)
            ),
            own_children=tuple(
                str(own["name"])
                for own in _list(body, "own_children")
                if isinstance(own, dict) and "name" in own
            ),
            blocked=_text(body, "blocked"),
            dynamic=body.get("dynamic") is True,
        )


@dataclass(frozen=True, slots=True)
class Supervisor:
    """One supervisor with what it supervises, in start order."""

    key: str
    id: str
    state: str
    incarnation: int
    strategy: str
    intensity: int
    period: float
    window_used: int
    restarts: int
    stop: str
    since: float
    restart: str
    wanted: str
    waiting_for: tuple[str, ...]
    last_exit: LastExit | None
    held: bool
    held_until: float | None
    backoff_until: float | None
    children: "tuple[Supervisor | Child, ...]"

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "Supervisor":
        return cls(
            key=_text(body, "key"),
            id=_text(body, "id") or _text(body, "key").rpartition("/")[2],
            state=_text(body, "state"),
            incarnation=int(_number(body, "incarnation")),
            strategy=_text(body, "strategy"),
            intensity=int(_number(body, "intensity")),
            period=_number(body, "period"),
            window_used=int(_number(body, "window_used")),
            restarts=int(_number(body, "restarts")),
            stop=_text(body, "stop") or "ordered",
            since=_number(body, "since"),
            restart=_text(body, "restart") or "permanent",
            wanted=_text(body, "wanted") or "up",
            waiting_for=_texts(body, "waiting_for"),
            last_exit=LastExit.from_json(body.get("last_exit")),
            held=_held(body),
            held_until=_optional(body, "held_until"),
            backoff_until=_optional(body, "backoff_until"),
            children=tuple(_member(child) for child in _list(body, "children") if isinstance(child, Mapping)),
        )

    def walk(self) -> "Iterator[Supervisor | Child]":
        """Itself and everything below it, parents first, in start order. Recursion free: trees may be deep."""
        stack: list[Supervisor | Child] = [self]
        while stack:
            member = stack.pop()
            yield member
            if isinstance(member, Supervisor):
                stack.extend(reversed(member.children))

    def processes(self) -> Iterator[Child]:
        """Every child below it that is no supervisor."""
        return (member for member in self.walk() if isinstance(member, Child))


Member = Supervisor | Child


@dataclass(frozen=True, slots=True)
class Tree:
    """One applied tree: a revision, and how it stands."""

    name: str
    revision: int
    digest: str
    message: str
    applied_at: float
    root: Supervisor
    ended: str | None
    """The reason with which the root ended, while it is down."""

    @property
    def state(self) -> str:
        return self.root.state

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "Tree":
        root = body.get("root")
        return cls(
            name=_text(body, "name"),
            revision=int(_number(body, "revision")),
            digest=_text(body, "digest"),
            message=_text(body, "message"),
            applied_at=_number(body, "applied_at"),
            root=Supervisor.from_json(root if isinstance(root, Mapping) else {"key": _text(body, "name")}),
            ended=None if body.get("ended") is None else term_words(body["ended"]),
        )


@dataclass(frozen=True, slots=True)
class Helper:
    """One of the node's own crash-only children."""

    name: str
    pid: int | None
    starts: int


@dataclass(frozen=True, slots=True)
class Template:
    """What agents are forked from. `why_exec`: why they are exec'd instead; empty while they are forked."""

    modules: tuple[str, ...]
    pid: int | None
    state: str
    children: int
    spares: int
    spares_wanted: int
    why_exec: str

    @classmethod
    def from_view(cls, view: Mapping[str, Any]) -> "Template":
        return cls(
            modules=tuple(str(module) for module in _list(view, "modules")),
            pid=view.get("pid") if isinstance(view.get("pid"), int) else None,
            state=_text(view, "state"),
            children=int(_number(view, "children")),
            spares=int(_number(view, "spares")),
            spares_wanted=int(_number(view, "spares_wanted")),
            why_exec=_text(view, "why_exec"),
        )

    @property
    def name(self) -> str:
        """The module that comes last is the agent's own."""
        return self.modules[-1] if self.modules else "?"


@dataclass(frozen=True, slots=True)
class Node:
    """The node that answered."""

    node_id: str
    pid: int
    guardian_pid: int | None
    version: str
    started: float
    journal_seq: int
    journal_short: bool
    stopping: bool
    strays: int
    helpers: tuple[Helper, ...]
    templates: tuple[Template, ...] = ()
    state: str = ""
    """The fleet's view of it, where a control plane answered: up, suspect, down or drained."""
    age_s: float | None = None
    """How old the control plane's knowledge of it is."""

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> "Node":
        guardian = body.get("guardian_pid")
        return cls(
            node_id=_text(body, "node_id"),
            pid=int(_number(body, "pid")),
            guardian_pid=guardian if isinstance(guardian, int) else None,
            version=_text(body, "version"),
            started=_number(body, "started"),
            journal_seq=int(_number(body, "journal_seq")),
            journal_short=body.get("journal_short") is True,
            stopping=body.get("stopping") is True,
            strays=int(_number(body, "strays")),
            helpers=tuple(
                Helper(
                    _text(helper, "name"),
                    helper.get("pid") if isinstance(helper.get("pid"), int) else None,
                    int(_number(helper, "starts")),
                )
                for helper in _list(body, "helpers")
                if isinstance(helper, Mapping)
            ),
            templates=tuple(
                Template.from_view(template)
                for template in _list(body, "templates")
                if isinstance(template, Mapping)
            ),
            state=_text(body, "state"),
            age_s=_optional(body, "age_s"),
        )


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything one `tree` answer says."""

    node: Node
    trees: tuple[Tree, ...]

    @classmethod
    def from_json(cls, body: object) -> "Observed":
        if not isinstance(body, Mapping):
            body = {}
        node = body.get("node")
        return cls(
            Node.from_json(node if isinstance(node, Mapping) else {}),
            tuple(Tree.from_json(tree) for tree in _list(body, "trees") if isinstance(tree, Mapping)),
        )

    def walk(self) -> Iterator[Member]:
        """Every supervisor and child, trees in order, parents first."""
        for tree in self.trees:
            yield from tree.root.walk()

    def processes(self) -> Iterator[Child]:
        return (member for member in self.walk() if isinstance(member, Child))

    def find(self, key: str) -> Member | None:
        """The supervisor or child with this key."""
        return next((member for member in self.walk() if member.key == key), None)

    def parent(self, key: str) -> Supervisor | None:
        """The supervisor that has `key` among its children; None for a root."""
        for member in self.walk():
            if isinstance(member, Supervisor) and any(child.key == key for child in member.children):
                return member
        return None

    def tree(self, name: str) -> Tree | None:
        return next((tree for tree in self.trees if tree.name == name), None)


def term_words(term: object) -> str:
    """A reason as text. OTP's own terms are lists: `["shutdown", x]` reads `shutdown: x`."""
    if isinstance(term, str):
        return term
    if isinstance(term, list):
        return ": ".join(term_words(part) for part in term)
    return "" if term is None else str(term)


def _member(body: Mapping[str, Any]) -> Member:
    if body.get("kind") == "supervisor" or "children" in body:
        return Supervisor.from_json(body)
    return Child.from_json(body)


def _held(body: Mapping[str, Any]) -> bool:
    """A hold may stand while the child still runs, and may have no expiry."""
    return (
        body.get("held") is True or body.get("state") == "held" or _optional(body, "held_until") is not None
    )


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def _texts(body: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return tuple(str(item) for item in _list(body, name))


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    value = body.get(name)
    return value if isinstance(value, list) else []


def _number(body: Mapping[str, Any], name: str) -> float:
    value = body.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0


def _optional(body: Mapping[str, Any], name: str) -> float | None:
    value = body.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
