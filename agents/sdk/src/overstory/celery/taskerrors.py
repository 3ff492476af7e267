"""What supervised tasks raise, beside the errors of the channel (overstory.errors)."""

from ..errors import OverstoryError


class NotUnderSupervisor(OverstoryError):  # noqa: N818  the state's name
    """A supervised task is started by a TaskSupervisor, never by `delay` or `apply_async`."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is a supervised task: start it through a TaskSupervisor, which commits it before it is published"
        )


class PoolCannotKill(OverstoryError):  # noqa: N818
    """A timeout has to kill what runs too long, and this worker's pool cannot: use prefork."""


class PoolFull(OverstoryError):  # noqa: N818
    """As many tasks wait in the pool as may."""


class ResultNotJson(OverstoryError):  # noqa: N818
    """A supervised task answers JSON of a bounded size: its outcome is a row."""


class OutcomeTimeout(OverstoryError):  # noqa: N818
    """The task has not ended in time; it goes on."""
