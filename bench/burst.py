"""Records of a node whose tree starts many children at once, made by the kernel alone: no process, no waiting."""

from typing import Any

from supervision.kernel import Kernel
from supervision.kernel.actions import Action, Start
from supervision.kernel.events import Begin, Event, Exited, Ready, Started
from supervision.runtime.treedoc import parse_tree

AT = 1_795_000_000.0


class Burst:
    """`records`: a node that starts and a tree of `children` that run. More of its life on request."""

    def __init__(self, children: int, *, name: str = "burst") -> None:
        process = {"command": ["/bin/sleep", "3600"]}
        declared = [{"id": f"c{number}", "process": process} for number in range(children)]
        parsed = parse_tree({"version": 1, "tree": name, "supervisor": {"children": declared}})
        self.name = name
        self.kernel = Kernel(name, parsed.spec)
        self.records: list[dict[str, Any]] = []
        self._add("node", what="started", boot_id="b", guardian_pid=1)
        self._add(
            "tree",
            what="applied",
            tree=name,
            document=parsed.document,
            digest=parsed.digest,
            revision=1,
            message="",
        )
        self._feed([Begin()])

    def crash(self, key: str) -> list[dict[str, Any]]:
        """The records of one death and the replacement's start."""
        before = len(self.records)
        view = self.kernel.child(key)
        assert view is not None
        self._feed([Exited(key, view.incarnation, "signal(9)")])
        return self.records[before:]

    def _feed(self, events: list[Event]) -> None:
        while events:
            event = events.pop(0)
            actions, _ = self.kernel.handle(event, now=self._now)
            more: dict[str, Any] = {}
            if isinstance(event, Started):
                more["process"] = {
                    "pid": 1000 + len(self.records),
                    "inode": 1,
                    "start_time": 1,
                    "role": "main",
                }
            self._step(event, list(actions), more)
            for action in actions:
                if isinstance(action, Start):
                    events += [
                        Started(action.key, action.incarnation),
                        Ready(action.key, action.incarnation),
                    ]

    def _step(self, event: Event, actions: list[Action], more: dict[str, Any]) -> None:
        self._add(
            "step",
            tree=self.name,
            event=event.to_json(),
            now=self._now,
            actions=[action.to_json() for action in actions],
            **more,
        )

    @property
    def _now(self) -> float:
        return 100.0 + len(self.records) / 1000

    def _add(self, kind: str, **body: Any) -> None:
        seq = len(self.records) + 1
        self.records.append({"v": 1, "seq": seq, "t": AT + self._now, "b": self._now, "k": kind, **body})
