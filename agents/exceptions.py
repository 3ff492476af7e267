"""What the fleet members' rooms refuse, named for what the caller can do about it."""

from collections.abc import Sequence

from supervision.exceptions import SupervisionError
from supervision.trees.exceptions import Fault


class AgentsError(SupervisionError):
    """An agent's row was refused."""


class UnknownError(AgentsError):
    """There is no such thing."""


class ChangedMeanwhileError(AgentsError):
    """It was changed meanwhile: look again, then decide."""


class InUseError(AgentsError):
    """Others depend on it; `users` names them."""

    def __init__(self, words: str, users: Sequence[str]) -> None:
        super().__init__(words)
        self.users = tuple(users)


class UnderWayError(AgentsError):
    """Something else is under way: wait for its end, or end it."""


class CannotTryError(AgentsError):
    """No agent can try a revision before the others: apply it to all at once."""


class TooLargeError(AgentsError):
    """It is larger than its bound; `pointer` says what."""

    def __init__(self, pointer: str, words: str) -> None:
        super().__init__(words)
        self.pointer = pointer


class InvalidConfigError(AgentsError):
    """A config, or an agent kind, is not valid; `faults` names each fault."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.pointer}: {fault.detail}" for fault in faults))
