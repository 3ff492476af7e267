"""What a command needs of whoever answers: the node on its socket, or a control plane over REST."""

from types import TracebackType
from typing import Any, Protocol

from supervision.runtime.client import Pending


class Client(Protocol):
    """The part of ControlClient that commands use; supervision/runtime/client.py says what each promises."""

    def __enter__(self) -> "Client": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def close(self) -> None: ...

    def fileno(self) -> int: ...

    def call(self, op: str, *, timeout_s: float | None = None, **args: Any) -> Any: ...

    def begin(self, op: str, **args: Any) -> Pending: ...

    def poll(self, pending: Pending, *, timeout_s: float | None = None) -> bool: ...

    def drain(self) -> None: ...

    def forget(self, pending: Pending) -> None: ...
