"""What a request takes down: said before, and compared with what the kernel then does."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from supervision.kernel.actions import Action, Kill, Signal
from supervision.kernel.blast import Affected, Deed, Member, blast_radius
from supervision.kernel.events import RestartKey, StopKey
from supervision.kernel.spec import SupervisorSpec
from tests.supervision.kernel.fleet import Fleet, killed, signalled
from tests.supervision.kernel.strategies import OTP, trees


def observed(fleet: Fleet) -> list[Member]:
    return [
        Member(
            view.key,
            view.supervisor or "",
            position,
            view.state,
            str(view.spec.supervisor.strategy) if view.spec.supervisor is not None else "",
        )
        for position, view in enumerate(fleet.kernel.children())
    ]


@settings(max_examples=300, deadline=None)
@given(trees(OTP, root=False), st.data())
def test_a_stop_or_restart_ends_exactly_what_was_said_in_that_order(
    spec: SupervisorSpec, data: st.DataObject
) -> None:
    fleet = Fleet.of(spec)
    members = observed(fleet)
    key = data.draw(st.sampled_from([member.key for member in members]))
    stop = data.draw(st.booleans())
    said = [one.key for one in blast_radius(members, key, Deed.STOP) if one.key in fleet.processes]
    assert said == [one.key for one in blast_radius(members, key, Deed.RESTART) if one.key in fleet.processes]
    actions = fleet.ask(StopKey(key) if stop else RestartKey(key))
    assert sorted({*signalled(actions), *killed(actions)}) == sorted(said)
    assert list(dict.fromkeys(_ended(actions))) == said


def _ended(actions: Sequence[Action]) -> list[str]:
    return [one.key for one in actions if isinstance(one, Signal | Kill)]


@settings(max_examples=300, deadline=None)
@given(trees(OTP, root=False), st.data())
def test_an_exit_ends_exactly_what_was_said(spec: SupervisorSpec, data: st.DataObject) -> None:
    fleet = Fleet.of(spec)
    if not fleet.processes:
        return
    members = observed(fleet)
    key = data.draw(st.sampled_from(sorted(fleet.processes)))
    view = fleet.kernel.child(key)
    assert view is not None
    parent = fleet.kernel.child(view.supervisor or "")
    assert parent is not None
    assert parent.spec.supervisor is not None
    if view.spec.restart == "temporary" or parent.spec.supervisor.intensity == 0:
        return  # not restarted, or the supervisor ends: nothing is said of that here
    said = [
        one.key
        for one in blast_radius(members, key, Deed.EXIT)
        if one.key in fleet.processes and one.key != key
    ]
    actions = fleet.exit(key)
    assert list(dict.fromkeys(_ended(actions))) == said


def test_what_is_not_alive_is_not_named_and_an_unknown_key_takes_nothing() -> None:
    members = [
        Member("shop", "", 0, "running", "one_for_all"),
        Member("shop/a", "shop", 1, "running"),
        Member("shop/b", "shop", 2, "stopped"),
        Member("shop/c", "shop", 3, "running"),
    ]
    assert blast_radius(members, "shop/a", "exit") == [
        Affected("shop/c", "one_for_all"),
        Affected("shop/a", "itself"),
    ]
    assert blast_radius(members, "shop/none", "stop") == []
    assert [one.key for one in blast_radius(members, "shop", "stop")] == ["shop/c", "shop/a", "shop"]
