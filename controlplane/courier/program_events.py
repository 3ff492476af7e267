"""What programs said, on its way into the store: from the gateway's spool on disk, each event once and in order.

As the node's journal is shipped: records reach the disk before they reach the store, a cursor row is compared and set in
the transaction that hands them on, and the gateway removes what the cursor file says is stored.
"""

from controlplane.courier.session import Session
from supervision.programs import services
from supervision.runtime.gateway_spool import read_epoch
from supervision.runtime.journal_reader import JournalReader
from supervision.runtime.journal_segments import Record, sync, write_cursor

READ_LIMIT_S = 4.0
TAKE_LIMIT_S = 10.0
IDLE_S = 1.0
BETWEEN_S, BETWEEN_MAX_S = 0.02, 0.1
REST_FOR_EACH_S = 4.0
"""So many times as long as the last batch took nothing is handed on: of a batch of three events nearly everything is the
transaction around them, and a steady stream of them is not to cost a CPU. What comes after a silence goes on at once."""
CURSOR_EVERY_S = 1.0
MOST = 500
"""Records of a batch."""


class ProgramEvents:
    """The job `events`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._directory = str(session.paths.spool_dir)
        self._reader: JournalReader | None = None
        self._spool_epoch = 0
        self._read: list[Record] = []
        self._stored = -1
        self._on_disk = -1
        self._cursor_written = -1.0

    def step(self) -> float:
        """Hand on one batch; how long to wait for the next."""
        session = self.session
        epoch = session.epoch
        spool_epoch = read_epoch(self._directory)
        if epoch is None or spool_epoch is None:
            return 0.1
        if self._reader is None or spool_epoch != self._spool_epoch:
            self._begin(spool_epoch)
        reader = self._reader
        assert reader is not None  # _begin made it  # noqa: S101
        if not self._read:
            self._read = reader.batch()
        if not self._read:
            self._write_cursor(final=True)
            reader.wait(IDLE_S)
            return 0.0
        batch = self._read[:MOST]
        sync(self._directory)
        began = session.clock.boot()
        with session.deadlines.within(TAKE_LIMIT_S):
            self._stored = services.take_in(
                node_id=session.node_id, epoch=epoch, spool_epoch=spool_epoch, records=batch
            )
        self._read = self._read[len(batch) :]
        self._write_cursor()
        if len(batch) == MOST:  # there is more
            return BETWEEN_S
        return min(BETWEEN_MAX_S, max(BETWEEN_S, REST_FOR_EACH_S * (session.clock.boot() - began)))

    def _begin(self, spool_epoch: int) -> None:
        session = self.session
        if self._reader is not None:
            self._reader.close()
        with session.deadlines.within(READ_LIMIT_S):
            self._stored = services.cursor_of(node_id=session.node_id, spool_epoch=spool_epoch)
        self._reader, self._read = JournalReader(self._directory, after_seq=self._stored), []
        self._spool_epoch = spool_epoch

    def _write_cursor(self, *, final: bool = False) -> None:
        """On disk, for the gateway's retention; each second is enough while events come."""
        now = self.session.clock.boot()
        if (
            self._stored > 0
            and self._on_disk != self._stored
            and (final or now - self._cursor_written >= CURSOR_EVERY_S)
        ):
            write_cursor(self._directory, self._stored)
            self._cursor_written, self._on_disk = now, self._stored
