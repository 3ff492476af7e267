"""Serve the browser's files through whitenoise, also where the views below are coroutines."""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

Handler = Callable[[HttpRequest], HttpResponseBase] | Callable[[HttpRequest], Awaitable[HttpResponseBase]]


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]  # whitenoise is untyped
    """Whitenoise's index of files, answered whole.

    Whitenoise answers with a file that is iterated synchronously; under ASGI Django reads such a response up to the end
    in one go, with a warning. Ours are small, so they are read at once.
    """

    def add_files(self, root: str | Path, prefix: str | None = None) -> None:
        """Before the first `collect` there is no such directory."""
        if Path(root).is_dir():
            super().add_files(str(root), prefix=prefix)

    def find(self, request: HttpRequest) -> StaticFile | None:
        if self.autorefresh:
            return self.find_file(request.path_info)
        return self.files.get(request.path_info)

    @staticmethod
    def answer(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        found = static_file.get_response(request.method, request.META)
        content = b""
        if found.file is not None:
            with found.file as file:
                content = file.read()
        response = HttpResponse(content, status=int(found.status))
        del response["content-type"]
        for name, value in found.headers:
            response[name] = value
        return response


@lru_cache(maxsize=8)
def _index(root: Path, url: str, use_finders: bool, manifest: bool) -> StaticFiles:
    """Once for each of what it depends on: a handler may be made often, and finding the files takes a tenth of a second."""
    return StaticFiles()


@sync_and_async_middleware
def static_files(get_response: Handler) -> Handler:
    """Middleware that answers static files and passes everything else on."""
    root = Path(settings.STATIC_ROOT)
    manifest = (root / "staticfiles.json").exists()
    files = _index(root, settings.STATIC_URL, settings.WHITENOISE_USE_FINDERS, manifest)
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            found = files.find(request)
            if found is not None:
                return await sync_to_async(files.answer, thread_sensitive=False)(found, request)
            passed: HttpResponseBase = await get_response(request)
            return passed

        return answer_async

    def answer(request: HttpRequest) -> HttpResponseBase:
        found = files.find(request)
        if found is not None:
            return StaticFiles.answer(found, request)
        response = get_response(request)
        assert isinstance(response, HttpResponseBase)  # noqa: S101  the handler is synchronous here
        return response

    return answer
