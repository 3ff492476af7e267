"""`delete`: stop a tree, forget it, wait until nothing of it is left."""

from controlplane.cli.asking import ask_all
from controlplane.cli.command import Invocation
from controlplane.cli.confirm import confirm
from controlplane.cli.exits import CliError, ExitCode, from_control
from controlplane.cli.feed import Feed
from controlplane.cli.keys import not_found
from controlplane.cli.outcome import Goal, concerned, judge, progress_words
from controlplane.cli.progress import Progress
from controlplane.cli.settling import past
from supervision.explain.words import count


def delete(invocation: Invocation, name: str, *, yes: bool, wait: bool, timeout_s: float | None) -> ExitCode:
    """Ask, then wait for the answer, which comes when the last process is gone."""
    terminal, clock = invocation.terminal, invocation.clock
    before = invocation.observe()
    tree = before.tree(name)
    if tree is None:
        raise not_found(name, [one.name for one in before.trees])
    running = sum(child.pid is not None for child in tree.root.processes())
    confirm(f"Stop {count(running, 'process', 'processes')} and delete the tree {name}?", terminal, yes=yes)
    deadline = None if timeout_s is None else clock.boot() + timeout_s
    feed, progress = Feed(invocation), Progress(terminal, clock)

    def show(_left: list[str]) -> None:
        now = feed.observed.tree(name) if feed.observed is not None else None
        if now is not None:
            verdict = judge(concerned(now.root, Goal.DOWN), Goal.DOWN)
            progress.show(f"deleting {name}: {progress_words(verdict, Goal.DOWN, now=clock.wall())}")

    try:
        if not wait:
            deadline = clock.boot() + 0.5  # long enough for a refusal to come back
        (asked,) = ask_all(
            invocation,
            "delete",
            [name],
            {},
            feed=feed,
            deadline=deadline,
            repeatable=True,
            on_wait=show,
            name="tree",
        )
    finally:
        progress.clear()
        feed.close()
    # Asked again after the node was replaced, the tree may be gone already: that is what was wanted.
    if asked.error is not None and asked.error.code != "not_found":
        raise from_control(asked.error)
    if not asked.answered and wait and past(deadline, clock.boot()):
        raise CliError(f"{name} is not gone yet; the request stands", exit_code=ExitCode.TIMEOUT)
    if terminal.json:
        terminal.document({"tree": name, "ok": True, "gone": asked.answered})
    else:
        terminal.line(f"{name}  {'deleted' if asked.answered else 'is being deleted'}")
    return ExitCode.DONE
