"""When a child is ready, late, no longer petting, or done with a reload."""

from dataclasses import dataclass, field

from supervision.runtime.run import Run
from tests.supervision.runtime.driver_stage import Stage
from tests.supervision.runtime.fake_table import exited


@dataclass
class Probed:
    """Who would probe."""

    under_way: set[int] = field(default_factory=set)

    def begin(self, run: Run) -> None:
        self.under_way.add(run.incarnation)

    def ready(self, run: Run) -> None:
        self.end(run)

    def end(self, run: Run) -> None:
        self.under_way.discard(run.incarnation)


def test_a_child_that_is_not_ready_in_time_has_failed_to_start(stage: Stage) -> None:
    stage.driver.deadlines.probes = probes = Probed()
    stage.start(readiness={"notify": True, "deadline": "10s"})
    assert probes.under_way == {1}
    stage.later(9.9)
    assert stage.events.take() == ["started main"]
    stage.later(0.2)
    assert stage.events.take() == ["exited start_failed(not ready within 10 s)"]
    assert probes.under_way == set()


def test_a_child_is_ready_once_and_its_deadline_is_over_then(stage: Stage) -> None:
    stage.driver.deadlines.probes = probes = Probed()
    stage.start(readiness={"notify": True, "deadline": "10s"})
    stage.driver.deadlines.mark_ready(stage.run)
    stage.driver.deadlines.mark_ready(stage.run)
    stage.later(100)
    assert stage.events.take() == ["started main", "ready"]
    assert (stage.timers(), probes.under_way) == (0, set())


def test_a_stopping_child_is_neither_probed_nor_late(stage: Stage) -> None:
    stage.driver.deadlines.probes = probes = Probed()
    stage.start(readiness={"notify": True, "deadline": "10s"}, watchdog="1s")
    stage.signal()
    assert probes.under_way == set()
    stage.later(100)
    assert stage.leader.killed_for is None


def test_a_child_that_stops_petting_is_killed_for_it(stage: Stage) -> None:
    stage.start(watchdog="2s")
    for _ in range(5):
        stage.later(1.5)
        stage.driver.deadlines.pet(stage.run)
    stage.later(1.9)
    assert stage.events.take() == ["started main"]
    stage.later(0.2)
    assert stage.events.take() == ["exited watchdog"]


def test_however_often_a_child_pets_there_is_one_timer(stage: Stage) -> None:
    stage.start(watchdog="1h")
    for _ in range(10_000):
        stage.driver.deadlines.pet(stage.run)
    assert len(stage.loop._timers) == 1
    stage.later(3599)
    stage.driver.deadlines.pet(stage.run)
    stage.later(3599)
    assert stage.events.take() == ["started main"]


def test_a_watchdog_of_a_life_that_ended_bites_no_other(stage: Stage) -> None:
    stage.start(watchdog="2s")
    stage.later(1.5)
    stage.end(exited(1))
    stage.start()
    stage.later(1.9)
    assert stage.leader.killed_for is None


def test_those_who_wait_for_a_reload_are_told_once_how_it_went(stage: Stage) -> None:
    told: list[str] = []
    stage.start()
    stage.run.on_reloaded += (told.append,)
    stage.driver.deadlines.reloaded(stage.run)
    stage.driver.deadlines.reloaded(stage.run)
    stage.run.on_reloaded += (told.append,)
    stage.end(exited(1))
    assert told == ["", "it ended"]
