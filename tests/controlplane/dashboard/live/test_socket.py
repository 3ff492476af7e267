"""The socket in one process: PostgreSQL and Redis are real; the server is asgiref's communicator, which Channels' own one
wraps (importing that one needs Daphne)."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
import redis.asyncio
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import User

from controlplane.access import services as access
from controlplane.access.policy import Role
from controlplane.asgi import application
from controlplane.dashboard.live import service
from controlplane.dashboard.live.consumer import LiveConsumer
from controlplane.dashboard.live.hub import Hub
from supervision.fleet.models import Node
from supervision.journal.models import ObservedChild
from tests.controlplane.dashboard.facts import make_child, make_life, make_node, make_record, make_tree
from tests.controlplane.dashboard.live.browser import Copy
from tests.support import people
from tests.support.database import TestStores

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]

WITHIN_S = 10.0
HOST = b"localhost"


@pytest_asyncio.fixture(autouse=True)
async def live(stores: TestStores, settings: Any) -> AsyncIterator[None]:
    """A hub of this test's own, that reads this test's stores."""
    settings.LIVE_REDIS_URL = stores.redis_url
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [stores.redis_url]},
        }
    }
    service.LIVE.hub = Hub(link=service.site_link)
    yield
    await service.LIVE.stop()
    service.LIVE.sockets.clear()


def cookie_of(name: str, **grants: str) -> bytes:
    """A session's cookie of a new user who holds these roles by tree (`all` for every tree)."""
    owner = people.user(name, *((Role(role), "" if tree == "all" else tree) for tree, role in grants.items()))
    client = people.browser(owner)
    return "; ".join(f"{key}={morsel.value}" for key, morsel in client.cookies.items()).encode()


class Socket:
    """A browser's side of one connection."""

    def __init__(self, cookie: bytes | None, *, origin: bytes | None = b"http://localhost") -> None:
        headers = [(b"host", HOST)]
        headers += [(b"cookie", cookie)] if cookie else []
        headers += [(b"origin", origin)] if origin else []
        scope = {
            "type": "websocket",
            "path": "/ws/live",
            "root_path": "",
            "query_string": b"",
            "headers": headers,
            "subprotocols": [],
            "client": ["127.0.0.1", 40000],
        }
        self.communicator: Any = ApplicationCommunicator(application, scope)  # type: ignore[no-untyped-call]  # asgiref's is half typed
        self.copies: dict[str, Copy] = {}
        self.others: list[dict[str, Any]] = []
        self.code: int | None = None

    async def open(self) -> bool:
        await self.communicator.send_input({"type": "websocket.connect"})
        answer = await self.communicator.receive_output(timeout=WITHIN_S)
        return bool(answer["type"] == "websocket.accept")

    async def say(self, **message: Any) -> None:
        await self.communicator.send_input({"type": "websocket.receive", "text": json.dumps(message)})

    async def sub(self, topic: str, **more: Any) -> None:
        self.copies[topic] = Copy()
        await self.say(op="sub", topics={topic: more})

    async def hear(self) -> None:
        """One message, taken in and acknowledged."""
        message = await self.communicator.receive_output(timeout=WITHIN_S)
        if message["type"] == "websocket.close":
            self.code = message["code"]
            return
        body = json.loads(message["text"])
        copy = self.copies.get(body.get("t", ""))
        if copy is None or body.get("op") in ("refused", "gone", "unsubbed"):
            self.others.append(body)
            return
        copy.take(body)
        if "a" in body:
            await self.say(op="ack", t=body["t"], b=body["b"])

    async def until(self, found: Callable[[], Any]) -> Any:
        async with asyncio.timeout(WITHIN_S):
            while not (value := found()):
                await self.hear()
        return value

    async def close(self) -> None:
        await self.communicator.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.communicator.wait(timeout=WITHIN_S)


@contextlib.asynccontextmanager
async def connected(cookie: bytes | None) -> AsyncIterator[Socket]:
    socket = Socket(cookie)
    assert await socket.open()
    try:
        yield socket
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await socket.close()


def in_thread(work: Callable[..., Any], *args: Any, **kwargs: Any) -> Awaitable[Any]:
    return sync_to_async(work)(*args, **kwargs)


