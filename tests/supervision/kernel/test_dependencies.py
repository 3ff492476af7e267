"""Dependencies are checked when a kernel takes a tree, and never block anybody."""

import pytest

from supervision.kernel import Kernel, SpecError
from supervision.kernel.dependencies import requirements
from supervision.kernel.events import StartChild
from supervision.kernel.spec import OnFailure, Restart, Strategy, SupervisorSpec
from tests.supervision.kernel.fleet import Fleet, started
from tests.supervision.kernel.trees import inner, supervisor, worker


def test_a_name_is_a_sibling_before_it_is_a_path() -> None:
    spec = supervisor(worker("db"), inner("web", worker("db"), worker("api", depends_on=("db",))))
    assert requirements("shop", spec) == {"shop/web/api": ("shop/web/db",)}


def test_a_path_begins_at_the_root() -> None:
    spec = supervisor(inner("stores", worker("db")), inner("web", worker("api", depends_on=("stores/db",))))
    assert requirements("shop", spec) == {"shop/web/api": ("shop/stores/db",)}


def test_a_replicated_child_means_all_its_instances() -> None:
    spec = supervisor(worker("db@1"), worker("db@2"), worker("api", depends_on=("db",)))
    assert requirements("shop", spec) == {"shop/api": ("shop/db@1", "shop/db@2")}


@pytest.mark.parametrize(
    ("spec", "pointer", "words"),
    [
        (supervisor(worker("a", depends_on=("b",))), "/children/0/depends_on/0", "there is no 'b'"),
        (
            supervisor(worker("a", depends_on=("a",))),
            "/children/0/depends_on",
            "cycle of dependencies: a -> a",
        ),
        (
            supervisor(
                worker("a", depends_on=("b",)), worker("b", depends_on=("c",)), worker("c", depends_on=("a",))
            ),
            "/children/0/depends_on",
            "a -> b -> c -> a",
        ),
        (
            supervisor(inner("pool", worker("w", depends_on=("pool",)))),
            "/children/0/supervisor/children/0/depends_on",
            "cycle",
        ),
        (
            supervisor(worker("a", depends_on=("pool",)), inner("pool", worker("w", depends_on=("a",)))),
            "/children/0/depends_on",
            "cycle",
        ),
        (
            supervisor(
                inner("pool", worker("t"), strategy=Strategy.SIMPLE_ONE_FOR_ONE),
                worker("a", depends_on=("pool/t",)),
            ),
            "/children/1/depends_on/0",
            "part of a template",
        ),
        (
            supervisor(inner("pool", on_failure=OnFailure())),
            "/children/0/supervisor/on_failure",
            "only the root",
        ),
    ],
)
def test_a_tree_that_would_wait_for_ever_is_refused(spec: SupervisorSpec, pointer: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        Kernel("shop", spec)
    assert caught.value.pointer == pointer
    assert words in caught.value.message


def test_a_thousand_dependencies_in_a_row_are_no_cycle() -> None:
    first, *others = (str(number) for number in range(1000))
    chain = [worker(first), *(worker(name, depends_on=(str(int(name) - 1),)) for name in others)]
    fleet = Fleet.of(supervisor(*chain))
    assert len(fleet.processes) == 1000


def test_a_supervisor_is_ready_when_its_children_are() -> None:
    fleet = Fleet.of(
        supervisor(
            inner(
                "stores",
                worker("db", readiness=True),
                worker("cache"),
                worker("job", restart=Restart.TEMPORARY),
            ),
            worker("web", depends_on=("stores",)),
        )
    )
    assert fleet.state("shop/web") == "waiting"
    fleet.exit("shop/stores/job", "normal")
    assert fleet.state("shop/web") == "waiting"
    assert started(fleet.ready("shop/stores/db")) == ["shop/web"]


def test_a_job_that_is_done_is_ready() -> None:
    fleet = Fleet.of(
        supervisor(
            worker("migrate", restart=Restart.TRANSIENT, readiness=True),
            worker("api", depends_on=("migrate",)),
        )
    )
    assert fleet.state("shop/api") == "waiting"
    assert started(fleet.exit("shop/migrate", "normal")) == ["shop/api"]


def test_a_restart_that_waited_is_a_restart_and_is_not_charged() -> None:
    fleet = Fleet.of(supervisor(worker("db", readiness=True), worker("api", depends_on=("db",)), intensity=1))
    assert started(fleet.ready("shop/db")) == ["shop/api"]
    assert restarts(fleet) == {"shop/db": 0, "shop/api": 0}, "the first start waited, too"
    fleet.exit("shop/db")
    fleet.exit("shop/api")
    assert fleet.state("shop/api") == "waiting"
    assert started(fleet.ready("shop/db")) == ["shop/api"]
    assert restarts(fleet) == {"shop/db": 1, "shop/api": 1}
    assert fleet.state("shop") == "running"


def restarts(fleet: Fleet) -> dict[str, int]:
    return {view.key: view.restarts for view in fleet.kernel.children() if view.key != "shop"}


def test_inside_an_instance_siblings_are_those_of_the_instance() -> None:
    tenant = inner("tenant", worker("db", readiness=True), worker("api", depends_on=("db",)))
    fleet = Fleet.of(supervisor(inner("tenants", tenant, strategy=Strategy.SIMPLE_ONE_FOR_ONE)))
    fleet.ask(StartChild("shop/tenants", instance="red"))
    fleet.ask(StartChild("shop/tenants", instance="blue"))
    assert started(fleet.ready("shop/tenants/blue/db")) == ["shop/tenants/blue/api"]
    assert fleet.state("shop/tenants/red/api") == "waiting"


def test_a_child_that_is_added_may_depend_on_what_is_there() -> None:
    fleet = Fleet.of(supervisor(worker("db", readiness=True)))
    late = worker("late", depends_on=("db",))
    assert fleet.reply_to(StartChild("shop", late)) == ["ok", None]
    assert started(fleet.ready("shop/db")) == ["shop/late"]
    lost = worker("lost", depends_on=("nobody",))
    assert fleet.reply_to(StartChild("shop", lost)) == ["error", ["unknown_dependency", "nobody"]]
    self_made = worker("x", depends_on=("x",))
    assert fleet.reply_to(StartChild("shop", self_made)) == ["error", ["dependency_cycle", ["x"]]]
