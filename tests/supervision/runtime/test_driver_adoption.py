"""How a driver goes on with children that another node started."""

import signal
from collections.abc import Callable
from typing import Any

import pytest

from supervision.runtime.run import MAIN, POST_STOP, PRE_START, Run
from tests.supervision.runtime.driver_stage import (
    AFTER,
    BEFORE,
    JOBS,
    KEY,
    PROGRAM,
    Stage,
    body,
)
from tests.supervision.runtime.fake_table import exited

Adopt = Callable[..., Run]


@pytest.fixture
def adopt(stage: Stage) -> Adopt:
    def adopt(section: dict[str, Any], *, lives: bool = True, **how: Any) -> Run:
        role = how.get("stage", MAIN)
        leader = stage.table.living(KEY, 4, role)
        if not lives:
            leader.ended = True
        stage.incarnation = 4
        run = stage.driver.adopt(KEY, 4, body(**section), leader, **how)
        stage.driver.resume(run)
        return run

    return adopt


def test_an_adopted_child_is_nobodys_news_and_ends_like_any_other(stage: Stage, adopt: Adopt) -> None:
    adopt({}, ready=True)
    assert stage.events.take() == []
    stage.end(exited(2))
    assert stage.events.take() == ["exited exit(2)"]


def test_a_watchdog_begins_anew_at_adoption(stage: Stage, adopt: Adopt) -> None:
    adopt({"watchdog": "2s"}, ready=True)
    stage.later(1.9)
    assert stage.events.take() == []
    stage.later(0.2)
    assert stage.events.take() == ["exited watchdog"]


def test_a_child_that_was_not_ready_has_its_whole_deadline_again(stage: Stage, adopt: Adopt) -> None:
    adopt({"readiness": {"notify": True, "deadline": "10s"}})
    stage.later(9.9)
    stage.driver.deadlines.mark_ready(stage.run)
    assert stage.events.take() == ["ready"]


def test_what_was_asked_to_stop_is_asked_once_more(stage: Stage, adopt: Adopt) -> None:
    adopt({"watchdog": "2s", "stop_signal": "INT"}, asked=True, ready=True)
    assert stage.table.sent == [("main", signal.SIGINT), ("main", signal.SIGCONT)]
    stage.later(5)
    stage.end(signal.SIGINT)
    assert stage.events.take() == ["exited shutdown"]


def test_a_command_goes_on_where_it_was(stage: Stage, adopt: Adopt) -> None:
    adopt(JOBS, stage=PRE_START, job=1)
    stage.end()
    assert stage.program == PROGRAM
    assert stage.events.take() == ["stage main", "ready"]


def test_an_adopted_command_has_its_limit(stage: Stage, adopt: Adopt) -> None:
    adopt({"pre_start": [{"command": [BEFORE], "timeout": "2s"}]}, stage=PRE_START)
    stage.later(2.1)
    assert stage.events.take() == [f"exited start_failed(pre_start `{BEFORE}`: timeout)"]


def test_how_the_process_ended_is_still_known_when_what_follows_is_adopted(
    stage: Stage, adopt: Adopt
) -> None:
    adopt(JOBS, stage=POST_STOP, job=1, reason="exit(9)")
    stage.end()
    assert stage.events.take() == ["exited exit(9)"]


def test_one_that_ended_while_no_node_lived_goes_on_from_its_end(stage: Stage, adopt: Adopt) -> None:
    run = adopt(JOBS, lives=False)
    assert stage.table.sent == []
    leader = run.leader
    assert leader is not None
    leader.ended = False
    stage.table.end(leader, None)
    assert stage.program == AFTER
    stage.end()
    stage.end()
    assert stage.events.take()[-1] == "exited lost"


def test_adoption_reads_no_file_and_asks_for_no_secret(stage: Stage, adopt: Adopt) -> None:
    section = {"environment": {"A": {"secret": "GONE"}}, "environment_files": ["/no/such/file"]}
    adopt({**section, "post_stop": [[AFTER]]}, ready=True)
    stage.end(exited(1))
    assert stage.events.take() == ["exited exit(1)"], "what follows could not be started without it"
