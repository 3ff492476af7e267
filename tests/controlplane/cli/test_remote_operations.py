"""Operations of the control socket as requests, against answers that are made here."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from controlplane.cli.remote import operations
from controlplane.cli.remote.http import Answer
from supervision.runtime.client import ControlError


@dataclass
class Answers:
    """A control plane where somebody applies `head` while we look at what was planned against `planned_at`."""

    planned_at: int
    head: int
    sent: list[str] = field(default_factory=list)

    def post(self, path: str, _body: Any) -> Answer:
        made = {"tree": "shop", "digest": "d", "revision": self.planned_at, "changes": True, "nodes": []}
        return Answer(200, {}, made)

    def get(self, path: str) -> Answer:
        return Answer(200, {"etag": f'"{self.head}"'}, {"revision": self.head})

    def request(self, method: str, path: str, *, headers: dict[str, str], **_: Any) -> Answer:
        self.sent.append(f"{method} {path} {headers['If-Match']}")
        return Answer(200, {}, {"revision": self.head + 1})


def test_what_somebody_applied_after_the_plan_is_not_overwritten() -> None:
    api: Any = Answers(planned_at=3, head=4)
    with pytest.raises(ControlError, match="plan again"):
        operations.apply(api, {"spec": {}})
    assert api.sent == []


def test_the_version_that_was_planned_against_goes_along() -> None:
    api: Any = Answers(planned_at=4, head=4)
    assert operations.apply(api, {"spec": {}, "from_revision": 4})["revision"] == 5
    assert api.sent == ['PUT trees/shop "4"']
