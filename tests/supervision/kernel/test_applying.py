"""A revision: unchanged children keep running, whatever else happens meanwhile."""

from dataclasses import replace

from supervision.kernel import summary
from supervision.kernel.actions import Reply, Start
from supervision.kernel.backoff import Backoff
from supervision.kernel.events import Apply, HoldKey, ReleaseKey, StartChild, StopKey
from supervision.kernel.spec import Restart, StopOrder, Strategy, SupervisorSpec
from tests.supervision.kernel.fleet import STUBBORN, Fleet, reports, signalled, started
from tests.supervision.kernel.trees import inner, supervisor, worker


def _v(name: str, version: int) -> SupervisorSpec:
    return supervisor(worker(name, body={"v": version}))


def _steps(fleet: Fleet, new: SupervisorSpec) -> list[tuple[str, str]]:
    return [(step.do, step.key) for step in summary(fleet.kernel.plan(new))]


def test_a_revision_that_comes_in_the_middle_takes_the_place_of_the_first() -> None:
    fleet = Fleet.of(supervisor(worker("a", body={"v": 1}), worker("b", body={"v": 1})))
    fleet.on_signal["shop/b"] = STUBBORN
    second = supervisor(worker("a", body={"v": 2}), worker("b", body={"v": 2}), worker("c"))
    assert signalled(fleet.ask(Apply(second))) == ["shop/b"]
    third = supervisor(worker("b", body={"v": 3}), worker("c"), worker("d"))
    assert _steps(fleet, third) == [
        ("keep", "shop"),
        ("stop", "shop/a"),
        ("restart", "shop/b"),
        ("start", "shop/c"),
        ("start", "shop/d"),
    ]
    fleet.ask(Apply(third))
    actions = fleet.advance(5)
    assert signalled(actions) == ["shop/a"]
    assert started(actions) == ["shop/b", "shop/c", "shop/d"]
    assert fleet.kernel.spec == third


def test_a_child_that_fails_in_the_middle_comes_back_as_the_new_one() -> None:
    fleet = Fleet.of(supervisor(worker("a", body={"v": 1}), worker("b", body={"v": 1})))
    fleet.on_signal["shop/b"] = STUBBORN
    fleet.ask(Apply(supervisor(worker("a", body={"v": 2}), worker("b", body={"v": 2}))))
    fleet.exit("shop/a")
    fleet.advance(5)
    assert fleet.processes == {"shop/a": 2, "shop/b": 2}


def test_a_supervisor_that_gives_up_in_the_middle_comes_back_with_the_new_specification() -> None:
    old = supervisor(inner("pool", worker("a", body={"v": 1}), worker("b", body={"v": 1}), intensity=0))
    new = supervisor(inner("pool", worker("a", body={"v": 2}), worker("c"), intensity=0))
    fleet = Fleet.of(old)
    fleet.on_signal["shop/pool/b"] = STUBBORN
    fleet.ask(Apply(new))
    fleet.exit("shop/pool/a")
    fleet.advance(5)
    fleet.advance(5)
    assert fleet.processes.keys() == {"shop/pool/a", "shop/pool/c"}
    assert len(reports(fleet.log, "applied")) == 1


def test_what_start_child_added_stays() -> None:
    fleet = Fleet.of(_v("a", 1))
    fleet.ask(StartChild("shop", worker("extra")))
    fleet.ask(Apply(_v("a", 2)))
    assert fleet.processes == {"shop/extra": 1, "shop/a": 2}
    fleet.ask(Apply(supervisor(worker("extra"))))
    assert fleet.processes == {"shop/extra": 1}
    fleet.ask(Apply(supervisor()))
    assert fleet.processes == {}


