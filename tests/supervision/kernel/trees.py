"""Trees for tests: from indented lines, and short makers."""

from typing import Any

from supervision.kernel.backoff import Backoff
from supervision.kernel.spec import (
    AutoShutdown,
    ChildSpec,
    ChildType,
    FailureAction,
    OnFailure,
    Restart,
    Shutdown,
    StopOrder,
    Strategy,
    SupervisorSpec,
)

_RESTARTS = {restart.value: restart for restart in Restart}


def worker(name: str, **fields: Any) -> ChildSpec:
    """Any: the fields of ChildSpec."""
    return ChildSpec(name, **fields)


def supervisor(*children: ChildSpec, **fields: Any) -> SupervisorSpec:
    """3 restarts in 5 seconds, unless said otherwise. Any: the fields of SupervisorSpec."""
    return SupervisorSpec(**{"intensity": 3, "period": 5, "children": children, **fields})


def inner(name: str, *children: ChildSpec, restart: Restart = Restart.PERMANENT, **fields: Any) -> ChildSpec:
    """A supervisor as a child. Any: the fields of SupervisorSpec."""
    return ChildSpec(
        name, restart=restart, type=ChildType.SUPERVISOR, supervisor=supervisor(*children, **fields)
    )


def supervisor_from_lines(lines: list[str]) -> SupervisorSpec:
    """`tree NAME WORDS...`, and a child on each line below, indented by its depth; see `child_from_words`."""
    children, rest = _children(lines[1:], 1)
    assert not rest, f"cannot read {rest[0]!r}"
    return _supervisor(lines[0].split()[1:], children)


def _children(lines: list[str], depth: int) -> tuple[list[ChildSpec], list[str]]:
    children = []
    while lines and _depth(lines[0]) == depth:
        words = lines[0].split()
        below, lines = _children(lines[1:], depth + 1)
        children.append(child_from_words(words, below))
    return children, lines


def _depth(line: str) -> int:
    return (len(line) - len(line.lstrip())) // 2


def child_from_words(words: list[str], below: list[ChildSpec] | None = None) -> ChildSpec:
    """`ID permanent|transient|temporary shutdown=2 depends_on=a,b backoff=1 success=3 readiness significant body=x`.

    A supervisor says its strategy, or has children below.
    """
    fields: dict[str, Any] = {}
    supervisor_words = []
    for word in words[1:]:
        name, _, value = word.partition("=")
        match name:
            case "permanent" | "transient" | "temporary":
                fields["restart"] = _RESTARTS[name]
            case "shutdown":
                fields["shutdown"] = Shutdown(value) if value.isalpha() or "_" in value else float(value)
            case "depends_on":
                fields["depends_on"] = tuple(value.split(","))
            case "backoff":
                fields["backoff"] = Backoff(float(value), reset_after=30)
            case "success":
                fields["success_exit_codes"] = frozenset(map(int, value.split(",")))
            case "readiness" | "significant":
                fields[name] = True
            case "body":
                fields["body"] = {"command": value}
            case _:
                supervisor_words.append(word)
    if below or supervisor_words:
        fields["type"] = ChildType.SUPERVISOR
        fields["supervisor"] = _supervisor(supervisor_words, below or [])
    return ChildSpec(words[0], **fields)


def _supervisor(words: list[str], children: list[ChildSpec]) -> SupervisorSpec:
    fields: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        match name:
            case "intensity" | "max_children":
                fields[name] = int(value)
            case "period":
                fields[name] = float(value)
            case "stop":
                fields[name] = StopOrder(value)
            case "auto_shutdown":
                fields[name] = AutoShutdown(value)
            case "on_failure":
                fields[name] = OnFailure(FailureAction(value))
            case _ if not equals and "_for_" in name:
                fields["strategy"] = Strategy(name)
    return supervisor(*children, **fields)
