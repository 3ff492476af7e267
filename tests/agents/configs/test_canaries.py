"""A revision that one agent tries first: what nodes run meanwhile, and what becomes of it by what its node observes."""

from typing import Any

import pytest

from agents.configs import services
from agents.configs.canaries import CanaryOptions, advance_canary, running_canaries, why_none_can
from agents.configs.models import AgentConfig, AgentConfigRevision, ConfigCanary
from agents.exceptions import CannotTryError, InUseError, UnderWayError, UnknownError
from supervision.auditlog.models import AuditEntry
from supervision.fleet.leading import CONTROLLER, Leader
from supervision.fleet.models import Leadership, Node
from supervision.journal.models import ObservedChild, ObservedTree
from supervision.kernel.spec import ChildSpec, Restart
from supervision.runtime.treedoc import parse_tree
from supervision.trees.models import Placement, Rollout
from supervision.trees.placing import Placing
from supervision.trees.rollouts import advance_rollout, running_rollouts
from supervision.trees.services import apply_tree
from tests.agents import config_rows
from tests.agents.config_rows import ADA, head, put
from tests.supervision.trees.fleet_rows import leader, node

pytestmark = pytest.mark.django_db
TRY = CanaryOptions(observe_s=0.0)


@pytest.fixture(autouse=True)
def leads() -> Leader:
    return leader()


def tick() -> None:
    """One of the controller's."""
    row = Leadership.objects.get()
    leads = Leader(CONTROLLER, row.holder, row.term)
    for pk in running_rollouts():
        advance_rollout(leads, pk)
    for pk in running_canaries():
        advance_canary(leads, pk)


def place(
    tree: str = "shop", *, instances: int | None = 3, on: tuple[str, ...] = ("a",), **more: Any
) -> None:
    """The tree follows shop/crawler, with a rollout that gives up after 30 s, and runs on these nodes."""
    child: dict[str, Any] = {"id": "crawler", "agent": {"config": "shop/crawler"}, **more}
    if instances is not None:
        child["instances"] = instances
    document = {
        "version": 1,
        "tree": tree,
        "supervisor": {"children": [child]},
        "placement": {"mode": "every"},
    }
    for name in on:
        if not Node.objects.filter(name=name).exists():
            node(name)
    apply_tree(document={**document, "rollout": {"ready_deadline": "30s"}}, message="", actor=ADA)
    Placing().tick(leader_again())
    for name in on:
        observe(name, tree)


def leader_again() -> Leader:
    row = Leadership.objects.get()
    return Leader(CONTROLLER, row.holder, row.term)


def observe(name: str, tree: str = "shop", **crawlers: Any) -> None:
    """The node reports the revision that is placed on it, and its agents, each in `running` and its first life unless
    `crawlers` says otherwise: `c1={"state": "failed"}` of crawler@1, `c` of one without instances."""
    placement = Placement.objects.select_related("revision").get(node__name=name, tree__name=tree)
    facts = {
        "revision": placement.revision.number,
        "digest": placement.revision.digest,
        "state": "running",
        "seq": 1,
    }
    ObservedTree.objects.update_or_create(node_id=placement.node_id, name=tree, defaults=facts)
    specs = parse_tree(placement.revision.runs, base="/").spec.children
    for position, spec in enumerate(specs, start=1):
        said = crawlers.get("c" + spec.id.partition("@")[2], {})
        row = {"tree": tree, "child_id": spec.id, "position": position, "kind": "agent", "seq": 1}
        ObservedChild.objects.update_or_create(
            node_id=placement.node_id,
            key=f"{tree}/{spec.id}",
            defaults={**row, "state": "running", "incarnation": 1, **said},
        )


def runs(tree: str = "shop") -> dict[str, tuple[int, Restart]]:
    """What its head gives each agent: the argument n, and how it is restarted."""
    return {
        spec.id: (_argument(spec), spec.restart)
        for spec in parse_tree(head(tree).runs, base="/").spec.children
    }


