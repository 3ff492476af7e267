"""Keeps the hub's tables equal to PostgreSQL, and feeds them samples: one reader for each server process.

Level-triggered. A poll each second is the floor; hints (Redis, and PostgreSQL's own notifications as a second source) only
make the next poll come at once. A store that is away leaves the tables as they are; their age grows and is told.
"""

import asyncio
import contextlib
import logging
import random
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from controlplane.dashboard.live import queries, redis_feed
from controlplane.dashboard.live.history import (
    alert_rows,
    child_rows,
    event_rows,
    health_rows,
    history,
    is_worth_reading,
    leak_rows,
    shared_leak_rows,
)
from controlplane.dashboard.live.hub import Hub
from controlplane.dashboard.live.postgres import AWAY, Postgres
from controlplane.dashboard.live.records import sample_rows, seconds
from controlplane.dashboard.live.topics import AUDIT

log = logging.getLogger("overstory.live")

POLL_S = 1.0
HINTED_S = 0.01
"""Between two polls that hints ask for."""
SLOW_S = 10.0
"""How often history and counts are read, which no hint announces."""
SUMMARY_S = 0.25
SUMMARY_SHARE = 0.05
"""How much of its time the process may spend on summaries: with many members they come less often."""
MANY_CHECKS, MANY_S = 2000, 5.0
"""With so many checks they are read less often."""
PAGE = 2000
EVENTS = 500
AUDIT_ENTRIES = 200
LIVES = 100
CHILD_EVENTS = 200
RETRY_S = 0.2
MOST_RETRY_S = 5.0


