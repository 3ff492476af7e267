"""The courier's process: the main thread answers the node, everything that may wait for a store has a thread of its own."""

import threading
from queue import Empty, SimpleQueue
from typing import Any

import redis
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from redis.backoff import NoBackoff
from redis.retry import Retry

from controlplane.courier.answering import Answering
from controlplane.courier.asked import Asked
from controlplane.courier.control import NodeControl
from controlplane.courier.ends import Ends
from controlplane.courier.healthing import Healthing
from controlplane.courier.job import RETRY_S, Job
from controlplane.courier.leaking import Leaking
from controlplane.courier.leasing import Leasing
from controlplane.courier.listening import Listening
from controlplane.courier.local import record_what_was_done_locally
from controlplane.courier.ordering import Ordering
from controlplane.courier.placing import Placing
from controlplane.courier.program_events import ProgramEvents
from controlplane.courier.sampling import Hinting, Minutes, Publishing
from controlplane.courier.session import Session
from controlplane.courier.shipping import Shipping
from controlplane.deadlines import Deadlines
from supervision.journal.handlers import on_ingest
from supervision.runtime.client import ControlError
from supervision.runtime.clock import SystemClock
from supervision.runtime.helper_channel import HelperChannel
from supervision.runtime.paths import Paths

CONNECT_LIMIT_S = 2
"""libpq's least."""
STATEMENT_LIMIT_MS = 60_000
"""Of what a courier that was killed left behind; a living one has shorter deadlines of its own."""
UNACKNOWLEDGED_MS = 4000
REDIS_LIMIT_S = 2.0
LOOK_EVERY_S = 0.5
GREET_LIMIT_S = 2.0


def run(channel: HelperChannel, paths: Paths) -> int:
    """Until the node closes the channel, which its death does too."""
    courier = Courier(paths)
    threading.Thread(
        target=courier.begin, name="begin", daemon=True
    ).start()  # audit: ignore[SUP101] see begin
    while True:
        if channel.wait(LOOK_EVERY_S):
            if channel.receive() is None:
                return 0
            courier.heard()
        for problem in courier.problems():
            channel.send("problem", what=problem)


class Courier:
    """The jobs of one life."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._clock = SystemClock()
        self._problems: SimpleQueue[str] = (
            SimpleQueue()
        )  # audit: ignore[SUP501] emptied each second; jobs say a trouble once
        self._session: Session | None = None
        self._heard_at = self._clock.boot()

    def heard(self) -> None:
        """The node said something: it beats."""
        self._heard_at = self._clock.boot()
        if self._session is not None:
            self._session.beat_at = self._heard_at

    def problems(self) -> list[str]:
        """What has to be said to the node since the last call."""
        found = []
        try:
            while True:
                found.append(self._problems.get_nowait())
        except Empty:
            return found

    def begin(self) -> None:
        """Start every job, as soon as the node says who it is."""
        greeting = self._greet()
        limit_database()
        on_ingest(record_what_was_done_locally)
        deadlines = Deadlines(self._clock)
        deadlines.start()
        session = Session(
            paths=self._paths,
            node_id=greeting["node_id"],
            stream_epoch=greeting["stream_epoch"],
            say=self._problems.put,
            deadlines=deadlines,
            clock=self._clock,
            beat_at=self._heard_at,
        )
        for job in jobs(session):
            job.start()
        self._session = session
        self.heard()

    def _greet(self) -> dict[str, Any]:
        """A node that starts opens its socket a little later than it starts us."""
        control = NodeControl(self._paths)
        waiting = threading.Event()
        while True:
            try:
                answer: dict[str, Any] = control.call("trees", timeout_s=GREET_LIMIT_S)
            except ControlError:
                control.close()
                waiting.wait(RETRY_S)
            else:
                control.close()
                return answer


def jobs(session: Session) -> list[Job]:
    """Everything a courier does, each in a thread of its own."""
    shipping, hinted = Shipping(session), session.stored
    asked = Asked(session)
    listening = Listening(session, settings.CONNECTIONS.database_url, asked.push)
    return [
        # Each second of a lease counts, and of the time that a fleet is not as it should be after a store is back.
        Job("lease", session, Leasing(session).step, retry_max_s=RETRY_S),
        Job("journal", session, shipping.step, retry_max_s=RETRY_S),
        Job("desired", session, Placing(session).step, session.desired, retry_max_s=RETRY_S),
        Job("commands", session, Ordering(session).step, session.ordered, retry_max_s=RETRY_S),
        Job("listen", session, listening.step),
        Job("asked", session, asked.step, retry_max_s=RETRY_S),
        Job("events", session, ProgramEvents(session).step),
        Job("ends", session, Ends(session, asked.push).step),
        Job("questions", session, Answering(session, redis_client()).step),
        Job("samples", session, Publishing(session, redis_client()).step),
        Job("hints", session, Hinting(session, redis_client()).step, hinted),
        Job("minutes", session, Minutes(session).step),
        Job("health", session, Healthing(session, redis_client()).step),
        Job("leaks", session, Leaking(session).step),
    ]


def limit_database() -> None:
    """Bounds that the driver and the server keep by themselves; Deadlines stands behind them."""
    options = connections[DEFAULT_DB_ALIAS].settings_dict.setdefault("OPTIONS", {})
    options["connect_timeout"] = CONNECT_LIMIT_S
    options["tcp_user_timeout"] = UNACKNOWLEDGED_MS
    limits = f"-c statement_timeout={STATEMENT_LIMIT_MS} -c idle_in_transaction_session_timeout={UNACKNOWLEDGED_MS}"
    options["options"] = f"{options.get('options', '')} {limits}".strip()
    options["application_name"] = "overstory courier"


def redis_client() -> redis.Redis:
    """One connection's worth; it fails by name within REDIS_LIMIT_S and is not retried in here."""
    return redis.Redis.from_url(
        settings.CONNECTIONS.redis_url,
        socket_timeout=REDIS_LIMIT_S,
        socket_connect_timeout=REDIS_LIMIT_S,
        retry=Retry(NoBackoff(), 0),
    )
