"""Dynamic children across a stop of everything."""

from pathlib import Path

from supervision.kernel.events import Begin, Call, StartChild, StopKey, StopRoot
from supervision.kernel.spec import ChildSpec, ChildType, Strategy, SupervisorSpec
from supervision.runtime.log import Log
from supervision.runtime.returning import Returning, dynamic_children
from supervision.runtime.tree_runner import TreeRunner
from tests.supervision.runtime.journaled_tree import JournaledTree

POOL = SupervisorSpec(
    intensity=3, period=5, strategy=Strategy.SIMPLE_ONE_FOR_ONE, children=(ChildSpec("job"),)
)
SPEC = SupervisorSpec(
    intensity=3,
    period=5,
    children=(
        ChildSpec("first", readiness=True),
        ChildSpec("pool", type=ChildType.SUPERVISOR, supervisor=POOL, depends_on=("first",)),
    ),
)
ONE, TWO = StartChild("t/pool", instance="one"), StartChild("t/pool", instance="two")
EXTRA = StartChild("t", child=ChildSpec("extra", body={"x": 1}))


class Stage:
    """A tree, and what is remembered of it."""

    def __init__(self, directory: Path) -> None:
        self.tree = JournaledTree(str(directory / "journal"), SPEC)
        self.log_file = directory / "log"
        self.returning = Returning(Log(str(self.log_file), "test"), self.runner)

    def runner(self, name: str) -> TreeRunner | None:
        return self.tree.runner if name == "t" else None

    def begin(self) -> None:
        self.tree.runner.feed(Begin())
        self.tree.runner.ready("t/first", self.tree.driver.alive["t/first"])

    def ask(self, *requests: StartChild | StopKey) -> None:
        for request in requests:
            self.tree.runner.feed(Call("r", request))


def test_dynamic_children_are_listed_as_they_were_asked_for(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.begin()
    stage.ask(ONE, EXTRA, TWO)
    assert dynamic_children(stage.tree.kernel) == [ONE, TWO, EXTRA]
    stage.tree.close()


def test_they_come_back_once_their_supervisor_is_at_work_and_only_then(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.begin()
    stage.ask(ONE, EXTRA, TWO)
    stage.returning.remember([stage.tree.kernel])
    stage.tree.runner.feed(StopRoot())
    stage.tree.turn(3)
    assert dynamic_children(stage.tree.kernel) == []
    stage.returning.bring_back()
    assert stage.returning.requests["t"] == [ONE, TWO, EXTRA]

    stage.tree.runner.feed(Begin())
    stage.returning.bring_back()
    assert dynamic_children(stage.tree.kernel) == [EXTRA]
    assert stage.returning.to_json() == {"t": [ONE.to_json(), TWO.to_json()]}

    stage.tree.runner.ready("t/first", stage.tree.driver.alive["t/first"])
    stage.returning.bring_back()
    assert dynamic_children(stage.tree.kernel) == [ONE, TWO, EXTRA]
    assert stage.returning.requests == {}
    assert stage.tree.driver.alive["t/pool/one"] == 2, "numbers go on"
    stage.tree.close()


def test_what_was_not_back_yet_when_everything_stops_again_is_not_forgotten(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.tree.runner.feed(Begin())
    stage.returning.requests = {"t": [ONE]}
    stage.ask(EXTRA)
    stage.returning.remember([stage.tree.kernel])
    stage.returning.remember([stage.tree.kernel])
    assert stage.returning.requests == {"t": [ONE, EXTRA]}
    stage.tree.close()


def test_one_whose_supervisor_or_tree_is_gone_is_given_up(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.begin()
    stage.returning.requests = {"t": [StartChild("t/nobody", instance="x")], "u": [ONE]}
    stage.returning.bring_back()
    assert stage.returning.requests == {}
    assert 'supervisor="t/nobody"' in stage.log_file.read_text()
    stage.tree.close()


def test_after_a_reboot_a_kernel_remembers_numbers_stops_and_holds_and_runs_nothing(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.begin()
    stage.ask(ONE, StopKey("t/first"), StopKey("t/pool/one"))
    stage.tree.turn(3)
    fresh = stage.tree.kernel.after_reboot()
    assert fresh.incarnations() == stage.tree.kernel.incarnations()
    assert [view.key for view in fresh.children() if view.alive] == []
    first = fresh.child("t/first")
    assert first is not None
    assert not first.wanted
    fresh.handle(Begin(), now=1.0)
    actions, _ = fresh.handle(Call("r", ONE), now=1.0)
    assert not any(action.tag == "start" for action in actions), "its stop stands"
    stage.tree.close()