def two_trees() -> Node:
    node = make_node()
    for tree in ("shop", "bank"):
        make_tree(node, tree)
        make_child(node, f"{tree}/web")
    return node


async def test_rows_come_first_and_then_what_changes_after_a_hint(stores: TestStores) -> None:
    node = await in_thread(two_trees)
    async with connected(await in_thread(cookie_of, "ada", all="admin")) as socket:
        await socket.sub("procs", cols=["key", "state", "host"])
        rows = socket.copies["procs"].rows
        await socket.until(lambda: socket.copies["procs"].rows)
        rows = socket.copies["procs"].rows
        assert rows["n1:shop/web"] == {"key": "shop/web", "state": "running", "host": "host-n1"}
        await in_thread(ObservedChild.objects.filter(key="shop/web").update, state="backoff", seq=2, pid=None)
        async with redis.asyncio.Redis.from_url(stores.redis_url) as client:
            await client.publish("overstory:hint", json.dumps({"node": node.pk, "seq": 2}))
        await socket.until(lambda: rows["n1:shop/web"]["state"] == "backoff")
        assert rows["n1:bank/web"]["state"] == "running"


async def test_without_a_hint_a_change_comes_with_the_next_poll_and_a_removed_child_goes() -> None:
    await in_thread(two_trees)
    async with connected(await in_thread(cookie_of, "ada", all="viewer")) as socket:
        await socket.sub("procs")
        await socket.until(lambda: socket.copies["procs"].rows)
        await in_thread(ObservedChild.objects.filter(key="shop/web").update, removed=True, seq=2)
        await socket.until(lambda: list(socket.copies["procs"].rows) == ["n1:bank/web"])


async def test_samples_arrive_and_what_is_not_measured_any_more_is_unknown(stores: TestStores) -> None:
    await in_thread(two_trees)
    async with connected(await in_thread(cookie_of, "ada", all="viewer")) as socket:
        await socket.sub("procs", cols=["key", "cpu", "rss"])
        await socket.until(lambda: socket.copies["procs"].rows)
        rows = socket.copies["procs"].rows
        async with redis.asyncio.Redis.from_url(stores.redis_url) as client:
            body = {"at": 1_800_000_000.5, "key": ["shop/web"], "cpu": [0.5], "rss": [4096]}
            while not await client.publish("overstory:samples:n1", json.dumps(body)):
                await socket.hear()
            await socket.until(lambda: rows["n1:shop/web"]["cpu"] == 0.5)
            assert rows["n1:bank/web"]["cpu"] is None
            await client.publish("overstory:samples:n1", json.dumps({"at": 1_800_000_001.5, "key": []}))
            await socket.until(lambda: rows["n1:shop/web"]["cpu"] is None)
            await client.publish("overstory:samples:n1", b"no message of ours")
            await client.publish("overstory:samples:n1", json.dumps(body | {"at": 1_800_000_002.5}))
            await socket.until(lambda: rows["n1:shop/web"]["rss"] == 4096)


async def test_every_topic_has_rows() -> None:
    node = await in_thread(two_trees)
    await in_thread(make_life, node, "shop/web", 1)
    await in_thread(make_record, node, 1, "stray", body={"pid": 4711, "command": ["sleep"]})
    async with connected(await in_thread(cookie_of, "ada", all="admin")) as socket:
        for topic in ("procs", "tree", "summary", "nodes", "events", "child:shop/web"):
            await socket.sub(topic)
        await socket.until(lambda: all(copy.rows for copy in socket.copies.values()))
        assert socket.copies["summary"].rows["states"]["value"]["running"] == 2
        assert socket.copies["nodes"].rows["n1"]["children"] == 2
        child = socket.copies["child:shop/web"]
        await socket.until(lambda: "life:n1:1" in child.rows and "now:n1" in child.rows)


async def test_a_foreign_origin_does_not_even_get_a_connection() -> None:
    cookie = await in_thread(cookie_of, "ada", all="admin")
    for origin in (b"https://evil.example", b"http://localhost:81", b"null", None):
        assert not await Socket(cookie, origin=origin).open(), origin


