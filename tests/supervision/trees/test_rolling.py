from supervision.trees.rolling import Advance, Bounds, Place, Standing, advance

BOUNDS = Bounds(max_unavailable=2, ready_deadline_s=30)


def places(*standings: Standing, since: float = 100.0) -> list[Place]:
    return [
        Place(number, f"n{number}", standing, since, "web is starting")
        for number, standing in enumerate(standings)
    ]


def test_begins_with_as_many_places_as_may_be_unavailable() -> None:
    assert advance(places(*[Standing.OLD] * 5), BOUNDS, 100.0) == Advance(move=(0, 1))


def test_waits_while_so_many_are_on_their_way() -> None:
    assert advance(places(Standing.COMING, Standing.COMING, Standing.OLD), BOUNDS, 110.0) == Advance()


def test_goes_on_when_one_is_ready() -> None:
    assert advance(places(Standing.READY, Standing.COMING, Standing.OLD), BOUNDS, 110.0) == Advance(move=(2,))


def test_is_done_when_all_are_ready() -> None:
    assert advance(places(Standing.READY, Standing.READY), BOUNDS, 110.0) == Advance(done=True)
    assert advance([], BOUNDS, 110.0) == Advance(done=True)


def test_does_not_wait_for_a_node_that_is_down() -> None:
    assert advance(places(Standing.READY, Standing.AWAY), BOUNDS, 999.0) == Advance(done=True)


def test_fails_at_the_deadline_of_a_place() -> None:
    late = places(Standing.COMING, Standing.OLD)
    assert advance(late, BOUNDS, 129.9).done is None
    assert advance(late, BOUNDS, 130.0) == Advance(
        done=False, reason="on n0 not ready after 30 s: web is starting"
    )


def test_fails_at_once_when_a_supervisor_gave_up() -> None:
    step = advance(places(Standing.READY, Standing.FAILED, Standing.OLD), BOUNDS, 101.0)
    assert (step.done, step.reason) == (False, "on n1: web is starting")
