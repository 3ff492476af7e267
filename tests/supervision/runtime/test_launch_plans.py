"""The next life of a child, put together beforehand, is the life that its whole plan gives."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime.kinds import body_of
from supervision.runtime.launch import Launcher
from supervision.runtime.launch_plans import LaunchPlans
from supervision.runtime.launch_spec import NextLife
from supervision.runtime.listeners import Listeners
from supervision.runtime.nodesettings import AllowList
from supervision.runtime.output import OutputStore
from supervision.runtime.run import Run
from tests.supervision.runtime.spawning import await_end, launcher
from tests.support.leftovers import own_children

KEY = "t/a"


@pytest.fixture
def start() -> Iterator[Launcher]:
    made = launcher()
    yield made
    made.close()


def plans(directory: Path, reporting: Callable[..., dict[str, str]] = lambda *_: {}) -> LaunchPlans:
    return LaunchPlans(
        output=OutputStore(directory),
        listeners=Listeners(None, {}),
        cgroup=None,
        node_id="0123456789abcdef",
        notify_path="/run/notify",
        agent_path="/run/agent",
        environment={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"},
        allow=AllowList(root_children=True),
        as_root=False,
        reporting=reporting,
    )


def life(number: int, source: Mapping[str, Any], body: Any = None) -> Run:
    return Run(KEY, number, body or body_of(source), source)


def source(**process: Any) -> dict[str, Any]:
    return {"kind": "process", "process": {"command": ["/usr/bin/env"], **process}}


def said(made: LaunchPlans, started: tuple[int, int], number: int) -> list[str]:
    os.close(started[1])
    assert await_end(started[0]) == 0
    return sorted(Path(made.output.names(KEY, number)[0]).read_text().splitlines())


def after(first: Run, made: LaunchPlans, start: Launcher) -> NextLife | None:
    """The life behind `first`, whose plan was carried out."""
    made.keep(first, made.plan(first, None), start.prebuild)
    return made.next_life(life(first.incarnation + 1, first.source, first.body))


@pytest.mark.parametrize(
    "process",
    [{}, {"environment": {"LANG": "de", "OWN": "ü=1"}, "limits": {"nofile": 100}, "cwd": "/usr"}],
    ids=["bare", "much"],
)
def test_it_has_the_environment_of_its_plan(start: Launcher, tmp_path: Path, process: dict[str, Any]) -> None:
    made = plans(tmp_path, lambda key, number, *_: {"SENTRY_DSN": f"dsn of {key} {number}"})
    made.output.make_directory(KEY)
    first = life(6, source(**process))
    following = after(first, made, start)
    assert following is not None
    quick = said(made, start.start_next(following, child_first=False) or (0, 0), 7)
    whole = said(made, start.start(made.plan(life(7, first.source, first.body), None)), 7)
    assert len(whole) == 2 * len(quick)  # the second appends to the file of the first
    assert sorted(quick * 2) == whole
    assert "OVERSTORY_INCARNATION=7" in quick
    assert "SENTRY_DSN=dsn of t/a 7" in quick


def test_a_place_of_its_own_for_errors_stays(start: Launcher, tmp_path: Path) -> None:
    asked: list[Any] = []

    def reporting(*life: Any) -> dict[str, str]:
        asked.append(life)
        return {}

    made = plans(tmp_path, reporting)
    made.output.make_directory(KEY)
    following = after(life(1, source(environment={"SENTRY_DSN": "mine"})), made, start)
    assert following is not None
    assert "SENTRY_DSN=mine" in said(made, start.start_next(following, child_first=False) or (0, 0), 2)
    assert asked[-1][-1] == {"SENTRY_DSN": "mine"}


@pytest.mark.parametrize(
    "process", [{"nice": 1}, {"environment": {"A": {"secret": "A_KEY"}}}], ids=["shim", "secret"]
)
def test_what_needs_more_than_the_plain_spawn_has_a_plan_for_each_life(
    start: Launcher, tmp_path: Path, process: dict[str, Any]
) -> None:
    made = plans(tmp_path)
    made.secrets = {"OVERSTORY_SECRET_A_KEY": "x"}
    assert after(life(1, source(**process)), made, start) is None


def test_a_new_revision_is_prepared_anew(start: Launcher, tmp_path: Path) -> None:
    made = plans(tmp_path)
    assert after(life(1, source()), made, start) is not None
    assert made.next_life(life(3, source())) is None
    made.forget(KEY)
    assert made.next_life(life(4, source())) is None


def test_where_it_fails_nothing_is_left(start: Launcher, tmp_path: Path) -> None:
    made = plans(tmp_path)
    made.output.make_directory(KEY)
    following = after(life(1, source(command=["/no/such"])), made, start)
    assert following is not None
    before = own_children()
    assert start.start_next(following, child_first=False) is None
    assert own_children() == before
