"""Random kills of everything, and what must hold after each round of them."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supervision.runtime.journal_reader import read
from supervision.runtime.processes import direct_children
from tests.support.audit import Audit, differences, replayed
from tests.support.brood import Brood
from tests.support.engine import Engine, alive, tree
from tests.support.waiting import wait_for

GAP_S = 0.1
"""Least time between kills of guardian and node: nearer pairs are the case of both dead together."""
NOBODY_S = 60.0
"""So long without guardian and node, both dead: nobody is left to bring one back."""
OFTEN: dict[str, Any] = {"intensity": 100_000, "period": 1}


def fleet(brood: Brood) -> dict[str, Any]:
    """Twenty-one children under each strategy, nested, most with descendants that try to get away."""
    kinds = (("marked", "scrubbed"), ("session",), ("generations=2",), ("marked",), ())
    flat = [brood.child(f"c{n}", *kinds[n % len(kinds)]) for n in range(12)]

    def group(name: str, strategy: str, *more: dict[str, Any]) -> dict[str, Any]:
        members = [brood.child(f"{name}{n}", *kinds[n % len(kinds)]) for n in range(3)]
        return {"id": name, "supervisor": {"strategy": strategy, **OFTEN, "children": [*members, *more]}}

    inner = group("inner", "one_for_one")
    return tree("t", *flat, group("all", "one_for_all"), group("rest", "rest_for_one", inner), **OFTEN)


def names(document: dict[str, Any]) -> dict[str, str]:
    """Key of each process child, and the name that its program goes by."""
    found: dict[str, str] = {}

    def walk(path: str, supervisor: dict[str, Any]) -> None:
        for one in supervisor["children"]:
            if "supervisor" in one:
                walk(f"{path}/{one['id']}", one["supervisor"])
            else:
                found[f"{path}/{one['id']}"] = one["process"]["command"][2]

    walk(document["tree"], document["supervisor"])
    return found


@dataclass
class Chaos:
    """One engine under fire. `seed` repeats the choices, not their timing."""

    engine: Engine
    brood: Brood
    seed: int
    killed: Counter[str] = field(default_factory=Counter)
    audit: Audit = field(default_factory=Audit)
    lost_allowed: bool = False

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.document = fleet(self.brood)
        self.children = names(self.document)

    def begin(self) -> None:
        self.engine.apply(self.document)
        self.settle()

    # -- kills ------------------------------------------------------------------------------------------------------

    def round(self, *, node: int, guardian: int, children: int) -> None:
        """So many kills of each, at random moments and in random order."""
        heads = ["node"] * node + ["guardian"] * guardian
        self.random.shuffle(heads)
        next_head = next_child = time.monotonic()
        while heads or children:
            now = time.monotonic()
            if heads and now >= next_head and self.kill_head(heads[-1]):
                heads.pop()
                next_head = time.monotonic() + GAP_S + self.random.expovariate(1 / 0.15)
            assert now < next_head + NOBODY_S, self.said("nobody is left")
            if children and now >= next_child:
                children -= self.kill_child()
                next_child = now + self.random.expovariate(1 / 0.01)
            time.sleep(0.001)

    def kill_head(self, which: str) -> bool:
        """kill -9 of the guardian or of its node; False while one of them is not back: who dies then leaves nobody, which is
        the case of both."""
        heads = self.heads()
        if heads is None:
            return False
        pid = heads[0] if which == "guardian" else heads[1]
        if not _comm(pid).startswith("overstory"):
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.killed[which] += 1
            return True
        return False

    def kill_both(self, *, children: int) -> None:
        """Guardian and node within a millisecond, in either order, while children die before, between and after."""
        before = self.random.randint(0, children)
        for _ in range(before):
            self.kill_child()
        guardian, node = wait_for(self.heads, timeout=30)
        for pid in self.random.sample((guardian, node), 2):
            os.kill(pid, signal.SIGKILL)
        self.killed["both"] += 1
        for _ in range(children - before):
            self.kill_child()
        wait_for(lambda: not alive(guardian) and not alive(node), timeout=10)

    def heads(self) -> tuple[int, int] | None:
        """Pids of guardian and node, once both live."""
        guardian = self.engine.guardian_pid()
        node = self.node_of(guardian)
        return (guardian, node) if guardian is not None and node is not None else None

    @staticmethod
    def node_of(guardian: int | None) -> int | None:
        children = direct_children(guardian) if guardian is not None else []
        return next((pid for pid in children if _comm(pid) == "overstory-node"), None)

    def kill_child(self) -> bool:
        """kill -9 of a random main process, and now and then of a random descendant."""
        members = self.brood.census()
        mains = [member for member in members if member.kind == "main"]
        if not mains:
            return False
        victim = self.random.choice(mains)
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim.pid, signal.SIGKILL)
            self.killed["child"] += 1
            return True
        return False

    # -- what must hold ---------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Wait until all is well again; fails with what is not."""

        def probe() -> bool:
            self.last = self.faults_now()
            return not self.last

        try:
            wait_for(probe, timeout=60, every=0.05)
        except AssertionError:
            raise AssertionError(self.said(self.last)) from None
        self.check_journal()

    def faults_now(self) -> list[str]:
        faults = self.brood.faults(set(self.children.values()))
        if faults:
            return faults
        self.engine.wait_answer()
        views = self.engine.views()
        mains = {member.name: member.pid for member in self.brood.census() if member.kind == "main"}
        for key, name in self.children.items():
            view = views[key]
            if view["state"] != "running" or view["pid"] != mains.get(name):
                faults.append(
                    f"{key} is {view['state']} with pid {view['pid']}, its process is {mains.get(name)}"
                )
        return faults

    def said(self, what: object) -> str:
        return f"seed {self.seed}, after {dict(self.killed)}: {what}; {self.engine.log()[-3000:]}"

    def check_journal(self) -> None:
        """Nothing doubled, missing or out of order; every reason right; a replay gives what the node shows."""
        directory = str(self.engine.paths.journal_dir)
        self.audit.feed(dict(record) for record in read(directory, after_seq=self.audit.seq))
        assert self.audit.faults == [], (self.seed, self.audit.faults)
        allowed = {"signal(9)", "shutdown"} | ({"lost"} if self.lost_allowed else set())
        assert set(self.audit.reasons) <= allowed, (self.seed, self.audit.reasons)
        views = self.engine.views()
        assert self.audit.running == {key: views[key]["incarnation"] for key in self.children}
        assert differences(replayed(self.engine.records()), views) == []
        for key, name in self.children.items():
            stamped = [incarnation for incarnation, _ in self.brood.stamps(name)]
            assert len(stamped) == len(set(stamped)), f"{key} ran an incarnation twice: {stamped}"
            assert stamped == sorted(stamped), f"{key} ran its incarnations out of order: {stamped}"


def _comm(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""
