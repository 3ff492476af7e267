"""A small reverse proxy: TLS in front, plain HTTP behind, below a path; as nginx would be set up."""

import asyncio
import contextlib
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

HEADERS_END = b"\r\n\r\n"


def make_certificate(directory: Path, host: str) -> tuple[Path, Path]:
    """A self-signed certificate and its key."""
    certificate, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-keyout", str(key), "-out", str(certificate), "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


@contextlib.contextmanager
def tls_proxy(directory: Path, *, host: str, backend_port: int, strip: str = "") -> Iterator[int]:
    """Its port. `strip`: a path that is taken off before a request is handed on, as some proxies do."""
    certificate, key = make_certificate(directory, host)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    loop = asyncio.new_event_loop()
    started: list[asyncio.Server] = []
    opened: list[asyncio.StreamWriter] = []
    ready = threading.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(HEADERS_END)
            line, _, rest = head.partition(b"\r\n")
            method, path, version = line.split(b" ", 2)
            if strip and path.startswith(strip.encode()):
                path = path[len(strip) :] or b"/"
            extra = b"X-Forwarded-Proto: https\r\nX-Forwarded-For: 203.0.113.9\r\n"
            behind, ahead = await asyncio.open_connection("127.0.0.1", backend_port)
            opened.append(ahead)
            ahead.write(b" ".join((method, path, version)) + b"\r\n" + extra + rest)
            await asyncio.gather(_pump(reader, ahead), _pump(behind, writer))
        writer.close()

    def run() -> None:
        asyncio.set_event_loop(loop)
        started.append(loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)))
        ready.set()
        loop.run_forever()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait(30)
    try:
        yield int(started[0].sockets[0].getsockname()[1])
    finally:
        loop.call_soon_threadsafe(started[0].close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.run_until_complete(_end(opened))
        loop.close()


async def _end(opened: list[asyncio.StreamWriter]) -> None:
    """Close every connection and end every task."""
    for writer in opened:
        writer.transport.abort()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.2)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()
