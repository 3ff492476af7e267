"""Checkpoints of the programs: saved and loaded on this node, and carried to the store so that another node can load them.

A save is answered when the state is on disk. What is on its way to the store is an event of the spool; each child's newest
state goes at most every CARRY_EVERY_S, so a node that is lost takes that much with it. A load asks the store only where the
child may have lived elsewhere since: its tree was placed here under another epoch than the one that was saved under.
"""

import asyncio
import base64
import contextlib
import errno
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

from supervision.runtime import gateway_wire as wire
from supervision.runtime.checkpoint_files import CheckpointFiles, Found, Kept, Meta, StaleIncarnation
from supervision.runtime.clock import Clock
from supervision.runtime.gateway_spool import Sender
from supervision.runtime.gateway_wire import Refusal

THREADS = 4
CARRY_EVERY_S = 5.0
CARRY_MAX_BYTES = 8 * 1024 * 1024
"""A larger state stays on its node: only that there is one is carried."""
FETCH_LIMIT_S = 3.0
MAX_SCHEMA = 2**31 - 1
MAX_KEPT = 1000
SAVED, CORRUPT = "checkpoint.saved", "checkpoint.corrupt"
FETCH = "checkpoint.fetch"
CONTENTS = ("json", "bytes")

Say = Callable[[str, int, str, dict[str, Any]], None]
"""(key, incarnation, kind, body): an event in the name of a child."""
Fetch = Callable[[Sender, float], Awaitable[dict[str, Any]]]
"""Asks the store for the newest state that it has: `{"result": {"checkpoint"}}` or `{"error"}`."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How much is kept of a child's states, by its tree."""

    keep: int = 3
    max_age_s: float | None = None
    max_bytes: int = 1024 * 1024

    @classmethod
    def of(cls, section: Any) -> "Policy":
        """From the `checkpoint` part of an agent's section; defaults for what it does not say."""
        section = section if isinstance(section, Mapping) else {}
        age = section.get("max_age")
        return cls(
            keep=min(int(section.get("keep", 3)), MAX_KEPT),
            max_age_s=None if age is None else float(age),
            max_bytes=min(int(section.get("max_bytes", 1024 * 1024)), wire.MAX_PAYLOAD),
        )


