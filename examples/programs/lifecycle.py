"""What a good child does: says when it is ready, and goes when asked. Plain sd_notify, nothing to install."""

import contextlib
import os
import signal
import socket
import tempfile
from pathlib import Path


def notify(message: str) -> None:
    """Tell the supervisor, e.g. "READY=1" or "STATUS=3 jobs done"; nothing without one, or while it is away."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, contextlib.suppress(OSError):
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        sock.sendall(message.encode())


def take_stop_signals() -> None:
    """From here on SIGTERM and SIGINT wait until `asked_to_stop` looks: no work is cut in half."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})


def asked_to_stop(within_s: float) -> bool:
    """Pass `within_s` seconds, or less when asked to stop; True then."""
    return signal.sigtimedwait({signal.SIGTERM, signal.SIGINT}, within_s) is not None


def state_dir() -> Path:
    """Where an example keeps its files: EXAMPLE_STATE_DIR, which `manage.py up` sets."""
    given = os.environ.get("EXAMPLE_STATE_DIR")
    path = Path(given) if given else Path(tempfile.gettempdir()) / f"overstory-examples-{os.getuid()}"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def required(name: str) -> str:
    """An environment variable that has to be there; exits with words when it is not."""
    value = os.environ.get(name)
    if not value:
        raise SystemExit(f"{name} is not set; `manage.py up` sets it while its own PostgreSQL and Redis run")
    return value


def who() -> str:
    """This child's name and incarnation, as the supervisor calls it."""
    return f"{os.environ.get('OVERSTORY_CHILD', 'nobody')} #{os.environ.get('OVERSTORY_INCARNATION', '0')}"
