"""Scenario files: what is told to a kernel, and what it does about it, as plain text.

    tree shop one_for_one intensity=3 period=5
      db readiness
      api depends_on=db backoff=1
    ----
    exit shop/db signal(9)
    ----
    report child_terminated shop db signal(9)
    ...

A block is a command (the first line, with indented lines that belong to it), `----`, and what followed, up to an empty
line. Lines beginning with # are for the reader. `REWRITE_SCENARIOS=1 pytest` writes what follows into the files; the
diff is then read like any other.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from supervision.kernel import Kernel, SpecError, actions, summary
from supervision.kernel.events import (
    Apply,
    Call,
    CountChildren,
    DeleteChild,
    EscalateKey,
    HoldKey,
    RecycleKey,
    ReleaseKey,
    Request,
    RestartChild,
    RestartKey,
    StartChild,
    StartKey,
    StopKey,
    TerminateChild,
    WhichChildren,
)
from supervision.kernel.spec import SupervisorSpec
from tests.supervision.kernel.fleet import STUBBORN, Fleet
from tests.supervision.kernel.trees import child_from_words, supervisor_from_lines

RULE = "----"


@dataclass
class Block:
    comments: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)

    def text(self) -> str:
        return "\n".join([*self.comments, *self.command, RULE, *self.expected]) + "\n"


def read(text: str) -> list[Block]:
    blocks = []
    for part in text.strip().split("\n\n"):
        block = Block()
        lines = part.splitlines()
        while lines and lines[0].startswith("#"):
            block.comments.append(lines.pop(0))
        if RULE not in lines:
            raise ValueError(f"no {RULE} below {part!r}")
        at = lines.index(RULE)
        block.command, block.expected = lines[:at], lines[at + 1 :]
        blocks.append(block)
    return blocks


def write(blocks: list[Block]) -> str:
    return "\n".join(block.text() for block in blocks)


class Scenario:
    """Runs commands one after the other."""

    def __init__(self) -> None:
        self.fleet = Fleet.of(SupervisorSpec(intensity=0, period=1), begin=False)

    def run(self, block: Block) -> list[str]:
        """What follows from the block's command, as lines."""
        words = block.command[0].split()
        name, arguments = words[0], words[1:]
        try:
            result = getattr(self, f"do_{name}")(
                *arguments, **({"below": block.command} if name in _WITH_LINES else {})
            )
        except SpecError as error:
            return [f"error {error}"]
        if result and isinstance(result[0], str):
            return [str(line) for line in result]
        shown = [line for action in result for line in _shown(action)]
        deadline = self.fleet.deadline
        return shown + ([f"next deadline {deadline:g}"] if deadline is not None else [])

    # --- the tree ------------------------------------------------------------------------------------------------------

    def do_tree(self, name: str, *_: str, below: list[str]) -> list[Any]:
        self.fleet = Fleet(Kernel(name, supervisor_from_lines(below)))
        return self.fleet.begin()

    def do_apply(self, *_: str, below: list[str]) -> list[Any]:
        return self._call(Apply(supervisor_from_lines(below)))

    def do_plan(self, *_: str, below: list[str]) -> list[Any]:
        steps = summary(self.fleet.kernel.plan(supervisor_from_lines(below)))
        return [f"{step.do} {step.key} {step.why}".rstrip() for step in steps]

    def do_show(self) -> list[Any]:
        return repr(self.fleet.kernel).strip("<>").splitlines()[1:]

    # --- what happens --------------------------------------------------------------------------------------------------

    def do_exit(self, key: str, reason: str = "signal(9)") -> list[Any]:
        return self.fleet.exit(key, reason)

    def do_ready(self, key: str) -> list[Any]:
        return self.fleet.ready(key)

    def do_advance(self, seconds: str) -> list[Any]:
        return self.fleet.advance(float(seconds)) or ["nothing happens"]

    def do_next_start(self, key: str, *results: str) -> list[Any]:
        self.fleet.on_start[key] = [*results]
        return ["ok"]

    def do_ignores_signals(self, key: str) -> list[Any]:
        self.fleet.on_signal[key] = STUBBORN
        return ["ok"]

    def do_stop_tree(self) -> list[Any]:
        return self.fleet.stop()

    def do_begin(self) -> list[Any]:
        return self.fleet.begin()

    def do_reload(self) -> list[Any]:
        before = self.fleet.kernel
        self.fleet.reload()
        return ["the same" if self.fleet.kernel == before else "different"]

    # --- requests --------------------------------------------------------------------------------------------------------

    def _call(self, request: Request) -> list[Any]:
        return self.fleet.tell(Call("1", request))

    def do_stop(self, key: str) -> list[Any]:
        return self._call(StopKey(key))

    def do_start(self, key: str) -> list[Any]:
        return self._call(StartKey(key))

    def do_restart(self, key: str) -> list[Any]:
        return self._call(RestartKey(key))

    def do_recycle(self, key: str, *words: str) -> list[Any]:
        """Words: `stand_in`, `incarnation=N`, and why."""
        incarnation = next((int(word[12:]) for word in words if word.startswith("incarnation=")), None)
        why = " ".join(word for word in words if word != "stand_in" and "=" not in word)
        return self._call(RecycleKey(key, why, incarnation, "stand_in" in words))

    def do_escalate(self, key: str, *words: str) -> list[Any]:
        """Words: `incarnation=N` (1 without), and why."""
        incarnation = next((int(word[12:]) for word in words if word.startswith("incarnation=")), 1)
        return self._call(EscalateKey(key, incarnation, " ".join(word for word in words if "=" not in word)))

    def do_hold(self, key: str, seconds: str = "") -> list[Any]:
        return self._call(HoldKey(key, self.fleet.now + float(seconds) if seconds else None))

    def do_release(self, key: str) -> list[Any]:
        return self._call(ReleaseKey(key))

    def do_start_child(self, supervisor: str, *words: str) -> list[Any]:
        view = self.fleet.kernel.child(supervisor)
        if view is not None and view.spec.supervisor is not None and view.spec.supervisor.is_simple:
            return self._call(StartChild(supervisor, instance=words[0]))
        return self._call(StartChild(supervisor, child_from_words([*words])))

    def do_terminate_child(self, supervisor: str, child: str) -> list[Any]:
        by_process = "/" in child
        return self._call(
            TerminateChild(supervisor, None if by_process else child, child if by_process else None)
        )

    def do_restart_child(self, supervisor: str, child: str) -> list[Any]:
        return self._call(RestartChild(supervisor, child))

    def do_delete_child(self, supervisor: str, child: str) -> list[Any]:
        return self._call(DeleteChild(supervisor, child))

    def do_which_children(self, supervisor: str) -> list[Any]:
        return self._call(WhichChildren(supervisor))

    def do_count_children(self, supervisor: str) -> list[Any]:
        return self._call(CountChildren(supervisor))


_WITH_LINES = ("tree", "apply", "plan")


def _shown(action: actions.Action) -> list[str]:
    match action:
        case actions.Start(key, incarnation):
            return [f"start {key}#{incarnation}"]
        case actions.Signal(key, incarnation):
            return [f"signal {key}#{incarnation}"]
        case actions.Kill(key, incarnation, cause):
            return [f"kill {key}#{incarnation} {cause}"]
        case actions.Reply(_, value):
            return [f"reply {json.dumps(value)}"]
        case actions.Report(kind, supervisor, child, reason, detail):
            facts = " ".join(f"{name}={json.dumps(value)}" for name, value in detail.items())
            because = (
                "" if reason is None else f": {reason if isinstance(reason, str) else json.dumps(reason)}"
            )
            return [f"report {kind} {supervisor} {'' if child is None else child}{because}  {facts}".rstrip()]
        case actions.State(key, old, new, incarnation, reason):
            because = (
                "" if reason is None else f" ({reason if isinstance(reason, str) else json.dumps(reason)})"
            )
            return [f"state {key}#{incarnation} {old} -> {new}{because}"]
        case actions.Exit(reason):
            return [f"tree exit {reason}"]
