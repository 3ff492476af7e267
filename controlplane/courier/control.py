"""A connection to the node's control socket that is made anew when it is lost; for one thread."""

from typing import Any

from supervision.runtime.client import ControlClient, NodeUnreachableError
from supervision.runtime.paths import Paths


class NodeControl:
    """`call` asks once: what was lost on the way is for the caller to ask again."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._client: ControlClient | None = None

    def client(self) -> ControlClient:
        """Raises ControlError when the node does not answer."""
        if self._client is None:
            self._client = ControlClient(self._paths.control_socket, connect_timeout_s=2.0)
        return self._client

    def call(self, op: str, *, timeout_s: float, **args: Any) -> Any:
        """Raises ControlError; the connection is given up when nothing came."""
        try:
            return self.client().call(op, timeout_s=timeout_s, **args)
        except NodeUnreachableError:
            self.close()
            raise

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
