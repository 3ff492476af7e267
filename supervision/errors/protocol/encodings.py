"""Decompressing a body piece by piece, and stopping at a bound: 300 kB can stand for 300 MB."""

import zlib
from collections.abc import Callable
from typing import Protocol

import brotli

STEP = 64 * 1024
"""Bytes made at a time: a bound is noticed before more than so much was made beyond it."""


class UnknownEncodingError(ValueError):
    """A Content-Encoding that is not understood: 415."""


class BadEncodingError(ValueError):
    """The body is not what its encoding says."""


class TooLargeError(ValueError):
    """More than the bound: 413."""


class _Decoder(Protocol):
    def feed(self, data: bytes, room: int) -> bytes: ...

    def is_whole(self) -> bool: ...


class _Plain:
    def feed(self, data: bytes, room: int) -> bytes:
        return data

    def is_whole(self) -> bool:
        return True


class _Zlib:
    """gzip, and deflate with zlib's head or without: old clients send either."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._made = zlib.decompressobj(window)
        self._begun = False

    def feed(self, data: bytes, room: int) -> bytes:
        made = bytearray()
        left = data
        while left and not self._made.eof:
            try:
                made += self._made.decompress(left, STEP)
            except zlib.error as error:
                if self._begun or self._window != zlib.MAX_WBITS:
                    raise BadEncodingError(str(error)) from error
                self._window = -zlib.MAX_WBITS
                self._made = zlib.decompressobj(self._window)
                continue
            self._begun = True
            left = self._made.unconsumed_tail
            if len(made) > room:
                break
        return bytes(made)

    def is_whole(self) -> bool:
        return self._made.eof


class _Brotli:
    def __init__(self) -> None:
        self._made = brotli.Decompressor()

    def feed(self, data: bytes, room: int) -> bytes:
        made = bytearray()
        try:
            made += self._made.process(data, output_buffer_limit=STEP)
            while len(made) <= room and (more := self._made.process(b"", output_buffer_limit=STEP)):
                made += more  # it says that it takes more input while it still has output
        except brotli.error as error:
            raise BadEncodingError(str(error)) from error
        return bytes(made)

    def is_whole(self) -> bool:
        return bool(self._made.is_finished())


_DECODERS: dict[str, Callable[[], _Decoder]] = {
    "": _Plain,
    "identity": _Plain,
    "gzip": lambda: _Zlib(16 + zlib.MAX_WBITS),
    "x-gzip": lambda: _Zlib(16 + zlib.MAX_WBITS),
    "deflate": lambda: _Zlib(zlib.MAX_WBITS),
    "br": _Brotli,
}


class Body:
    """A body as it comes in. UnknownEncodingError at once; `feed` and `whole` raise TooLargeError and BadEncodingError."""

    def __init__(self, encoding: str, *, most_wire: int, most_decoded: int) -> None:
        """Bounds in bytes, of what came and of what it stands for."""
        name = encoding.strip().lower()
        if name not in _DECODERS:
            raise UnknownEncodingError(f"Content-Encoding {encoding[:64]!r} is not understood")
        self._decoder = _DECODERS[name]()
        self._most_wire, self._most_decoded = most_wire, most_decoded
        self._wire = 0
        self._made = bytearray()

    def __len__(self) -> int:
        """Decompressed bytes so far."""
        return len(self._made)

    def feed(self, data: bytes, *, room: int | None = None) -> None:
        """Not much more than `room` bytes are made of it: who then finds more does not go on."""
        self._wire += len(data)
        if self._wire > self._most_wire:
            raise TooLargeError(f"more than {self._most_wire} bytes")
        left = self._most_decoded - len(self._made)
        self._made += self._decoder.feed(data, left if room is None else min(left, room))
        if len(self._made) > self._most_decoded:
            raise TooLargeError(f"more than {self._most_decoded} bytes when decompressed")

    def whole(self) -> bytes:
        """All of it, once everything was fed; nothing of it is kept here."""
        if self._wire and not self._decoder.is_whole():
            raise BadEncodingError("the body ends too early")
        whole, self._made = bytes(self._made), bytearray()
        return whole
