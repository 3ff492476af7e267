"""Serving below a path of a proxy."""

import asyncio
from typing import Any

import pytest

from controlplane.serving.subpath import SubPath, normal_root


@pytest.mark.parametrize(
    ("text", "root"), [("", ""), ("/", ""), ("a", "/a"), ("/a/", "/a"), ("//a//b/", "/a/b")]
)
def test_a_root_is_written_in_one_way(text: str, root: str) -> None:
    assert normal_root(text) == root


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    ("path", "seen"),
    [("/ops/x", "/ops/x"), ("/x", "/ops/x"), ("/", "/ops/"), ("/ops", "/ops"), ("/opsx", "/ops/opsx")],
)
def test_the_application_sees_the_whole_path_whether_the_proxy_took_the_prefix_off_or_not(
    kind: str, path: str, seen: str
) -> None:
    scopes: list[dict[str, Any]] = []

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        scopes.append(scope)

    asyncio.run(SubPath(application, "/ops")({"type": kind, "path": path, "root_path": ""}, None, None))  # type: ignore[arg-type]
    assert (scopes[0]["path"], scopes[0]["root_path"]) == (seen, "/ops")