def _argument(spec: ChildSpec) -> int:
    agent: Any = spec.body["agent"]
    return int(agent["arguments"]["n"])


def numbers(tree: str = "shop") -> list[int]:
    rows = Placement.objects.filter(tree__name=tree).order_by("replica")
    return list(rows.values_list("revision__number", flat=True))


def newest() -> int:
    config = AgentConfig.objects.select_related("head").get()
    assert config.head is not None
    return config.head.number


def canary() -> ConfigCanary:
    return ConfigCanary.objects.select_related("revision").order_by("-id")[0]


OLD = (1, Restart.PERMANENT)
NEW = (2, Restart.PERMANENT)
TRIED = (2, Restart.TEMPORARY)


def test_one_instance_tries_it_and_the_others_follow_when_it_was_ready() -> None:
    put(arguments={"n": 1})
    place()
    tried = put(arguments={"n": 2}, canary=TRY, message="faster")
    assert runs() == {"crawler@1": TRIED, "crawler@2": OLD, "crawler@3": OLD}
    assert (newest(), tried.revision.number, head().source) == (1, 2, "canary")
    assert tried.canary is not None
    assert (tried.canary.key, tried.canary.node, tried.canary.state) == ("shop/crawler@1", "a", "running")
    tick()
    assert newest() == 1, "its node has not told anything yet"
    observe("a")
    tick()
    assert newest() == 1, "it still runs its life of before"
    observe("a", c1={"state": "starting", "incarnation": 2})
    tick()
    assert newest() == 1
    observe("a", c1={"incarnation": 2}, c2={"state": "backoff"})
    tick()
    assert (newest(), canary().state) == (2, "done"), "what is the matter with another one is not its doing"
    assert runs() == dict.fromkeys(("crawler@1", "crawler@2", "crawler@3"), NEW)
    entry = AuditEntry.objects.get(action="agent_config.canary")
    assert (entry.outcome, entry.details["key"]) == ("ok", "shop/crawler@1")


def test_it_has_to_stay_ready_for_as_long_as_it_is_observed() -> None:
    put(arguments={"n": 1})
    place()
    put(arguments={"n": 2}, canary=CanaryOptions(observe_s=600.0))
    observe("a", c1={"incarnation": 2})
    tick()
    tick()
    assert (newest(), canary().state) == (1, "running")
    rollout = Rollout.objects.get(state="running")
    [told] = rollout.progress.values()
    told["ready_at"] -= 600.0
    rollout.save()
    tick()
    assert (newest(), canary().state) == (2, "done")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (
            {"state": "failed", "incarnation": 2, "last_exit_reason": "exit(1)"},
            "shop/crawler@1 ended (exit(1))",
        ),
        ({"state": "completed", "incarnation": 2}, "shop/crawler@1 ended"),
    ],
)
def test_its_end_is_the_verdict_and_everything_is_as_before(said: dict[str, Any], why: str) -> None:
    put(arguments={"n": 1})
    place()
    put(arguments={"n": 2}, canary=TRY)
    observe("a", c1=said)
    tick()
    row = canary()
    assert (row.state, row.reason, newest()) == ("failed", f"on a: {why}", 1)
    assert runs() == dict.fromkeys(("crawler@1", "crawler@2", "crawler@3"), OLD)
    assert head().message.startswith("roll back to revision 1: revision 2 failed on a: ")
    assert AgentConfigRevision.objects.count() == 2, "what was tried stays in the history"
    assert AuditEntry.objects.get(action="agent_config.canary").outcome == "failed"
    put(arguments={"n": 3})
    assert (newest(), runs()["crawler@2"]) == (3, (3, Restart.PERMANENT)), (
        "the next edit is one like any other"
    )


