"""`plan` and `apply`: what a file would change, changing it, and waiting until that is so."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from controlplane.cli.command import Invocation
from controlplane.cli.confirm import confirm
from controlplane.cli.exits import CHANGES, CliError, ExitCode
from controlplane.cli.feed import Feed
from controlplane.cli.outcome import Goal, Judgement, concerned, in_the_way, judge, progress_words
from controlplane.cli.planview import PlanStep, PoolPlan, changes, plan_lines, pools_in, steps_of, total
from controlplane.cli.problems import Trouble, show
from controlplane.cli.progress import Progress
from controlplane.cli.settling import settle
from controlplane.cli.terminal import Tone
from controlplane.cli.treefiles import findings_of, load, refused
from supervision.runtime.client import ControlError
from supervision.runtime.observed import Observed
from supervision.runtime.treedoc import TreeDocument
from supervision.trees.treefile import TreeFile


@dataclass(frozen=True, slots=True)
class Planned:
    """A valid file, and what the node says of it."""

    file: TreeFile
    tree: TreeDocument
    answer: Mapping[str, Any]
    troubles: list[Trouble]

    @property
    def steps(self) -> list[PlanStep]:
        return steps_of(self.answer.get("steps", []))

    @property
    def pools(self) -> list[PoolPlan]:
        return pools_in(self.tree.document, self.steps)

    @property
    def errors(self) -> list[Trouble]:
        return [trouble for trouble in self.troubles if trouble.severity == "error"]

    def to_json(self) -> dict[str, Any]:
        return {
            "tree": self.answer.get("tree"),
            "from_revision": self.answer.get("from_revision"),
            "digest": self.tree.digest,
            "changes": len(changes(self.steps)),
            "steps": [{"do": step.do, "key": step.key, "why": step.why} for step in self.steps],
            "pools": [{"key": pool.key, "now": pool.now, "wanted": pool.wanted} for pool in self.pools],
            "findings": [trouble.to_json() for trouble in self.troubles],
        }


def make_plan(invocation: Invocation, path: str) -> Planned:
    """Read the file, ask the node. CliError for a file that is no tree."""
    file, tree = load(path)
    try:
        answer = invocation.ask("plan", spec=tree.document)
    except ControlError as error:
        raise refused(file, error) from None
    return Planned(file, tree, answer, findings_of(file, answer.get("findings", [])))


def show_plan(planned: Planned, invocation: Invocation) -> None:
    """The steps, then what the preflight found."""
    terminal = invocation.terminal
    for line in plan_lines(planned.answer, terminal, planned.pools):
        terminal.line(line)
    if planned.troubles:
        terminal.line()
        show(planned.troubles, terminal)
    terminal.out.flush()


def plan(invocation: Invocation, path: str, *, detailed: bool) -> ExitCode | int:
    """`plan`: 0 when it could be made and nothing stands in its way; with `detailed` also 2 for "there are changes"."""
    planned = make_plan(invocation, path)
    if invocation.terminal.json:
        invocation.terminal.document(planned.to_json())
    else:
        show_plan(planned, invocation)
    if planned.errors:
        return ExitCode.FAILED
    return CHANGES if detailed and changes(planned.steps) else ExitCode.DONE


def apply(
    invocation: Invocation, path: str, *, message: str, yes: bool, wait: bool, timeout_s: float | None
) -> ExitCode:
    """`apply`: plan, ask, do, wait."""
    terminal, clock = invocation.terminal, invocation.clock
    planned = make_plan(invocation, path)
    if not terminal.json:
        show_plan(planned, invocation)
    if planned.errors:
        details = {"problems": [one.to_json() for one in planned.troubles]} if terminal.json else None
        raise CliError("the preflight found errors; nothing was applied", code="refused", details=details)
    name = str(planned.answer.get("tree"))
    before = invocation.observe()
    known = before.tree(name)
    if not changes(planned.steps) and known is not None and known.digest == planned.tree.digest:
        if terminal.json:
            terminal.document({**planned.to_json(), "revision": known.revision, "ok": True, "in_the_way": []})
        return ExitCode.DONE
    confirm(f"Apply to {name}?", terminal, yes=yes)
    deadline = None if timeout_s is None else clock.boot() + timeout_s
    with invocation.connect() as client:
        try:
            answer = client.call(
                "apply",
                timeout_s=invocation.quick_timeout_s,
                spec=planned.tree.document,
                message=message,
                from_revision=planned.answer.get("from_revision"),
            )
        except ControlError as error:
            raise refused(planned.file, error) from None
    revision = int(answer.get("revision", 0))
    steps = steps_of(answer.get("steps", []))
    if not wait:
        return _report(invocation, planned, revision, None, None)
    feed, progress = Feed(invocation), Progress(terminal, clock)
    try:
        observed, verdict = settle(
            invocation,
            feed,
            progress,
            lambda seen: _judged(seen, name, revision, steps, before),
            goal=Goal.UP,
            doing=f"revision {revision}",
            deadline=deadline,
        )
    finally:
        progress.clear()
        feed.close()
    return _report(invocation, planned, revision, observed, verdict)


def _judged(
    observed: Observed, name: str, revision: int, steps: list[PlanStep], before: Observed
) -> Judgement:
    """How far the tree is from what the revision says: everything up, what restarts in its next life, what goes gone."""
    tree = observed.tree(name)
    if tree is None and before.tree(name) is not None:
        raise CliError(f"{name} was deleted meanwhile", code="superseded")
    if tree is None or tree.revision < revision:  # a control plane has it, and the node gets it in a moment
        return Judgement(0, 0, (), (), (name,))
    if tree.revision > revision:
        raise CliError(f"revision {tree.revision} of {name} was applied meanwhile", code="superseded")
    restarted = {step.key for step in steps if step.do == "restart"}
    older = {one.key: one.incarnation for one in before.walk() if one.key in restarted}
    verdict = judge(concerned(tree.root, Goal.UP), Goal.UP, older=older)
    present = {member.key: member for member in tree.root.walk()}
    leaving = [present[step.key] for step in steps if step.do == "stop" and step.key in present]
    missing = tuple(step.key for step in steps if step.do == "start" and step.key not in present)
    pending = (*verdict.pending, *(one for one in leaving if one not in verdict.pending))
    return Judgement(verdict.total, verdict.done, pending, verdict.stuck, missing)


def _report(
    invocation: Invocation,
    planned: Planned,
    revision: int,
    observed: Observed | None,
    verdict: Judgement | None,
) -> ExitCode:
    terminal, now = invocation.terminal, invocation.clock.wall()
    code, said, lines = ExitCode.DONE, "", []
    if verdict is not None and observed is not None and not verdict.reached:
        code = ExitCode.TIMEOUT if verdict.on_its_way else ExitCode.FAILED
        said = progress_words(verdict, Goal.UP, now=now)
        lines = in_the_way(verdict, observed, now=now)
    name = planned.answer.get("tree")
    if terminal.json:
        body = {**planned.to_json(), "revision": revision, "ok": code is ExitCode.DONE, "in_the_way": lines}
        terminal.document(body)
        return code
    if verdict is None:
        terminal.line(f"{name}: revision {revision} is being carried out: {total(planned.steps)}")
    elif code is ExitCode.DONE:
        terminal.line(f"{name}: revision {revision} runs, {progress_words(verdict, Goal.UP, now=now)}")
    else:
        when = "does not run yet" if code is ExitCode.TIMEOUT else "does not run"
        terminal.line(terminal.paint(f"{name}: revision {revision} {when}: {said}", Tone.CRIT))
        for line in lines:
            terminal.line(f"  {line}")
        terminal.note("`manage.py explain KEY` says why.")
    return code
