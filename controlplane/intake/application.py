"""The intake: Sentry's envelope and store requests, and check-ins by plain HTTP. Everything else goes on to the pages.

A report is accepted when it is committed; then the client hears 200 and its id. What a client is told when something is
wrong is chosen by what its SDK does then (specs of the protocol): too much is always a 429 that names its categories,
never a 503, after which an SDK would go on as before and lose everything.
"""

import asyncio
import datetime as dt
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from controlplane.intake.committing import Committer, OverloadedError, RefusedError
from controlplane.intake.hearing import Hearing
from controlplane.intake.keys import Door, Doors
from controlplane.intake.quota import Limiter
from controlplane.intake.room import NoRoomError, Part, Room
from controlplane.intake.spool import Row
from supervision.errors.protocol.accepting import Accepted, accept, accept_store, check_in_of
from supervision.errors.protocol.browsers import accept_security
from supervision.errors.protocol.categories import ERROR, INTERNAL, Limit, category_of, rate_limits_header
from supervision.errors.protocol.cleaning import sayable
from supervision.errors.protocol.encodings import BadEncodingError, Body, TooLargeError, UnknownEncodingError
from supervision.errors.protocol.envelope import (
    MOST_PAYLOAD,
    EnvelopeTooLargeError,
    MalformedEnvelopeError,
    read_envelope,
    read_header,
)
from supervision.errors.protocol.keys import key_of
from supervision.errors.scrubbing.options import Options
from supervision.errors.scrubbing.texts import scrub_text
from supervision.errors.store.bodies import packed
from supervision.errors.store.spiking import REASON as SPIKE

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

MIB = 1024 * 1024
MOST_WIRE, MOST_DECODED = 20 * MIB, 100 * MIB
MOST_HELD = 256 * MIB
"""Decoded, of all requests of this process together."""
MOST_UNKNOWN = 2 * MIB
"""Of a body that may hold its key itself, as a DSN: who sends it is not known before it was read."""
SMALL = 16 * 1024
"""Decoded. To read one so small takes a few milliseconds at most: two changes of threads, each of which may wait for the
interpreter's lock, would take longer."""
MOST_AT_ONCE = 4
"""Larger requests that are read and scrubbed at a time: it is work for a processor, which the live pages of this process
need too."""
MOST_OF = {
    "store": MOST_PAYLOAD["event"],
    "security": MOST_PAYLOAD["event"],
    "cron": MOST_PAYLOAD["check_in"],
}
"""Decoded, of a body that is one item with nothing around it."""
BODY_WITHIN_S = 30.0
BUSY = Limit(5.0, ("error", "default"), "busy")
ACCEPTED = {"cron": 202, "security": 201}
"""What is answered where that is not 200."""
_PATH = re.compile(
    r"(?:/from/(?P<child>[^?]{1,2400})/(?P<incarnation>\d{1,18}))?/api/(?P<project>\d{1,18})"
    r"/(?:(?P<kind>envelope|store|security|minidump|unreal)|cron/(?P<slug>[^/]{1,200})(?:/(?P<key>[A-Za-z0-9_-]{1,64}))?)/?"
)
_CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"x-sentry-error, x-sentry-rate-limits, retry-after"),
]
_PREFLIGHT = [
    *_CORS,
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (
        b"access-control-allow-headers",
        b"Content-Type, X-Sentry-Auth, X-Requested-With, Origin, Accept, Authentication, Authorization, Content-Encoding, "
        b"sentry-trace, baggage",
    ),
    (b"access-control-max-age", b"3600"),
]


@dataclass(frozen=True, slots=True)
class Answer:
    """Any: JSON."""

    status: int
    body: dict[str, Any]
    headers: tuple[tuple[bytes, bytes], ...] = ()
    content_type: str = "application/json"