def test_instances_take_the_template_s_change() -> None:
    def pool(version: int, intensity: int) -> SupervisorSpec:
        template = worker("t", body={"v": version, "w": 1})
        return supervisor(inner("pool", template, strategy=Strategy.SIMPLE_ONE_FOR_ONE, intensity=intensity))

    fleet = Fleet.of(pool(1, 3))
    fleet.ask(StartChild("shop/pool", instance="x"))
    fleet.ask(StartChild("shop/pool", instance="y", body={"v": 7}))
    assert _steps(fleet, pool(1, 9))[:2] == [("keep", "shop"), ("update", "shop/pool")]
    actions = fleet.ask(Apply(pool(2, 9)))
    assert started(actions) == ["shop/pool/x"]
    assert fleet.processes == {"shop/pool/x": 2, "shop/pool/y": 1}


def test_a_child_becomes_a_supervisor_and_back() -> None:
    fleet = Fleet.of(supervisor(worker("a"), worker("b")))
    nested = supervisor(inner("a", worker("x")), worker("b"))
    assert _steps(fleet, nested) == [("keep", "shop"), ("keep", "shop/b"), ("restart", "shop/a")]
    fleet.ask(Apply(nested))
    assert fleet.processes == {"shop/a/x": 1, "shop/b": 1}
    fleet.ask(Apply(supervisor(worker("a"), worker("b"))))
    assert fleet.processes == {"shop/a": 3, "shop/b": 1}


def test_the_root_starts_anew_when_its_children_are_of_another_kind() -> None:
    fleet = Fleet.of(supervisor(worker("a")))
    new = supervisor(worker("t"), strategy=Strategy.SIMPLE_ONE_FOR_ONE)
    assert _steps(fleet, new) == [("restart", "shop")]
    fleet.ask(Apply(new))
    assert fleet.state("shop") == "running"
    assert fleet.processes == {}


def test_an_update_takes_effect_at_once() -> None:
    fleet = Fleet.of(supervisor(worker("a"), intensity=0))
    slower = supervisor(worker("a", backoff=Backoff(2)), intensity=1)
    assert [step.why for step in fleet.kernel.plan(slower)] == ["changed: intensity", "changed: backoff"]
    fleet.ask(Apply(slower))
    fleet.exit("shop/a")
    assert fleet.state("shop/a") == "backoff"


def test_a_child_in_backoff_is_not_started_early() -> None:
    fleet = Fleet.of(supervisor(worker("a", body={"v": 1}, backoff=Backoff(5)), worker("b")))
    fleet.exit("shop/a")
    new = supervisor(worker("a", body={"v": 2}, backoff=Backoff(5)), worker("b"))
    assert _steps(fleet, new) == [("keep", "shop"), ("update", "shop/a"), ("keep", "shop/b")]
    fleet.ask(Apply(new))
    assert fleet.state("shop/a") == "backoff"
    fleet.advance(5)
    view = fleet.kernel.child("shop/a")
    assert view is not None
    assert (view.state, dict(view.spec.body)) == ("running", {"v": 2})


def test_stopped_and_held_children_are_updated_and_not_started() -> None:
    fleet = Fleet.of(supervisor(worker("a", body={"v": 1}), worker("b", body={"v": 1})))
    fleet.ask(StopKey("shop/a"))
    fleet.ask(HoldKey("shop/b"))
    new = supervisor(worker("a", body={"v": 2}), worker("b", body={"v": 2}))
    assert _steps(fleet, new) == [("keep", "shop"), ("update", "shop/a"), ("stop", "shop/b")]
    fleet.ask(Apply(new))
    assert fleet.states() == {"a": "stopped", "b": "held"}
    assert started(fleet.ask(ReleaseKey("shop/b"))) == ["shop/b"]


def test_a_job_that_has_ended_runs_again_only_when_it_changed() -> None:
    def job(version: int) -> SupervisorSpec:
        return supervisor(worker("migrate", restart=Restart.TEMPORARY, body={"v": version}), worker("api"))

    fleet = Fleet.of(job(1))
    fleet.exit("shop/migrate", "normal")
    assert started(fleet.ask(Apply(job(1)))) == []
    assert started(fleet.ask(Apply(job(2)))) == ["shop/migrate"]


