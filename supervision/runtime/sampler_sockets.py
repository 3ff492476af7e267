"""In which state each socket of a network namespace is, by inode: read from /proc/PID/net, for all its processes."""

from collections import Counter
from collections.abc import Iterable

from supervision.runtime.clock import Clock

AGAIN_S = 5.0
"""Between two readings of one namespace."""
MOST_BYTES = 4 * 1024 * 1024
"""Of one table; sockets that stand behind it count as `other`."""
OTHER = "other"
_TCP = {
    b"01": "established", b"02": "syn_sent", b"03": "syn_recv", b"04": "fin_wait1", b"05": "fin_wait2",
    b"06": "time_wait", b"07": "close", b"08": "close_wait", b"09": "last_ack", b"0A": "listen", b"0B": "closing",
}  # fmt: skip
_INODE, _STATE = 9, 3
_UNIX_INODE, _UNIX_STATE, _UNIX_FLAGS = 6, 5, 3
_UNIX_CONNECTED, _UNIX_ACCEPTS = b"03", b"00010000"

States = dict[int, str]


class SocketStates:
    """Of every namespace that was asked about."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[int, tuple[float, States]] = {}

    def count(self, network: int | None, pid: int, inodes: Iterable[int]) -> dict[str, int]:
        """How many of `inodes` are in which state; `pid` lives in `network`, whose tables are read through it."""
        states = self._states(network, pid) if network is not None else {}
        return dict(Counter(states.get(inode, OTHER) for inode in inodes))

    def _states(self, network: int, pid: int) -> States:
        now = self._clock.boot()
        known = self._known.get(network)
        if known is not None and now - known[0] < AGAIN_S:
            return known[1]
        self._known = {number: one for number, one in self._known.items() if now - one[0] < 60 * AGAIN_S}
        states: States = {}
        for table in ("tcp", "tcp6"):
            states |= parse_inet(_read(pid, table), _TCP)
        for table in ("udp", "udp6"):
            states |= parse_inet(_read(pid, table), {})
        states |= parse_unix(_read(pid, "unix"))
        self._known[network] = now, states
        return states


def parse_inet(text: bytes, names: dict[bytes, str]) -> States:
    """/proc/net/tcp and the like; without `names` everything is `udp`."""
    states = {}
    for line in text.split(b"\n")[1:]:
        field = line.split(None, _INODE + 1)
        if len(field) > _INODE:
            states[int(field[_INODE])] = names.get(field[_STATE], OTHER) if names else "udp"
    return states


def parse_unix(text: bytes) -> States:
    """/proc/net/unix: `unix_listen`, `unix` when connected, else `unix_open`."""
    states = {}
    for line in text.split(b"\n")[1:]:
        field = line.split(None, _UNIX_INODE + 1)
        if len(field) > _UNIX_INODE:
            connected = "unix" if field[_UNIX_STATE] == _UNIX_CONNECTED else "unix_open"
            states[int(field[_UNIX_INODE])] = (
                "unix_listen" if field[_UNIX_FLAGS] == _UNIX_ACCEPTS else connected
            )
    return states


def _read(pid: int, table: str) -> bytes:
    try:
        with open(f"/proc/{pid}/net/{table}", "rb") as file:
            return file.read(MOST_BYTES)
    except OSError:
        return b""
