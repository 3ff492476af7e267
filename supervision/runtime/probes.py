"""Probes: one question to a child, answered yes or no with a detail in words. They run inside the checkers helper.

A probe may take as long as it likes and end in any way; the deadline is the caller's (cancellation), and what a cancelled
probe started is gone when it returns. http: a GET without redirects and without a look at the certificate (as Kubernetes'
httpGet probes: the question is whether it answers, not who it is); a bounded part of the body is read, so that the server
sees its answer taken.
"""

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urlsplit

from supervision.runtime import probe_stores
from supervision.runtime.linux import signal_process
from supervision.runtime.processes import kill_tree

OUTPUT_BYTES = 4096
BODY_BYTES = 64 * 1024
HEADER_BYTES = 32 * 1024
BODY_S = 0.5
DETAIL_CHARS = 300
GONE_S = 1.0
"""A killed process is gone in milliseconds; one that waits for a dead disk is left to the next sweep."""


class NotAProbeError(ValueError):
    """The probe says nothing that can be done; the message names what is wrong."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether it answered as wanted, and what a person should know."""

    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an exec probe runs in: its child's environment, directory and user."""

    environment: Mapping[str, str]
    cwd: str | None = None
    uid: int | None = None
    gid: int | None = None
    groups: tuple[int, ...] = ()


class Leaders(set[int]):
    """Pids of exec probes under way; the helper's sweep leaves them and their sessions alone."""


async def run_probe(probe: Mapping[str, Any], around: Surroundings, leaders: Leaders) -> Outcome:
    """Ask once. NotAProbeError for what is no probe; everything else is an outcome."""
    try:
        if "exec" in probe:
            return await _exec(_section(probe, "exec"), around, leaders)
        if "tcp" in probe:
            return await _tcp(_section(probe, "tcp"))
        if "http" in probe:
            return await _http(_section(probe, "http"))
        for kind, ask in (("postgres", probe_stores.postgres), ("redis", probe_stores.redis)):
            if kind in probe:
                ok, detail = await ask(_section(probe, kind))
                return Outcome(ok=ok, detail=detail)
    except (OSError, ssl.SSLError, UnicodeError) as error:
        return Outcome(ok=False, detail=_words(error))
    raise NotAProbeError(f"neither exec, tcp, http, postgres nor redis: {sorted(probe)}")