class Reader:
    """`run` until cancelled. Everything happens in one event loop."""

    def __init__(self, hub: Hub, redis_url: str) -> None:
        self.hub = hub
        self.redis_url = redis_url
        self.store = Postgres()
        self.loaded = asyncio.Event()
        self.is_loaded = threading.Event()
        """Both: set once everything was read for the first time; the second for threads."""
        self._hinted = asyncio.Event()
        self._slow_at = float("-inf")
        self._nodes_at = float("-inf")
        self._leaks_at = float("-inf")
        self._findings_s = POLL_S
        self._summary_at = float("-inf")
        self._events: dict[tuple[str, int], int] = {}
        """Stream (node, epoch): the highest number read."""
        self._event_ids: list[int] = []
        self._audit_seq = 0
        self._children: dict[str, bool] = {}

    async def run(self) -> None:
        """Reads, follows and listens until cancelled; a part that fails is begun again."""
        parts = [
            asyncio.create_task(self._again("poll", self._poll_on)),
            asyncio.create_task(self._again("samples", self._follow)),
            asyncio.create_task(self._again("notifications", self._listen)),
        ]
        try:
            await asyncio.gather(*parts)
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            self.store.drop()

    def hint(self) -> None:
        """Something changed: poll now."""
        self._hinted.set()

    async def _again(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do `work` again and again, with full-jitter waits that double while it fails at once."""
        wait_s, said = RETRY_S, False
        while True:
            began = self.hub.clock.boot()
            try:
                await work()
            except (*AWAY, *redis_feed.AWAY) as error:
                if not said:
                    log.warning("%s: %s; trying again", what, str(error).strip() or type(error).__name__)
                said = True
            if self.hub.clock.boot() - began > MOST_RETRY_S:
                wait_s, said = RETRY_S, False
            await asyncio.sleep(wait_s * random.uniform(0.5, 1))  # noqa: S311 - spreads, hides nothing
            wait_s = min(MOST_RETRY_S, wait_s * 2)

    async def _listen(self) -> None:
        await Postgres().listen(self.hint)

    async def _follow(self) -> None:
        await redis_feed.follow(
            self.redis_url, hinted=self.hint, sampled=self.take_samples, said=self.take_lines
        )

    def take_samples(self, node: str, payload: dict[str, Any]) -> None:
        """One message of a sampler."""
        try:
            at, rows = sample_rows(payload)
        except ValueError:
            return
        hub = self.hub
        with hub.batch() as now:
            hub.fleet.set_samples(node, at if at is not None else hub.clock.wall(), rows)
            if now - hub.tables["tree"].used_at < 60:
                hub.fleet.unroll(node)
        hub.ages.samples = now

    def take_lines(self, node: str, lines: dict[str, Any]) -> None:
        """What children of a node say of themselves, where it changed."""
        with self.hub.batch():
            self.hub.fleet.set_lines(
                node, {key: text for key, text in lines.items() if isinstance(text, str)}
            )

    # -- polling -----------------------------------------------------------------------------------------------------

    async def _poll_on(self) -> None:
        while True:
            await self.poll()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hinted.wait(), POLL_S)
            await asyncio.sleep(HINTED_S)
            self._hinted.clear()

    async def poll(self) -> None:
        """Read what is new; everything that is read at its pace; then what follows from it. Raises one of AWAY."""
        began = self.hub.clock.boot()
        if began - self._nodes_at >= POLL_S or not self.loaded.is_set():
            await self._read_nodes()
            self._nodes_at = began
        await self._read_members()
        await self._read_events()
        await self._read_audit()
        if began - self._leaks_at >= self._findings_s or not self.loaded.is_set():
            await self._read_findings()
            self._leaks_at = began
        if began - self._slow_at >= SLOW_S:
            await self._read_history()
            await self._check_counts()
            self._slow_at = began
        await self._read_children()
        self._summarise()
        self.hub.ages.rows = began
        self.loaded.set()
        self.is_loaded.set()

    async def _read_nodes(self) -> None:
        """Nodes, trees and strays; and a whole node whose stream began anew or that was not known."""
        nodes = await self.store.rows(queries.NODES)
        trees = await self.store.rows(queries.TREES)
        strays = await self.store.rows(queries.STRAYS)
        unplaced = await self.store.rows(queries.UNPLACED)
        fleet = self.hub.fleet
        whole = [
            (record["id"], record["stream_epoch"])
            for record in nodes
            if fleet.seqs.get(record["id"], (None, 0))[0] != record["stream_epoch"]
        ]
        with self.hub.batch() as now:
            fleet.set_nodes(nodes, now=now)
            fleet.set_trees(trees)
            fleet.strays = {record["node_id"]: record["strays"] for record in strays}
            fleet.unplaced = list(unplaced)
            fleet.write_nodes()
        for node, stream_epoch in whole:
            await self._read_node(node, stream_epoch)

    async def _read_node(self, node: str, stream_epoch: int) -> None:
        """All members in pages. What changes meanwhile has a number above `seq`, and is read by that afterwards."""
        [highest] = await self.store.rows(queries.HIGHEST_SEQ, {"node": node})
        records: list[dict[str, Any]] = []
        after = 0
        while True:
            page = await self.store.rows(
                queries.MEMBERS_OF_NODE, {"node": node, "after": after, "limit": PAGE}
            )
            if not page:
                break
            records += page
            after = page[-1]["id"]
        with self.hub.batch() as now:
            self.hub.fleet.replace_members(node, records, now=now)
            self.hub.fleet.seqs[node] = (stream_epoch, highest["seq"])
            self.hub.fleet.write_nodes()

    async def _read_members(self) -> None:
        seqs = self.hub.fleet.seqs
        if not seqs:
            return
        params = {"nodes": list(seqs), "seqs": [seq for _epoch, seq in seqs.values()]}
        records = await self.store.rows(queries.MEMBERS_SINCE, params)
        if not records:
            return
        with self.hub.batch() as now:
            keys = self.hub.fleet.set_members(records, now=now)
            self.hub.fleet.write_nodes(every=False)
        for key in keys & self._children.keys():
            self._children[key] = False
        self._summary_at = min(self._summary_at, now)

    async def _check_counts(self) -> None:
        """Read a node again whose number of members is not what we have: whatever went wrong, it heals."""
        counted = {row["node_id"]: row["members"] for row in await self.store.rows(queries.MEMBER_COUNTS)}
        held: dict[str, int] = {}
        for node, _key in self.hub.fleet.members:
            held[node] = held.get(node, 0) + 1
        for node, (stream_epoch, _seq) in list(self.hub.fleet.seqs.items()):
            if counted.get(node, 0) != held.get(node, 0):
                await self._read_node(node, stream_epoch)

    async def _read_history(self) -> None:
        rows = await self.store.rows(queries.RESTARTS)
        restarts, minutes = history(rows)
        parked = await self.store.rows(queries.PARKED)
        with self.hub.batch():
            self.hub.fleet.set_history(restarts, minutes)
            self.hub.fleet.parked = parked

    # -- events and audit --------------------------------------------------------------------------------------------

    async def _read_events(self) -> None:
        if not self.loaded.is_set():
            records = await self.store.rows(queries.EVENTS_LATEST, {"limit": 2 * EVENTS})
        elif self._events or self.hub.fleet.node_facts:
            for node, (stream_epoch, _seq) in self.hub.fleet.seqs.items():
                self._events.setdefault((node, stream_epoch), 0)
            params: dict[str, Any] = {
                "nodes": [node for node, _epoch in self._events],
                "epochs": [epoch for _node, epoch in self._events],
                "seqs": list(self._events.values()),
                "limit": EVENTS,
            }
            records = await self.store.rows(queries.EVENTS_SINCE, params)
        else:
            return
        for record in records:
            stream = (record["node_id"], record["stream_epoch"])
            self._events[stream] = max(self._events.get(stream, 0), record["seq"])
        told = [record for record in reversed(records) if is_worth_reading(record)]
        if not told:
            return
        table = self.hub.tables["events"]
        with self.hub.batch() as now:
            for row_id, values in event_rows(told, self.hub.fleet.node_facts):
                table.put(row_id, values)
                self._event_ids.append(int(row_id))
            self._event_ids.sort()
            for old in self._event_ids[:-EVENTS]:
                table.drop(str(old), now=now)
            self._event_ids = self._event_ids[-EVENTS:]
        for record in told:
            if record["key"] in self._children:
                self._children[record["key"]] = False

    async def _read_audit(self) -> None:
        records = await self.store.rows(queries.AUDIT_SINCE, {"seq": self._audit_seq, "limit": AUDIT_ENTRIES})
        if not records:
            return
        self._audit_seq = records[0]["seq"]
        table = self.hub.tables["audit"]
        with self.hub.batch() as now:
            for record in reversed(records):
                facts = record | {
                    "at": seconds(record["at"]),
                    "who": record["actor_name"],
                    "actor": record["actor_kind"],
                }
                table.put(str(record["seq"]), [facts[name] for name in AUDIT])
            for old in sorted(table.rows, key=int)[:-AUDIT_ENTRIES]:
                table.drop(old, now=now)

    async def _read_findings(self) -> None:
        """What leaks, what is not well and what somebody has to know; an answer that grew old meanwhile is marked so."""
        leaks = leak_rows(await self.store.rows(queries.LEAKS))
        alerts = alert_rows(await self.store.rows(queries.ALERTS))
        shared = shared_leak_rows(await self.store.rows(queries.SHARED_LEAKS))
        records = await self.store.rows(queries.HEALTH)
        self._findings_s = POLL_S if len(records) < MANY_CHECKS else MANY_S
        health = health_rows(records, now=self.hub.clock.wall())
        with self.hub.batch() as now:
            self.hub.tables["leaks"].replace(leaks, now=now)
            self.hub.tables["alerts"].replace(alerts, now=now)
            self.hub.tables["shared_leaks"].replace(shared, now=now)
            self.hub.tables["health"].replace(health, now=now)
            self.hub.tell_findings()

    # -- one key -----------------------------------------------------------------------------------------------------

    async def _read_children(self) -> None:
        """Lives and events of the keys that somebody looks at, where something changed; what runs now for all of them."""
        for key in [key for key in self._children if key not in self.hub.children]:
            del self._children[key]
        for key in list(self.hub.children):
            if self._children.get(key):
                self._write_now(key)
                continue
            self._children[key] = True
            lives = await self.store.rows(queries.LIVES_OF_KEY, {"key": key, "limit": LIVES})
            events = await self.store.rows(queries.EVENTS_OF_KEY, {"key": key, "limit": CHILD_EVENTS})
            table = self.hub.children.get(key)
            if table is not None:
                with self.hub.batch() as now:
                    table.replace(child_rows(key, self.hub.fleet, lives, events), now=now)

    def _write_now(self, key: str) -> None:
        with self.hub.batch():
            table = self.hub.children[key]
            for row_id, values in child_rows(key, self.hub.fleet, [], []).items():
                table.put(row_id, values)

    # -- what follows ------------------------------------------------------------------------------------------------

    def _summarise(self) -> None:
        began = self.hub.clock.boot()
        if began < self._summary_at:
            return
        with self.hub.batch():
            self.hub.write_summaries()
        took = self.hub.clock.boot() - began
        self._summary_at = began + max(SUMMARY_S, took / SUMMARY_SHARE)
