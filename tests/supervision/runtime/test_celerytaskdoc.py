"""A Celery task's section as the process that stands for it."""

import json
from typing import Any

import pytest

from supervision.runtime.celerytaskdoc import RUN
from supervision.runtime.fielddoc import DocumentErrors
from supervision.runtime.kinds import body_of
from supervision.runtime.processdoc import Notify, ProcessBody
from supervision.runtime.readiness import REASON


def body(**fields: Any) -> ProcessBody:
    return body_of(
        {"kind": "celery_task", "celery_task": {"app": "shop.celery:app", "task": "shop.charge", **fields}}
    )


def test_it_is_a_process_that_loads_the_application_and_is_told_the_task() -> None:
    made = body(
        python="/venv/bin/python", args=[5.0], kwargs={"a": 1}, queue="pay", timeout="30s", start_within="1m"
    )
    assert made.command == ("/venv/bin/python", RUN, "shop.celery:app")
    assert json.loads(made.told["OVERSTORY_TASK"]) == {
        "task": "shop.charge", "queue": "pay", "timeout": 30.0, "start_within": 60.0, "max_attempts": 5,
    }  # fmt: skip
    assert (made.told["OVERSTORY_TASK_ARGS"], made.told["OVERSTORY_TASK_KWARGS"]) == ("[5.0]", '{"a": 1}')
    assert (made.readiness, made.readiness_deadline_s, made.tells_reason) == (Notify(), None, True)


def test_arguments_of_the_greatest_size_fit_into_the_environment() -> None:
    made = body(args=["x" * 60_000], kwargs={"a": "x" * 60_000})
    assert all(len(value) < 2**17 for value in made.told.values())


def test_a_faulty_section_is_refused() -> None:
    with pytest.raises(DocumentErrors, match="max_attempts"):
        body(max_attempts=0)


@pytest.mark.parametrize(
    "word",
    [
        "normal",
        "shutdown",
        "timeout",
        "lost",
        "signal(9)",
        "exception(ValueError)",
        "start_failed(no worker)",
    ],
)
def test_a_child_may_say_the_words_of_the_glossary(word: str) -> None:
    assert REASON.fullmatch(word)


@pytest.mark.parametrize(
    "word", ["", "fine", "signal(x)", "exception()", "exception(a b)", "start_failed(\n)"]
)
def test_and_no_others(word: str) -> None:
    assert not REASON.fullmatch(word)