def test_parallel_supervisors_stop_what_goes_at_once() -> None:
    children = [worker(name) for name in "abcd"]
    fleet = Fleet.of(supervisor(*children, stop=StopOrder.PARALLEL))
    for key in [*fleet.processes]:
        fleet.on_signal[key] = STUBBORN
    actions = fleet.ask(Apply(supervisor(children[0], stop=StopOrder.PARALLEL)))
    assert signalled(actions) == ["shop/d", "shop/c", "shop/b"]


def test_a_waiting_child_waits_for_the_new_dependency() -> None:
    old = supervisor(
        worker("db", readiness=True), worker("mq", readiness=True), worker("api", depends_on=("db",))
    )
    fleet = Fleet.of(old)
    children = [*old.children]
    children[2] = replace(children[2], depends_on=("mq",))
    fleet.ask(Apply(replace(old, children=tuple(children))))
    assert started(fleet.ready("shop/db")) == []
    assert started(fleet.ready("shop/mq")) == ["shop/api"]


def test_a_dependency_that_goes_lets_the_child_start() -> None:
    old = supervisor(worker("db", readiness=True), worker("api", depends_on=("db",)))
    fleet = Fleet.of(old)
    assert started(fleet.ask(Apply(supervisor(worker("db", readiness=True), worker("api"))))) == ["shop/api"]


def test_a_tree_that_is_down_takes_the_revision_and_stays_down() -> None:
    fleet = Fleet.of(_v("a", 1))
    fleet.ask(StopKey("shop"))
    actions = fleet.ask(Apply(_v("a", 2)))
    assert [action.value for action in actions if isinstance(action, Reply)] == [
        ["ok", [["update", "shop", "the tree is stopped"]]]
    ]
    assert not fleet.processes
    assert fleet.kernel.spec == _v("a", 2)


def test_a_revision_goes_on_after_a_dump() -> None:
    fleet = Fleet.of(supervisor(worker("a", body={"v": 1}), worker("b", body={"v": 1})))
    fleet.on_signal["shop/b"] = STUBBORN
    fleet.ask(Apply(supervisor(worker("a", body={"v": 2}), worker("b", body={"v": 2}), worker("c"))))
    fleet.reload()
    fleet.advance(5)
    assert fleet.processes == {"shop/a": 2, "shop/b": 2, "shop/c": 1}


def test_an_instance_that_is_never_restarted_starts_again_with_a_new_template() -> None:
    def pool(version: int) -> SupervisorSpec:
        template = worker("member", restart=Restart.TEMPORARY, body={"v": version})
        return supervisor(template, strategy=Strategy.SIMPLE_ONE_FOR_ONE)

    fleet = Fleet.of(pool(1))
    fleet.ask(StartChild("shop", instance="a"))
    assert _steps(fleet, pool(2)) == [("keep", "shop"), ("restart", "shop/a")]
    assert started(fleet.ask(Apply(pool(2)))) == ["shop/a"]
    assert fleet.state("shop/a") == "running"


def test_what_is_delivered_restarts_nobody_and_is_what_the_next_life_starts_with() -> None:
    fleet = Fleet.of(supervisor(worker("a", body={"v": 1, "delivered": {"n": 1}})))
    second = supervisor(worker("a", body={"v": 1, "delivered": {"n": 2}}))
    assert _steps(fleet, second) == [("keep", "shop"), ("update", "shop/a")]
    assert started(fleet.ask(Apply(second))) == []
    assert _steps(fleet, second) == [("keep", "shop"), ("keep", "shop/a")]
    [start] = [action for action in fleet.exit("shop/a") if isinstance(action, Start)]
    assert start.body == {"v": 1, "delivered": {"n": 2}}


def test_another_body_restarts_also_what_is_delivered_to() -> None:
    fleet = Fleet.of(supervisor(worker("a", body={"v": 1, "delivered": {"n": 1}})))
    assert _steps(fleet, supervisor(worker("a", body={"v": 2}))) == [("keep", "shop"), ("restart", "shop/a")]