async def test_nobody_is_told_to_log_in() -> None:
    socket = Socket(None)
    assert await socket.open()
    await socket.hear()
    assert socket.code == 4401


async def test_a_ninth_socket_of_one_user_is_refused() -> None:
    cookie = await in_thread(cookie_of, "ada", all="viewer")
    async with contextlib.AsyncExitStack() as stack:
        for _number in range(8):
            await stack.enter_async_context(connected(cookie))
        ninth = Socket(cookie)
        assert await ninth.open()
        await ninth.hear()
        assert ninth.code == 4429
    async with connected(cookie) as socket:
        await socket.until(lambda: any(one["op"] == "hello" for one in socket.others))


async def test_a_grant_that_is_revoked_takes_effect_at_once() -> None:
    await in_thread(two_trees)
    async with connected(await in_thread(cookie_of, "ada", shop="viewer", bank="viewer")) as socket:
        await socket.sub("procs")
        await socket.until(lambda: len(socket.copies["procs"].rows) == 2)
        await in_thread(_keep_only_shop)
        await socket.until(lambda: list(socket.copies["procs"].rows) == ["n1:shop/web"])


def _keep_only_shop() -> None:
    owner = User.objects.get(username="ada")
    access.set_grants(user=owner, grants=[(Role.VIEWER, "shop")], actor=people.SOMEBODY)


async def test_who_is_deactivated_is_cut_off_at_once() -> None:
    async with connected(await in_thread(cookie_of, "grace", all="viewer")) as socket:
        await socket.until(lambda: any(one["op"] == "hello" for one in socket.others))
        await in_thread(_deactivate, "grace")
        await socket.until(lambda: socket.code is not None)
        assert socket.code == 4401


def _deactivate(name: str) -> None:
    access.set_active(user=User.objects.get(username=name), active=False, actor=people.SOMEBODY)


async def test_a_viewer_of_one_tree_hears_nothing_of_another() -> None:
    await in_thread(two_trees)
    async with connected(await in_thread(cookie_of, "grace", shop="viewer")) as socket:
        for topic in ("procs", "tree", "events", "summary"):
            await socket.sub(topic)
        await socket.say(op="sub", topics={"nodes": {}, "audit": {}, "child:bank/web": {}})
        await socket.until(lambda: socket.copies["procs"].rows and socket.copies["summary"].rows)
        await socket.until(lambda: len([one for one in socket.others if one["op"] == "refused"]) == 3)
        heard = json.dumps([socket.others, [copy.rows for copy in socket.copies.values()]])
        assert "bank" not in heard.replace("child:bank/web", "").replace("no tree bank,", "")


async def test_with_the_database_away_rows_stay_and_their_age_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    await in_thread(two_trees)
    async with connected(await in_thread(cookie_of, "ada", all="viewer")) as socket:
        await socket.sub("procs")
        await socket.until(lambda: socket.copies["procs"].rows)
        reader = service.LIVE.reader
        assert reader is not None

        async def away(*_args: Any) -> Any:
            raise OSError("connection refused")

        monkeypatch.setattr(reader.store, "rows", away)

        def age() -> float:
            return max((one["ages"]["rows"] for one in socket.others if one["op"] == "beat"), default=0.0)

        await socket.until(lambda: age() > 2.5)
        assert len(socket.copies["procs"].rows) == 2
        assert not service.LIVE.is_current()
        monkeypatch.undo()
        await in_thread(ObservedChild.objects.filter(key="shop/web").update, state="failed", seq=9)
        await socket.until(lambda: socket.copies["procs"].rows["n1:shop/web"]["state"] == "failed")


async def test_a_connection_that_ended_in_the_middle_of_sending_is_not_counted_any_more() -> None:
    consumer = LiveConsumer()
    service.LIVE.admit(1)
    consumer.admitted, consumer.wake = 1, asyncio.Event()
    consumer.task = asyncio.create_task(_fails())
    await asyncio.sleep(0)
    await consumer.disconnect(1006)
    assert service.LIVE.sockets == {}


async def _fails() -> None:
    raise ConnectionResetError