class Refused(Exception):  # noqa: N818 (named for what the client hears)
    """The request ends with this answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer)
        self.answer = answer


def refuse(status: int, detail: str, *causes: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Refused:
    return Refused(Answer(status, {"detail": detail, "causes": list(causes)}, headers))


class Intake:
    """In front of `application`. `now` says the time; `start` and `stop` in the loop that serves."""

    def __init__(
        self,
        application: Application,
        *,
        doors: Doors,
        quota: Limiter,
        committer: Callable[[], Committer],
        now: Callable[[], dt.datetime],
        hearing: Hearing | None = None,
    ) -> None:
        self._application, self._doors, self._quota, self._now = application, doors, quota, now
        self._hearing = hearing
        self._make_committer = committer
        self._committer: Committer | None = None
        self._places = asyncio.Semaphore(MOST_AT_ONCE)
        self._room = Room(MOST_HELD)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _PATH.fullmatch(_path(scope)) if scope["type"] == "http" else None
        if found is None:
            await self._application(scope, receive, send)
            return
        if scope["method"] == "OPTIONS":
            await _send(send, Answer(200, {}, tuple(_PREFLIGHT)))
            return
        try:
            with self._room.part() as part:
                answer = await self._take(scope, receive, found, part)
        except Refused as refused:
            answer = refused.answer
        except NoRoomError:
            answer = self._busy().answer
        await _send(send, answer)

    def start(self) -> None:
        """Take back what an earlier process left on disk, without waiting for a report of our own; hear of changed keys."""
        self._started()
        if self._hearing is not None:
            self._hearing.start()

    async def stop(self) -> None:
        """Commit or spool what is pending."""
        if self._committer is not None:
            await self._committer.stop()
        if self._hearing is not None:
            await self._hearing.stop()
        await self._quota.close()

    async def _take(self, scope: Scope, receive: Receive, found: re.Match[str], part: Part) -> Answer:
        kind = "cron" if found["slug"] else found["kind"]
        if scope["method"] != "POST" and not (kind == "cron" and scope["method"] == "GET"):
            raise refuse(405, "POST", headers=((b"allow", b"POST, OPTIONS"),))
        if kind in ("minidump", "unreal"):
            raise Refused(
                Answer(
                    501,
                    {
                        "type": "about:blank",
                        "title": "Not Implemented",
                        "status": 501,
                        "detail": f"{kind} reports are not taken.",
                    },
                    content_type="application/problem+json",
                )
            )
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        project = int(found["project"])
        door: Door | None = None
        key = found["key"] or key_of(headers, query)
        if key is not None or kind != "envelope":  # nobody makes us read a body with a key that opens nothing
            door = await self._door(project, key)
        most = min(MOST_OF.get(kind, MOST_DECODED), MOST_DECODED if door else MOST_UNKNOWN)
        body = await _body(receive, headers, part, most=most)
        if door is None:
            door = await self._door(project, _key_within(body))
        now = self._now()
        work = partial(_read, kind, body, query, found["slug"], now, door.scrubbing)
        if len(body) <= SMALL:
            accepted = work()
        else:
            async with self._places:
                accepted = await asyncio.to_thread(work)
        return await self._keep(door, accepted, found["child"] or "", found["incarnation"], kind, now)

    async def _door(self, project: int, key: str | None) -> Door:
        """The same answer for a wrong key and a project that is none."""
        door = None if key is None else self._doors.known(project, key)
        if door is None and key is not None:
            try:
                door = await asyncio.to_thread(self._doors.find, project, key)
            except Exception:  # noqa: BLE001 whatever the database says: we cannot know, and must not lose
                raise self._busy() from None
        if door is None:
            raise refuse(403, "no project is open to this key")
        return door

    async def _keep(
        self, door: Door, accepted: Accepted, child: str, incarnation: str | None, kind: str, now: dt.datetime
    ) -> Answer:
        committer = self._started()
        rows, limits = [], []
        turned_away: dict[str, str] = {}
        for report in accepted.reports:
            category = category_of(report.kind)
            if report.kind == "attachment" and report.event_id in turned_away:
                committer.discard(door.project, category, turned_away[report.event_id], 1)
                continue
            limit = None if category == INTERNAL else await self._limit(door, category)
            if limit is not None:
                committer.discard(door.project, category, limit.reason, 1)
                limits.append(limit)
                turned_away[report.event_id] = limit.reason
                continue
            rows.append(
                Row(
                    project=door.project,
                    kind=report.kind,
                    event_id=report.event_id,
                    body=packed(report.body),
                    drift_s=accepted.drift_s,
                    child=scrub_text(sayable(child[:2300])),
                    incarnation=int(incarnation) if incarnation else None,
                    received_at=now,
                )
            )
        for (category, reason), count in accepted.discards.items():
            committer.discard(door.project, category, reason, count)
        if rows:
            try:
                await committer.commit(rows)
            except OverloadedError:
                for row in rows:
                    committer.discard(door.project, category_of(row.kind), BUSY.reason, 1)
                raise self._busy() from None
            except RefusedError as error:
                raise refuse(400, "cannot be stored", str(error)) from None
        headers = ((b"x-sentry-rate-limits", rate_limits_header(limits).encode()),) if limits else ()
        if limits and not rows:
            retry = str(max(round(limit.seconds) for limit in limits)).encode()
            raise refuse(
                429,
                "too many reports",
                *(limit.reason for limit in limits),
                headers=(*headers, (b"retry-after", retry)),
            )
        told = {"id": accepted.event_id} if accepted.event_id else {}
        return Answer(ACCEPTED.get(kind, 200), told, headers)

    async def _limit(self, door: Door, category: str) -> Limit | None:
        """What keeps one more of it out: the project's quota, or that far more come than usual."""
        names = ("error", "default") if category == ERROR else (category,)
        if category == ERROR and door.spike_limit is not None:
            wait_s = await self._quota.take(door.project, SPIKE, 1, door.spike_limit)
            if wait_s:
                return Limit(wait_s, names, SPIKE)
        wait_s = await self._quota.take(door.project, category, 1, door.events_per_minute)
        return Limit(wait_s, names, "quota") if wait_s else None

    def _started(self) -> Committer:
        if self._committer is None:
            self._committer = self._make_committer()
            self._committer.start()
        return self._committer

    def _busy(self) -> Refused:
        header = rate_limits_header([BUSY]).encode()
        return refuse(
            429,
            "nothing can be stored now",
            headers=((b"x-sentry-rate-limits", header), (b"retry-after", b"5")),
        )


