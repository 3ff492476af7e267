"""What the foreground tells about children while they start and stop: each change once, in words."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from controlplane.foreground.progress import Progress
from supervision.runtime.observed import Child, Member, Observed

RESTING = frozenset({"completed", "held", "failed", "lost"})


@dataclass(slots=True)
class Followed:
    """Compares what the node says now with what was said before."""

    progress: Progress
    seen: dict[str, Child] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    warned: set[str] = field(default_factory=set)

    def starting(self, observed: Observed, trees: frozenset[str], *, all_must_run: bool = False) -> bool:
        """Tell who runs now; True once each child of `trees` has run, or stands still for a reason of its own.

        With `all_must_run` a child that waits to be restarted is still waited for.
        """
        settled = True
        for child, rests in _processes(observed):
            self.seen[child.key] = child
            if child.key.split("/", 1)[0] not in trees or child.key in self.told:
                continue
            if rests or _has_settled(child):
                self.told.add(child.key)
                self._tell(child)
            elif child.state == "backoff":
                if child.key not in self.warned:
                    self._tell(child)
                self.warned.add(child.key)
                settled = settled and not all_must_run
            else:
                settled = False
        return settled and trees <= {tree.name for tree in observed.trees}

    def has_completed(self, key: str) -> bool:
        """Whether the child `key` had done its work when last seen."""
        child = self.seen.get(key)
        return child is not None and child.state == "completed"

    def _tell(self, child: Child) -> None:
        self.progress.step(f"{child.key:<32} {_stands(child)}")

    def not_ready(self) -> list[str]:
        """A line for each child that has not got anywhere."""
        return [f"{key}: {_stands(child)}" for key, child in self.seen.items() if key not in self.told]

    def stopping(self, observed: Observed) -> None:
        """Tell whose process is gone now."""
        for child in observed.processes():
            before = self.seen.get(child.key)
            if before is not None and before.pid is not None and child.pid is None:
                self.progress.step(f"{child.key:<32} stopped")
            self.seen[child.key] = child

    def alive(self) -> list[Child]:
        """Children that had a process when last seen."""
        return [child for child in self.seen.values() if child.pid is not None]


def _processes(observed: Observed) -> Iterator[tuple[Child, bool]]:
    """Each child, and whether a supervisor above it rests: then it does not start, whatever is wanted of itself."""
    stack: list[tuple[Member, bool]] = [(tree.root, False) for tree in reversed(observed.trees)]
    while stack:
        member, rests = stack.pop()
        if isinstance(member, Child):
            yield member, rests
        else:
            rests = rests or member.wanted == "down" or member.state in RESTING
            stack.extend((child, rests) for child in reversed(member.children))


def _has_settled(child: Child) -> bool:
    """It runs, or does not and is not about to. `stopped` is also what a child is that has not been started yet."""
    if child.state == "stopped":
        return child.wanted == "down"
    return child.state == "running" or child.state in RESTING


def _stands(child: Child) -> str:
    if child.state == "running":
        return f"running   pid {child.pid}"
    words = child.state
    if child.waiting_for:
        words += f" for {', '.join(child.waiting_for)}"
    if child.last_exit is not None:
        words += f", last exit {child.last_exit.reason}"
    return words
