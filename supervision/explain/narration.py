"""One line for one journal record: what `events` prints, and pages show as a timeline."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from supervision.explain.chain import Who
from supervision.explain.reasons import is_failure
from supervision.explain.records import Decision, JournalRecord, Step
from supervision.explain.words import count, duration, listing


@dataclass(frozen=True, slots=True)
class Line:
    """`subject`: a key, a tree or `node`; `severity`: info, good, warning or trouble."""

    subject: str
    text: str
    severity: str = "info"


ROUTINE = frozenset({"snapshot", "process"})
"""Kinds that tell an operator nothing: bookkeeping of the journal itself."""


def narrate(record: JournalRecord, *, who: Who) -> Line:
    """What the record says, in words. A kind of a newer release is named with its fields."""
    row = _ROWS.get(str(record.get("k")))
    if row is not None:
        return row(record, who)
    fields = ", ".join(
        f"{name}={value}" for name, value in record.items() if name not in ("v", "seq", "t", "b", "k")
    )
    return Line("?", f"{record.get('k')}: {fields}")


# -- steps ------------------------------------------------------------------------------------------------------------


def _step(record: JournalRecord, _who: Who) -> Line:
    step = Step.of(record)
    if step is None:
        return Line(str(record.get("tree", "?")), "a step this release cannot read", "warning")
    row = _EVENTS.get(step.tag)
    text, severity = row(step) if row is not None else (step.tag, "info")
    subject = step.key
    started = list(step.acts("start"))
    if step.tag == "tick" and len(started) == 1:
        subject = started[0]
    consequences = [
        words if decision.key == subject or decision.kind in _NAMED else f"{decision.key}: {words}"
        for decision in step.decisions()
        if (words := _decision(decision))
    ]
    if any(decision.kind == "shutdown" for decision in step.decisions()):
        severity = "trouble"
    return Line(subject, "; ".join([text, *consequences]), severity)


_NAMED = frozenset({"shutdown", "escalated", "auto_shutdown", "retry", "stay_down"})
"""Decisions whose words name the supervisor themselves."""


def _started(step: Step) -> tuple[str, str]:
    pid = f", pid {step.pid}" if step.pid is not None else ""
    ready = any(change.key == step.key and change.new == "running" for change in step.changes())
    return f"{'running' if ready else 'started'}{pid}, incarnation {step.incarnation}", "good"


def _exited(step: Step) -> tuple[str, str]:
    return f"ended: {step.reason}", "warning" if is_failure(step.reason) else "info"


def _start_failed(step: Step) -> tuple[str, str]:
    why = (
        step.reason.removeprefix("start_failed(").removesuffix(")")
        if step.reason.startswith("start_failed(")
        else step.reason
    )
    return f"could not start: {why}", "trouble"


def _tick(step: Step) -> tuple[str, str]:
    killed = list(step.acts("kill"))
    if killed:
        return f"killed after its shutdown time: {listing(killed)}", "warning"
    started = list(step.acts("start"))
    if started:
        return "its time has come" if len(
            started
        ) == 1 else f"their time has come: {listing(started)}", "info"
    return "time passed", "info"


def _call(step: Step) -> tuple[str, str]:
    request = step.request
    op = str(request[0]) if request else "?"
    if op == "apply":
        return "takes the new revision", "info"
    if op == "hold":
        until = request[2] if len(request) > 2 else None
        return "held" + (
            f" for {duration(float(until) - step.boot)}" if isinstance(until, int | float) else ""
        ), "info"
    if op == "start_child":
        return f"asked to add child {request[3]}" if len(request) > 3 and request[
            3
        ] else "asked to add a child", "info"
    words = {
        "start": "asked to start",
        "stop": "asked to stop",
        "restart": "asked to restart",
        "recycle": "asked to give it a fresh life",
        "escalate": "is not healthy",
        "release": "released",
    }
    return words.get(op, f"asked: {op}"), "info"


_EVENTS: dict[str, Callable[[Step], tuple[str, str]]] = {
    "begin": lambda step: (f"tree {step.tree} begins", "info"),
    "stop_root": lambda step: (f"tree {step.tree} is to stop", "info"),
    "started": _started,
    "start_failed": _start_failed,
    "declined": lambda _step: ("declined to run", "info"),
    "exited": _exited,
    "ready": lambda _step: ("ready", "good"),
    "tick": _tick,
    "call": _call,
}


def _decision(decision: Decision) -> str:
    """What a supervisor made of it. What OTP reports beside its decision (child_terminated) is the event again."""
    if decision.kind == "restart":
        used, allowed, period = (decision.detail.get(name) for name in ("restarts", "intensity", "period"))
        words = (
            f"restart {used} of {allowed} in {duration(float(period))}"
            if isinstance(period, int | float)
            else "restart"
        )
        along = [key.rpartition("/")[2] for key in decision.affected if key != decision.key]
        return words + (f" with {listing(along)}" if along else "")
    if decision.kind == "backoff":
        delay = decision.detail.get("delay")
        return f"next try in {duration(float(delay))}" if isinstance(delay, int | float) else "backoff"
    if decision.kind == "waiting":
        missing = decision.detail.get("for")
        return f"waits for {listing([str(key) for key in missing])}" if isinstance(missing, list) else "waits"
    if decision.kind == "held":
        return "its restart is suspended"
    if decision.kind == "shutdown":
        return f"{decision.supervisor} gives up"
    if decision.kind == "escalated":
        return f"{decision.supervisor} fails: {decision.key.rpartition('/')[2]} is not healthy"
    if decision.kind == "auto_shutdown":
        return f"{decision.supervisor} shuts itself down"
    if decision.kind == "retry":
        delay = decision.detail.get("delay")
        return (
            f"the tree starts again in {duration(float(delay))}"
            if isinstance(delay, int | float)
            else "retry"
        )
    if decision.kind in ("recycle", "recycled", "recycle_failed"):
        return _recycling(decision)
    if decision.kind == "stay_down":
        return "the tree stays down"
    if decision.kind == "shutdown_error":
        return f"did not stop as asked: {decision.reason}"
    return ""


def _recycling(decision: Decision) -> str:
    why = f" ({decision.reason})" if decision.reason else ""
    if decision.kind == "recycle":
        stand_in = decision.detail.get("stand_in")
        return f"is recycled{why}" + (f"; {stand_in} stands in for it" if stand_in else "")
    if decision.kind == "recycled":
        return f"recycled{why}"
    return f"is not recycled: {decision.reason}"


# -- the other kinds --------------------------------------------------------------------------------------------------


def _command(record: JournalRecord, who: Who) -> Line:
    if record.get("what") is not None:
        return _command_ended(record)
    args = record.get("args")
    args = args if isinstance(args, Mapping) else {}
    subject = next((str(args[name]) for name in ("key", "tree", "supervisor") if name in args), "node")
    rest = ", ".join(f"{name} {value}" for name, value in args.items() if value not in (subject, None, ""))
    op = str(record.get("op", "?"))
    return Line(
        subject,
        f"{record.get('by') or who(int(record.get('uid', -1)))} asks: {op}" + (f" ({rest})" if rest else ""),
    )


def _command_ended(record: JournalRecord) -> Line:
    """How a command went that was asked for from elsewhere, or why one was not carried out."""
    error = record.get("error")
    if isinstance(error, Mapping):
        return Line("node", f"command refused: {error.get('message', '?')}", "warning")
    return Line("node", f"command {str(record.get('id', '?'))[:8]} carried out")


def _exit(record: JournalRecord, _who: Who) -> Line:
    stderr = record.get("stderr")
    last = (
        next((str(line) for line in reversed(stderr) if str(line).strip()), "")
        if isinstance(stderr, list)
        else ""
    )
    said = f"last words: {last}" if last else "wrote nothing to stderr"
    cause = f"{record['cause']}; " if record.get("cause") else ""
    return Line(str(record.get("key", "?")), f"incarnation {record.get('incarnation')} {cause}{said}")


def _template(record: JournalRecord) -> Line:
    """The modules' last is the agents' own."""
    modules = record.get("modules")
    name = str(modules[-1]) if isinstance(modules, list) and modules else "?"
    why = str(record.get("why") or "")
    words = f"template of {name} {record.get('state', '?')}"
    return Line("node", f"{words}: {why}" if why else words, "warning" if why else "info")


def _node(record: JournalRecord, _who: Who) -> Line:
    if record.get("what") == "template":
        return _template(record)
    what = str(record.get("what", "?")).replace("_", " ")
    known = ("role", "pid", "guardian_pid", "adopted", "lost", "policy", "version")
    facts = ", ".join(
        f"{name.replace('_', ' ')} {record[name]}" for name in known if record.get(name) not in (None, "", 0)
    )
    return Line(
        "node",
        what + (f" ({facts})" if facts else ""),
        "warning" if record.get("what") == "guardian_died" else "info",
    )


def _process(record: JournalRecord, _who: Who) -> Line:
    own = record.get("own")
    if isinstance(own, Mapping):
        who = f"{own.get('name')} (pid {own.get('pid')})"
        words = {
            "started": f"started its child {who}, {own.get('policy')} when it dies",
            "kept": f"left its child {who}, which lives on",
            "adopted": f"got back its child {who}",
            "ended": f"its child {who} ended",
        }
        return Line(str(record.get("key", "node")), words.get(str(record.get("what")), f"its child {who}"))
    config = record.get("config")
    if isinstance(config, Mapping):
        which = "" if config.get("revision") is None else f" revision {config.get('revision')} of"
        if config.get("problem"):
            return Line(
                str(record.get("key", "node")),
                f"could not take{which} its config: {config.get('problem')}",
                "trouble",
            )
        return Line(str(record.get("key", "node")), f"took{which} its config")
    identities = record.get("identities")
    if isinstance(identities, list):
        return Line("node", f"learnt the start time of {count(len(identities), 'process', 'processes')}")
    return Line(str(record.get("key", "node")), f"{record.get('role', 'process')}, pid {record.get('pid')}")


def _stray(record: JournalRecord, _who: Who) -> Line:
    command = record.get("command")
    words = " ".join(map(str, command)) if isinstance(command, list) else str(command or "")
    return Line("node", f"stray {record.get('what')}: pid {record.get('pid')} {words}".rstrip(), "warning")


def _tree(record: JournalRecord, _who: Who) -> Line:
    name = str(record.get("tree", "?"))
    if record.get("what") == "applied":
        message = f': "{record["message"]}"' if record.get("message") else ""
        return Line(name, f"revision {record.get('revision')} applied{message}")
    if record.get("what") == "numbered":
        return Line(name, f"is revision {record.get('revision')} of the control plane")
    if record.get("what") == "fenced":
        return Line(name, f"fenced, every process killed: {record.get('why', '?')}", "trouble")
    return Line(name, str(record.get("what", "?")))


def _snapshot(record: JournalRecord, _who: Who) -> Line:
    trees = record.get("trees")
    return Line("node", f"snapshot of {count(len(trees) if isinstance(trees, Mapping) else 0, 'tree')}")


def _dropped(record: JournalRecord, _who: Who) -> Line:
    return Line(
        "node", f"{count(int(record.get('count', 0)), 'record')} dropped to stay in bounds", "trouble"
    )


def _damage(record: JournalRecord, _who: Who) -> Line:
    last = record.get("last") or "the end"
    return Line(
        "node", f"records {record.get('first')} to {last} cannot be read: {record.get('what')}", "trouble"
    )


_ROWS: dict[str, Callable[[JournalRecord, Who], Line]] = {
    "step": _step,
    "command": _command,
    "exit": _exit,
    "node": _node,
    "process": _process,
    "stray": _stray,
    "tree": _tree,
    "snapshot": _snapshot,
    "dropped": _dropped,
    "damage": _damage,
}
KINDS = tuple(_ROWS)