def test_one_that_ends_while_it_is_observed_failed_too() -> None:
    put(arguments={"n": 1})
    place()
    put(arguments={"n": 2}, canary=CanaryOptions(observe_s=600.0))
    observe("a", c1={"incarnation": 2})
    tick()
    observe("a", c1={"state": "stopping", "incarnation": 2, "last_exit_reason": "unhealthy"})
    tick()
    assert (canary().state, canary().reason) == ("failed", "on a: shop/crawler@1 ended (unhealthy)")


def test_one_that_is_not_ready_by_the_deadline_failed() -> None:
    put(arguments={"n": 1})
    place()
    put(arguments={"n": 2}, canary=TRY)
    observe("a", c1={"state": "starting", "incarnation": 2})
    tick()
    rollout = Rollout.objects.get(state="running")
    [told] = rollout.progress.values()
    told["at"] -= 31.0
    rollout.save()
    tick()
    assert canary().reason == "on a not ready after 30 s: shop/crawler@1 is starting"
    assert newest() == 1


def test_a_transient_one_may_end_well() -> None:
    put(arguments={"n": 1}, restart="transient")
    place()
    put(arguments={"n": 2}, restart="transient", canary=TRY)
    observe("a", c1={"state": "completed", "incarnation": 2})
    tick()
    assert (canary().state, newest()) == ("done", 2)


def test_what_is_only_delivered_needs_no_new_life() -> None:
    put(arguments={"n": 1}, on_change="deliver")
    place()
    put(arguments={"n": 2}, on_change="deliver", canary=TRY)
    tick()
    assert newest() == 1
    observe("a")
    tick()
    assert (newest(), canary().state) == (2, "done")


def test_of_several_trees_and_places_one_agent_on_one_node_tries_it() -> None:
    put(arguments={"n": 1})
    place("shop", instances=None, on=("a", "b"))
    place("bank", instances=None, on=("a", "b"))
    put(arguments={"n": 2}, canary=TRY)
    assert canary().key == "bank/crawler"
    first = Placement.objects.get(tree__name="bank", replica=0).node.name
    assert (canary().node, numbers("bank"), numbers("shop")) == (first, [2, 1], [1, 1])
    tick()
    assert numbers("bank") == [2, 1], "it goes no further"
    observe(first, "bank", c={"incarnation": 2})
    tick()
    assert (newest(), numbers("bank"), numbers("shop")) == (2, [3, 1], [2, 1]), "now place by place"


def test_a_tree_applied_meanwhile_gets_the_revision_before_and_ends_the_trial() -> None:
    put(arguments={"n": 1})
    place()
    put(arguments={"n": 2}, canary=TRY)
    config_rows.apply("bank")
    assert runs("bank")["crawler"] == OLD
    assert canary().state == "running"
    place(instances=2)
    tick()
    assert (canary().state, canary().reason) == ("failed", "superseded by revision 3")
    assert (newest(), runs()) == (1, {"crawler@1": OLD, "crawler@2": OLD})


def test_another_revision_ends_what_is_tried() -> None:
    put(arguments={"n": 1})
    place()
    put(arguments={"n": 2}, canary=TRY)
    put(arguments={"n": 3}, canary=TRY)
    first = ConfigCanary.objects.earliest("id")
    assert (first.state, first.reason) == ("ended", "revision 3 was applied")
    assert runs()["crawler@1"] == (3, Restart.TEMPORARY)
    put(arguments={"n": 4})
    assert [row.state for row in ConfigCanary.objects.all()] == ["ended", "ended"]
    assert (newest(), runs()["crawler@1"]) == (4, (4, Restart.PERMANENT))
    rollout = Rollout.objects.select_related("from_revision").get(state="running")
    assert rollout.from_revision is not None
    assert rollout.from_revision.number == 1, "no way back leads to a trial"