def _path(scope: Scope) -> str:
    path, root = str(scope["path"]), str(scope.get("root_path", ""))
    return path.removeprefix(root) if root else path


async def _body(receive: Receive, headers: dict[str, str], part: Part, *, most: int) -> bytes:
    """Decompressed as it comes, within the bounds. NoRoomError where other requests hold too much."""
    try:
        body = Body(headers.get("content-encoding", ""), most_wire=min(MOST_WIRE, most), most_decoded=most)
        async with asyncio.timeout(BODY_WITHIN_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise refuse(400, "the client went away")
                body.feed(message.get("body", b""), room=part.left)
                part.hold(len(body))
                if not message.get("more_body"):
                    return body.whole()
    except UnknownEncodingError as error:
        raise refuse(415, "encoding", str(error)) from error
    except TooLargeError as error:
        raise refuse(413, "too large", str(error)) from error
    except BadEncodingError as error:
        raise refuse(400, "encoding", str(error)) from error
    except TimeoutError as error:
        raise refuse(408, "the body did not come") from error


def _key_within(body: bytes) -> str | None:
    """Of the DSN in an envelope's header."""
    try:
        return key_of({}, {}, read_header(body).get("dsn"))
    except MalformedEnvelopeError as error:
        raise refuse(400, "malformed", str(error)) from error
    except EnvelopeTooLargeError as error:
        raise refuse(413, "too large", str(error)) from error


def _read(
    kind: str,
    body: bytes,
    query: dict[str, str],
    slug: str | None,
    now: dt.datetime,
    scrubbing: Options,
) -> Accepted:
    """What is accepted, scrubbed as the project wants it."""
    try:
        if slug is not None:
            report = check_in_of(slug, query, body, scrubbing=scrubbing)
            return Accepted(report.event_id, [report])
        if kind == "store":
            return accept_store(body, scrubbing=scrubbing)
        if kind == "security":
            return accept_security(body, query, scrubbing=scrubbing)
        return accept(read_envelope(body), now=now, scrubbing=scrubbing)
    except MalformedEnvelopeError as error:
        raise refuse(400, "malformed", str(error)) from error
    except EnvelopeTooLargeError as error:
        raise refuse(413, "too large", str(error)) from error


async def _send(send: Send, answer: Answer) -> None:
    body = json.dumps(answer.body).encode()
    cors = () if any(name == _CORS[0][0] for name, _ in answer.headers) else _CORS
    headers = [
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        *answer.headers,
        *cors,
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
