"""The interface over HTTP: `POST /RPC2`, `GET /logtail/…`, `GET /mainlogtail`."""

import asyncio
from collections.abc import AsyncIterator, Callable

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from controlplane.api.waiting import let_go
from controlplane.xmlrpc import programs as rules
from controlplane.xmlrpc.backend import Backend, Forbidden, Piece, Refused
from controlplane.xmlrpc.calls import respond
from controlplane.xmlrpc.faults import RpcFault
from controlplane.xmlrpc.methods import Methods
from controlplane.xmlrpc.output import Output
from controlplane.xmlrpc.rows import RowsBackend
from controlplane.xmlrpc.signing_in import caller
from controlplane.xmlrpc.wire import MAX_REQUEST_BYTES
from supervision.runtime.version import VERSION

TAIL_BYTES = 1024
"""What a followed log begins with."""
CHUNK_BYTES = 64 * 1024
LOOK_EVERY_S = 0.25
STREAMS = {"stdout": "out", "stderr": "err"}

Read = Callable[[int, int], Piece]


@csrf_exempt  # no cookie is looked at here
@require_POST
def rpc(request: HttpRequest) -> HttpResponse:
    """One call. 200 also for faults, as its clients expect."""
    backend = _backend(request)
    if backend is None:
        return _who_are_you()
    if int(request.headers.get("Content-Length") or 0) > MAX_REQUEST_BYTES:
        return HttpResponse("the request is too large\n", status=413, content_type="text/plain")
    return HttpResponse(respond(request.body, Methods(backend, VERSION)), content_type="text/xml")


@require_safe
def logtail(request: HttpRequest, name: str, channel: str = "stdout") -> HttpResponseBase:
    """What a process writes, for as long as the client listens."""
    backend = _backend(request)
    if backend is None:
        return _who_are_you()
    stream = STREAMS.get(channel)
    if stream is None:
        return _plain(404, f"no stream is called {channel}")
    try:
        program = rules.find(backend.programs(), name)
        backend.log(program, stream, 0, 0)  # type: ignore[arg-type] # one of the two
    except (RpcFault, Refused, Forbidden) as error:
        return _plain(404, str(error))
    return _follow(lambda offset, length: _latest(backend, name, stream, offset, length))


@require_safe
def mainlogtail(request: HttpRequest) -> HttpResponseBase:
    """The log of guardian and node, for as long as the client listens."""
    backend = _backend(request)
    if backend is None:
        return _who_are_you()
    try:
        backend.main_log(0, 0)
    except (Refused, Forbidden) as error:
        return _plain(404, str(error))
    return _follow(backend.main_log)


def _latest(backend: Backend, name: str, stream: str, offset: int, length: int) -> Piece:
    """Of the life that is the latest now: a restarted process goes on in a file of its own."""
    program = rules.find(backend.programs(), name)
    return backend.log(program, stream, offset, length)  # type: ignore[arg-type] # one of the two


def _follow(read: Read) -> StreamingHttpResponse:
    response = StreamingHttpResponse(_written(read), content_type="text/plain; charset=utf-8")
    response["X-Accel-Buffering"] = "no"  # a proxy must not collect what is to be seen now
    return response


async def _written(read: Read) -> AsyncIterator[bytes]:
    """The last bytes, then everything that comes behind them."""

    def read_and_let_go(offset: int, length: int) -> Piece:
        """In a thread that is nobody's: what it keeps would be kept for ever."""
        try:
            return read(offset, length)
        finally:
            let_go()

    ask = sync_to_async(read_and_let_go, thread_sensitive=False)
    piece = await ask(-TAIL_BYTES, TAIL_BYTES)
    while True:
        if piece.data:
            yield piece.data
        offset = piece.offset + len(piece.data)
        if not piece.data:
            await asyncio.sleep(LOOK_EVERY_S)
        try:
            piece = await ask(offset, CHUNK_BYTES)
        except (RpcFault, Refused, Forbidden) as error:
            yield f"\n{error}\n".encode()
            return
        if piece.end < offset:  # another life began
            piece = await ask(0, CHUNK_BYTES)


def _backend(request: HttpRequest) -> Backend | None:
    found = caller(request)
    if found is None:
        return None
    principal, actor = found
    output = Output(settings.PATHS, settings.CONNECTIONS.redis_url)
    return RowsBackend(principal, actor, settings.PATHS, output)


def _who_are_you() -> HttpResponse:
    return _plain(
        401,
        "log in with a user's name and its API token or password",
        {"WWW-Authenticate": 'Basic realm="overstory"'},
    )


def _plain(status: int, words: str, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(
        words + "\n", status=status, content_type="text/plain; charset=utf-8", headers=headers
    )