def test_somebody_stops_it() -> None:
    put(arguments={"n": 1})
    place()
    tried = put(arguments={"n": 2}, canary=TRY)
    before = AgentConfig.objects.get().tag
    assert tried.config.tag == before
    services.stop_canary(namespace="shop", name="crawler", actor=ADA)
    assert (canary().state, canary().reason, newest()) == ("ended", "stopped by ada", 1)
    assert runs() == dict.fromkeys(("crawler@1", "crawler@2", "crawler@3"), OLD)
    assert AgentConfig.objects.get().tag != before
    with pytest.raises(UnknownError):
        services.stop_canary(namespace="shop", name="crawler", actor=ADA)
    observe("a")
    tick()
    put(arguments={"n": 3}, canary=TRY)
    assert put(arguments={"n": 1}).changed, "applying what is the newest ends it as well"
    assert canary().state == "ended"


def test_where_nothing_runs_there_is_nothing_to_try() -> None:
    put(arguments={"n": 1})
    config_rows.apply()
    applied = put(arguments={"n": 2}, canary=TRY)
    assert (applied.canary, newest()) == (None, 2)


def pool_of(*beside: dict[str, Any]) -> None:
    """The tree makes agents of a template that follows shop/crawler."""
    pool = {
        "strategy": "simple_one_for_one",
        "children": [{"id": "job", "agent": {"config": "shop/crawler"}}],
    }
    document = {
        "version": 1,
        "tree": "shop",
        "supervisor": {"children": [{"id": "pool", "supervisor": pool}, *beside]},
        "placement": {"mode": "every"},
    }
    node("a")
    apply_tree(document=document, message="", actor=ADA)


def test_agents_made_of_one_template_cannot_try_it_and_nothing_is_applied() -> None:
    put(arguments={"n": 1})
    pool_of()
    assert why_none_can(AgentConfig.objects.get()) == "", "nothing runs yet"
    Placing().tick(leader_again())
    with pytest.raises(CannotTryError, match="shop/pool makes its agents of one template"):
        put(arguments={"n": 2}, canary=TRY)
    assert (newest(), AgentConfigRevision.objects.count()) == (1, 1)
    assert put(arguments={"n": 2}).revision.number == 2


def test_beside_a_template_another_agent_tries_it() -> None:
    put(arguments={"n": 1})
    pool_of({"id": "single", "agent": {"config": "shop/crawler"}})
    Placing().tick(leader_again())
    assert why_none_can(AgentConfig.objects.get()) == ""
    put(arguments={"n": 2}, canary=TRY)
    assert canary().key == "shop/single"


def test_a_tree_on_its_way_is_not_disturbed() -> None:
    put(arguments={"n": 1})
    place()
    put(arguments={"n": 2})
    with pytest.raises(UnderWayError, match="tree shop has a rollout under way"):
        put(arguments={"n": 3}, canary=TRY)
    assert AgentConfigRevision.objects.count() == 2


def test_the_others_go_back_to_what_ran_before_the_trial_when_they_cannot_follow() -> None:
    put(arguments={"n": 1})
    place()
    put(arguments={"n": 2}, canary=TRY)
    observe("a", c1={"incarnation": 2})
    tick()
    assert newest() == 2
    ObservedTree.objects.update(ended="it gave up")
    observe("a")
    ObservedTree.objects.update(ended="it gave up")
    ObservedChild.objects.create(
        node=Node.objects.get(), tree="shop", key="shop", child_id="shop", is_supervisor=True, kind="supervisor",
        state="failed", seq=1,
    )  # fmt: skip
    tick()
    assert runs() == dict.fromkeys(("crawler@1", "crawler@2", "crawler@3"), OLD)


def test_an_instance_that_somebody_stopped_tries_nothing() -> None:
    put(arguments={"n": 1})
    place()
    observe("a", c1={"state": "stopped", "wanted": "down"})
    put(arguments={"n": 2}, canary=TRY)
    assert canary().key == "shop/crawler@2"


def test_a_config_with_a_trial_is_named_by_its_tree_and_stays() -> None:
    put(arguments={"n": 1})
    place()
    put(arguments={"n": 2}, canary=TRY)
    with pytest.raises(InUseError):
        services.delete_config(namespace="shop", name="crawler", actor=ADA)
