"""Real and in-memory templates keep the same promises."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from supervision.runtime.forking import Forking, TemplateKey
from supervision.runtime.template_port import FakeTemplates, TemplatePort
from tests.supervision.runtime.forking import Answer, Yard, end, order_for

THREADED = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"


class Contract:
    """Templates of one kind: how to wait for them, and how to have one that is not ready, or cannot be forked."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.directory = directory
        self.answers: list[Answer] = []
        self.yard: Yard | None = None
        self.port: TemplatePort
        if kind == "real":
            self.yard = Yard(directory, {"threaded": THREADED})
            self.port = self.yard.templates
        else:
            self.fake = FakeTemplates(ready=False)
            self.port = self.fake

    def key(self, *modules: str) -> TemplateKey:
        if self.yard is not None:
            return self.yard.key(*modules)
        if "threaded" in modules:
            self.fake.refuse = "importing threaded starts the thread x"
        return TemplateKey.of(Forking("", "/p", modules, 0), cwd="/", user=None, environment={})

    def order(self, *modules: str, **more: Any) -> Answer:
        answer = order_for(self.directory, self.key(*modules), **more)
        self.answers.append(answer)
        return answer

    def until(self, done: Callable[[], Any]) -> None:
        if self.yard is not None:
            self.yard.until(done)
            return
        if not done():
            self.fake.let_start()
        assert done()

    def spares(self) -> None:
        """Let what is to wait as a spare do so."""
        if self.yard is not None:
            pool = self.yard.pool()
            self.yard.wait_spares(pool["spares_wanted"])
        else:
            self.fake.refill()

    def close(self) -> None:
        for answer in self.answers:
            for process in answer.forked:
                if self.yard is not None:
                    end(process)
        if self.yard is not None:
            self.yard.close()


@pytest.fixture(params=["real", "fake"])
def contract(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Contract]:
    made = Contract(request.param, tmp_path)
    yield made
    made.close()


def test_an_order_waits_for_its_template_and_is_answered_once(contract: Contract) -> None:
    first, second = contract.order(), contract.order(name="t/b")
    assert not contract.port.start(first.order)
    assert not contract.port.start(second.order)
    assert not first.is_there
    contract.until(lambda: first.is_there and second.is_there)
    assert first.process.pid != second.process.pid
    assert first.process.source == "template"
    assert first.process.template is not None
    third = contract.order(name="t/c")
    assert contract.port.start(third.order)  # it is ready now
    contract.until(lambda: third.is_there)
    contract.port.reap(third.process.template or 0, third.process.pid)


def test_spares_are_taken_over_while_there_are_some_and_then_the_template_forks(contract: Contract) -> None:
    first = contract.order(spares=2)
    contract.port.start(first.order)
    contract.until(lambda: first.is_there)
    contract.spares()
    sources = []
    for number in range(3):
        answer = contract.order(name=f"t/b@{number}")
        contract.port.start(answer.order)
        contract.until(lambda answer=answer: answer.is_there)  # type: ignore[misc]  # mypy sees no default of a lambda
        sources.append(answer.process.source)
    assert sources == ["spare", "spare", "template"]


def test_what_is_not_wanted_any_more_is_not_forked_if_it_was_not_yet(contract: Contract) -> None:
    first, second = contract.order(), contract.order(name="t/b")
    contract.port.start(first.order)
    contract.port.start(second.order)
    assert contract.port.cancel(first.order)
    contract.until(lambda: second.is_there)
    contract.port.drain()
    assert not first.is_there
    assert not contract.port.cancel(second.order)


def test_what_cannot_be_forked_is_refused_by_name(contract: Contract) -> None:
    answer = contract.order("threaded", "shop")
    contract.port.start(answer.order)
    contract.until(lambda: answer.is_there)
    assert "importing threaded starts the thread" in answer.refused[0]
    again = contract.order("threaded", "shop", name="t/b")
    assert contract.port.start(again.order)  # at once
    assert again.refused == answer.refused
