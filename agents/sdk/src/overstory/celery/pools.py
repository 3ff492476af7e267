"""Task pools: one per kind of work, with a bound on what waits and a rule for what comes past it.

    mail = TaskPool("mail", shop, max_waiting=1000, overflow="refuse", budget=0.2)
    mail.start_child(send, letter)

The bound is counted over rows, in the transaction that commits the start: it holds for all programs together. How many run
at a time is the concurrency of the workers that consume the pool's queue.
"""

from typing import Any, Literal, get_args

from .supervisors import Handle, Started, TaskSupervisor
from .transporting import Transport

Overflow = Literal["refuse", "drop_oldest", "drop_newest"]


class TaskPool(TaskSupervisor):
    """A supervisor whose waiting tasks are bounded.

    overflow  `refuse`: the start raises PoolFull; `drop_oldest`: what waits longest is revoked for the new one;
              `drop_newest`: the new one is on record as revoked and never runs
    policy    as of TaskSupervisor: `backoff`, `budget`, `intensity`, ... for all tasks of the pool
    """

    def __init__(
        self,
        name: str,
        supervisor: TaskSupervisor,
        *,
        max_waiting: int,
        overflow: Overflow = "refuse",
        transport: Transport | None = None,
        **policy: Any,
    ) -> None:
        if max_waiting < 1:
            raise ValueError("at least one task may wait")
        if overflow not in get_args(Overflow):
            raise ValueError(f"overflow is one of {', '.join(get_args(Overflow))}")
        bound = {"pool": {"max_waiting": max_waiting, "overflow": overflow}}
        full = {**supervisor._policy, **policy, **bound}
        super().__init__(f"{supervisor.name}.{name}", supervisor._app, transport=transport, **full)
        self.max_waiting, self.overflow = max_waiting, overflow


__all__ = ["Handle", "Overflow", "Started", "TaskPool"]
