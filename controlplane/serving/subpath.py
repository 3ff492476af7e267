"""Serving below a path of a reverse proxy: `OVERSTORY_ROOT_PATH=/overstory`.

Some proxies hand the whole path on, some take the prefix off. Both are right here: the application always sees the whole
path with `root_path` naming the part that is not its own, as Django and Channels expect it.
"""

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

Scope = dict[str, Any]  # Any, here and below: an ASGI scope and its messages, as the specification has them
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]


def normal_root(text: str) -> str:
    """`/a/b` for `a/b/`, `/a/b/` and the like; empty for the top."""
    parts = [part for part in text.split("/") if part]
    return "/" + "/".join(parts) if parts else ""


class SubPath:
    """Put `root` before paths that lack it, and name it in the scope."""

    def __init__(self, application: Application, root: str) -> None:
        self._application = application
        self._root = normal_root(root)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._root and scope["type"] in ("http", "websocket"):
            scope = {**scope, "path": self._whole(scope["path"]), "root_path": self._root}
        await self._application(scope, receive, send)

    def _whole(self, path: str) -> str:
        if path == self._root or path.startswith(self._root + "/"):
            return path
        return self._root + path