def _section(probe: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = probe[name]
    if not isinstance(section, Mapping):
        raise NotAProbeError(f"{name} is not an object")
    return section


def _words(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return f"name not found: {error.strerror}"
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) and error.errno:
        return os.strerror(error.errno)  # asyncio says "Connect call failed"
    return str(error) or type(error).__name__


# -- exec ---------------------------------------------------------------------------------------------------------------


async def _exec(section: Mapping[str, Any], around: Surroundings, leaders: Leaders) -> Outcome:
    command = section.get("command")
    if not isinstance(command, list) or not command or not all(isinstance(word, str) for word in command):
        raise NotAProbeError("exec.command is not a list of words")
    loop = asyncio.get_running_loop()
    read, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    os.set_blocking(write, True)
    try:
        process = _start(command, around, write)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        os.close(read)
        return Outcome(ok=False, detail=f"{command[0]} cannot be run: {_words(error)}")
    finally:
        os.close(write)
    leaders.add(process.pid)
    pidfd = os.pidfd_open(process.pid)
    tail = bytearray()
    ended = asyncio.Event()
    loop.add_reader(pidfd, ended.set)
    loop.add_reader(read, lambda: _drain(loop, read, tail))
    try:
        await ended.wait()
        _drain(loop, read, tail)
    finally:
        try:
            await _end(process, pidfd, ended)
        finally:
            _reap(process)
            for fd in (read, pidfd):
                loop.remove_reader(fd)
                os.close(fd)
            leaders.discard(process.pid)
    return _exec_outcome(process.returncode, bytes(tail))


def _start(command: list[str], around: Surroundings, write: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=write,
        stderr=write,
        env=dict(around.environment),
        cwd=around.cwd,
        start_new_session=True,
        user=around.uid,
        group=around.gid,
        extra_groups=around.groups if around.uid is not None else None,
    )


def _drain(loop: asyncio.AbstractEventLoop, fd: int, tail: bytearray) -> None:
    """Take what is there, so that the probe never blocks on us; only the end is kept."""
    for _ in range(64):
        try:
            data = os.read(fd, 65536)
        except BlockingIOError:
            return
        if not data:
            loop.remove_reader(fd)
            return
        tail += data
        del tail[:-OUTPUT_BYTES]


async def _end(process: "subprocess.Popen[bytes]", pidfd: int, ended: asyncio.Event) -> None:
    """Kill what is left of the probe: leader, group and descendants; the leader is reaped later, so its number is ours."""
    if not ended.is_set():
        kill_tree([process.pid])
        signal_process(pidfd, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(ended.wait(), GONE_S)


def _reap(process: "subprocess.Popen[bytes]") -> None:
    """Take the zombie; one that is not yet dead is left to the sweep."""
    pid, status = os.waitpid(process.pid, os.WNOHANG)
    process.returncode = os.waitstatus_to_exitcode(status) if pid else -signal.SIGKILL


def _exec_outcome(code: int, tail: bytes) -> Outcome:
    lines = tail.decode("utf-8", "replace").strip().splitlines()
    said = f": {lines[-1]}" if lines else ""
    if code == 0:
        return Outcome(ok=True, detail=f"exit 0{said}")
    return Outcome(ok=False, detail=f"exit {code}{said}" if code > 0 else f"ended by signal {-code}{said}")


# -- tcp ----------------------------------------------------------------------------------------------------------------


async def _tcp(section: Mapping[str, Any]) -> Outcome:
    host, port = section.get("host") or "127.0.0.1", section.get("port")
    if not isinstance(host, str) or type(port) is not int or not 0 < port < 65536:
        raise NotAProbeError("tcp needs a host and a port")
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError as error:
        return Outcome(ok=False, detail=f"{host} port {port}: {_words(error)}")
    writer.close()
    return Outcome(ok=True, detail=f"{host} port {port} accepts")


# -- http ---------------------------------------------------------------------------------------------------------------


async def _http(section: Mapping[str, Any]) -> Outcome:
    url = section.get("url")
    parts = _split(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    host = parts.hostname or ""
    try:
        reader, writer = await asyncio.open_connection(
            host, port, ssl=_any_certificate() if secure else None, limit=HEADER_BYTES
        )
    except OSError as error:
        return Outcome(ok=False, detail=f"{host} port {port}: {_words(error)}")
    try:
        writer.write(_request(parts, host))
        status = await _status(reader)
        await _take_body(reader)
    except (asyncio.LimitOverrunError, asyncio.IncompleteReadError, ValueError) as error:
        if isinstance(error, NotAProbeError):
            raise
        return Outcome(ok=False, detail=f"{url} does not answer in HTTP")
    finally:
        writer.transport.abort()
    return Outcome(ok=expected(status, section.get("status")), detail=f"HTTP {status}")


def _split(url: object) -> SplitResult:
    try:
        parts = urlsplit(str(url))
        usable = (
            isinstance(url, str)
            and parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0
        )
    except ValueError:
        usable = False
    if not usable or any(ord(char) <= 32 or ord(char) == 127 for char in str(url)):
        raise NotAProbeError(f"not a URL: {url!r}")
    return parts


def _request(parts: SplitResult, host: str) -> bytes:
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    name = f"[{host}]" if ":" in host else host
    at = f"{name}:{parts.port}" if parts.port else name
    return (
        f"GET {target} HTTP/1.1\r\nHost: {at}\r\nUser-Agent: overstory-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    ).encode()


async def _status(reader: asyncio.StreamReader) -> int:
    """The final status; 1xx answers before it are read over."""
    while True:
        head = (await reader.readuntil(b"\n")).split(None, 2)
        if len(head) < 2 or not head[0].startswith(b"HTTP/1.") or not head[1].isdigit() or len(head[1]) != 3:
            raise ValueError("no status line")
        total = 0
        while (line := await reader.readuntil(b"\n")).strip():
            total += len(line)
            if total > HEADER_BYTES:
                raise ValueError("too many header fields")
        if not head[1].startswith(b"1"):
            return int(head[1])


async def _take_body(reader: asyncio.StreamReader) -> None:
    """Read some of the body for a short time: it changes no answer."""
    taken = 0
    with contextlib.suppress(OSError, ssl.SSLError):
        async with asyncio.timeout(BODY_S):
            while taken < BODY_BYTES and (data := await reader.read(BODY_BYTES)):
                taken += len(data)


def _any_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def expected(status: int, wanted: object) -> bool:
    """Whether `wanted` allows `status`: a number, "2xx", "200-399", or a list of them; 2xx and 3xx when nothing is said."""
    if wanted is None:
        return 200 <= status < 400
    if isinstance(wanted, list | tuple):
        return any(expected(status, one) for one in wanted)
    text = str(wanted).strip().lower()
    if len(text) == 3 and text.endswith("xx"):
        return str(status)[0] == text[0]
    low, _, high = text.partition("-")
    if not low.isdigit() or (high and not high.isdigit()):
        raise NotAProbeError(f"not a status: {wanted!r}")
    return int(low) <= status <= int(high or low)
