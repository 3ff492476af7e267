"""What a worker knows of its messages when their connection is lost: whose they are then, and how much room they take."""

import pytest
from overstory.celery import held
from overstory.celery.held import Held, Stage, Table


def table(*stages: Stage) -> Table:
    made = Table()
    for number, stage in enumerate(stages):
        made.take(Held(str(number), f"task {number}", "shop.nap", stage=stage))
    return made


def test_what_a_pool_child_was_given_is_left_to_it_and_what_it_was_not_goes_back() -> None:
    made = table(Stage.RESERVED, Stage.RESERVED, Stage.RUNNING, Stage.ENDED)
    made.connection_lost({"1"})
    assert [each.stage for each in made] == [Stage.RESERVED, Stage.HANDED, Stage.RUNNING, Stage.ENDED]
    assert [each.is_in_hand for each in made] == [False, True, True, False]
    made.connection_lost()  # again, and the child has died meanwhile
    assert [each.is_in_hand for each in made] == [False, False, True, False]


def test_a_pool_child_that_died_has_nothing_in_hand() -> None:
    made = table(Stage.RUNNING)
    (one,) = made
    one.lost = True
    assert not one.is_in_hand


def test_only_what_came_through_a_channel_that_is_gone_is_left_over() -> None:
    made = table(Stage.RUNNING, Stage.RUNNING)
    assert made.left_over == 0
    made.connection_lost()
    made.take(Held("new", "task", "shop.nap", stage=Stage.RUNNING))
    assert made.left_over == 2
    made.drop("0")
    made.drop("1")
    assert made.left_over == 0
    assert len(made) == 1


def test_what_ended_for_good_is_remembered_and_what_is_retried_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(held, "REMEMBERED", 2)
    made = table(Stage.ENDED, Stage.ENDED, Stage.ENDED, Stage.ENDED)
    for each in made:
        each.final = each.tag != "3"
        made.end(each)
    assert [made.has_ended(tag) for tag in "0123"] == [False, True, True, False]
    assert len(made) == 0