class Checkpoints:
    """See the module's docstring. Made inside the running loop."""

    def __init__(self, files: CheckpointFiles, clock: Clock, *, say: Say, fetch: Fetch | None) -> None:
        self.files = files
        self._clock, self._say, self._fetch = clock, say, fetch
        self._threads = ThreadPoolExecutor(  # audit: ignore[SUP107] it ends with the process
            THREADS, thread_name_prefix="checkpoints"
        )
        self._locks: dict[str, asyncio.Lock] = {}
        self._carried_at: dict[str, float] = {}
        self._carrying: set[asyncio.Task[None]] = set()
        self._due: set[str] = set()

    # -- what programs ask ------------------------------------------------------------------------------------------

    async def save(
        self, sender: Sender, policy: Policy, fields: Mapping[str, Any], data: bytes
    ) -> dict[str, Any]:
        """Keep `data`; `{"result": {"version"}}` once it is on disk. Refusal."""
        schema = wire.number(fields, "schema")
        content = fields.get("content", "json")
        if schema > MAX_SCHEMA or content not in CONTENTS:
            raise Refusal("bad_request", "schema is a number, content is json or bytes")
        if len(data) > policy.max_bytes:
            raise Refusal(
                "too_large",
                f"{len(data)} bytes are more than the {policy.max_bytes} that this agent may keep",
            )
        meta = Meta(1, sender.incarnation, sender.epoch, schema, content, self._clock.wall())
        kept = Kept(policy.keep, policy.max_age_s)
        async with self._lock(sender.key):
            saved = await self._in_thread(lambda: self.files.save(sender.key, meta, data, kept))
        self._carry_soon(sender.key)
        return {"result": {"version": saved.version}}

    async def load(self, sender: Sender) -> dict[str, Any]:
        """The newest whole state: `{"result": meta, "payload": data}`, or `{"result": {}}` where there is none. Refusal."""
        async with self._lock(sender.key):
            found = await self._in_thread(lambda: self.files.load(sender.key, sender.incarnation))
            for version, why in found.corrupt:
                fallback = found.meta.version if found.meta is not None else None
                body = {"version": version, "why": why, "fallback": fallback}
                self._say(sender.key, sender.incarnation, CORRUPT, body)
            if self._fetch is not None and not self._is_ours_alone(sender, found):
                found = await self._with_the_stores(sender, found, self._fetch)
        if found.meta is None:
            return {"result": {}}
        return {"result": asdict(found.meta), "payload": found.data}

    def _is_ours_alone(self, sender: Sender, found: Found) -> bool:
        """Nobody else can have saved since: the tree has been here under this very placement."""
        if found.meta is not None and found.meta.epoch == sender.epoch:
            return True
        return self.files.asked(sender.key) == sender.epoch

    async def _with_the_stores(self, sender: Sender, found: Found, fetch: Fetch) -> Found:
        answer = await fetch(sender, FETCH_LIMIT_S)
        error = answer.get("error")
        if error is not None:
            if error.get("code") == "unknown_question" or found.meta is not None:
                return found  # better what is here than nothing while the store is away
            raise Refusal(
                "store_unavailable",
                "no checkpoint is on this node, and the store cannot be asked: " + error["message"],
            )
        theirs = _of_store((answer.get("result") or {}).get("checkpoint"))
        ours = found.meta
        if theirs is not None and (ours is None or _order(theirs[0]) > _order(ours)):
            meta = replace(theirs[0], incarnation=sender.incarnation, epoch=sender.epoch)
            saved = await self._in_thread(
                lambda: self.files.save(sender.key, meta, theirs[1], Kept(MAX_KEPT))
            )
            found = Found(replace(theirs[0], version=saved.version), theirs[1])
        await self._in_thread(lambda: self.files.set_asked(sender.key, sender.epoch))
        return found

    # -- children that are no more ----------------------------------------------------------------------------------

    async def forget(self, key: str) -> None:
        """Carry what is not carried yet, then keep nothing."""
        async with self._lock(key):
            self._due.discard(key)
            with contextlib.suppress(Refusal):
                await self._carry(key)
                await self._in_thread(lambda: self.files.forget(key))
        self._locks.pop(key, None)
        self._carried_at.pop(key, None)

    # -- carrying ---------------------------------------------------------------------------------------------------

    async def carry_left_over(self) -> None:
        """What a gateway that was killed had not carried."""
        for key in await self._in_thread(lambda: list(self.files.keys())):
            self._carry_soon(key)

    def _carry_soon(self, key: str) -> None:
        if key in self._due:
            return
        self._due.add(key)
        task = asyncio.get_running_loop().create_task(self._carry_in_time(key))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry_in_time(self, key: str) -> None:
        wait_s = self._carried_at.get(key, 0.0) + CARRY_EVERY_S - self._clock.boot()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        if key in self._due:
            self._due.discard(key)
            self._carried_at[key] = self._clock.boot()
            with contextlib.suppress(Refusal):  # a full disk: with the next save
                await self._carry(key)

    async def _carry(self, key: str) -> None:
        """Put the newest state into the spool, unless it is there."""
        found = await self._in_thread(lambda: self._to_carry(key))
        if found is None:
            return
        meta, data = found
        is_small = len(data) <= CARRY_MAX_BYTES
        text = base64.b64encode(data).decode("ascii") if is_small else None
        self._say(key, meta.incarnation, SAVED, {**asdict(meta), "bytes": len(data), "data": text})
        await self._in_thread(lambda: self.files.set_carried(key, meta.version))

    def _to_carry(self, key: str) -> tuple[Meta, bytes] | None:
        entries = self.files.entries(key)
        if not entries or entries[0].version <= self.files.carried(key):
            return None
        return self.files.read(key, entries[0].version)

    # -- helpers ----------------------------------------------------------------------------------------------------

    def _lock(self, key: str) -> asyncio.Lock:
        return self._locks.setdefault(key, asyncio.Lock())

    async def _in_thread(self, work: Callable[[], Any]) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except StaleIncarnation as error:
            raise Refusal("stale_incarnation", str(error), newest=error.newest) from None
        except OSError as error:
            code = "disk_full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "io_error"
            raise Refusal(code, f"the checkpoint cannot be kept: {error.strerror or error}") from None


def _order(meta: Meta) -> tuple[int, int]:
    """Later placements first, then later versions."""
    return meta.epoch, meta.version


def _of_store(told: Any) -> tuple[Meta, bytes] | None:
    """None where the store has none, or has no content of it."""
    if not isinstance(told, Mapping) or not isinstance(told.get("data"), str):
        return None
    meta = Meta(
        int(told["version"]),
        int(told["incarnation"]),
        int(told["epoch"]),
        int(told["schema"]),
        str(told["content"]),
        float(told["at"]),
    )
    return meta, base64.b64decode(told["data"])
