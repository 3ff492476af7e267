"""What applying a revision will do, step by step."""

from dataclasses import dataclass
from typing import ClassVar

from supervision.kernel.records import Record


@dataclass(frozen=True, slots=True)
class PlanStep(Record):
    """do: `update` (kernel-only fields, in place), `stop`, `start`; `keep` for what is not touched.

    A changed child has two steps, its stop and its start; `summary` makes them one `restart`.
    """

    tag: ClassVar[str] = "plan_step"
    do: str
    key: str
    why: str
