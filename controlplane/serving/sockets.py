"""WebSockets whose messages are packed once, however many connections they go to.

By its nature permessage-deflate packs each message of each connection anew, with what that connection was sent before. A
hundred pages that look at the same list get the same text: without that memory (`server_no_context_takeover`, RFC 7692
section 7.1.1.1, which a server may choose by itself) the same text packs to the same bytes, so that they can be kept, as
the frame that goes over the wire: a server's frames are not masked. It also saves the memory itself, of every connection.
"""

import zlib
from collections import OrderedDict
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import CONT, CTRL_OPCODES, TEXT, Frame
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

SMALL = 128
"""Bytes up to which packing costs more than it saves."""
KEPT = 64
"""Messages; those of one moment, for all who ask the same."""
LEVEL = 4
"""Of zlib: a tenth more bytes than its default, in half the time."""
TAIL = b"\x00\x00\xff\xff"
"""What a packed message ends with and RFC 7692 leaves out."""
WAITING = 16
"""Messages of one connection that were heard and not yet taken. Only with more of them reading stops: to stop and go on
with each costs two system calls for every acknowledgement."""


class Packed:
    """Whole frames of texts, the newest of them."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        """By the text itself, of which Python keeps the hash: looking it up reads none of it again."""

    def frame(self, text: str, extension: "SharedDeflate") -> bytes:
        """A text's frame, which is the same for every connection with this extension."""
        found = self._kept.get(text)
        if found is None:
            found = self._kept[text] = Frame(TEXT, text.encode()).serialize(
                mask=False, extensions=[extension]
            )
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found

    def pack(self, data: bytes) -> bytes:
        packer = zlib.compressobj(LEVEL, wbits=-zlib.MAX_WBITS)
        return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH)).removesuffix(TAIL)


PACKED = Packed()
"""Of this process."""


class SharedDeflate(PerMessageDeflate):
    """The same extension on the wire. What it was asked to forget after each message, `PACKED` keeps for the other
    connections."""

    def encode(self, frame: Frame) -> Frame:
        if frame.opcode in CTRL_OPCODES or frame.opcode is CONT or not frame.fin or len(frame.data) <= SMALL:
            return frame
        return Frame(frame.opcode, PACKED.pack(bytes(frame.data)), frame.fin, True, frame.rsv2, frame.rsv3)


class SharedDeflateFactory(ServerPerMessageDeflateFactory):
    """Agrees with a browser that the server forgets after each message; a browser that asks for a small window gets the
    library's own."""

    def __init__(self) -> None:
        super().__init__(server_no_context_takeover=True, compress_settings={"level": LEVEL})

    def process_request_params(self, params: Any, accepted_extensions: Any) -> Any:
        """Any: as the library has it."""
        answer, extension = super().process_request_params(params, accepted_extensions)
        if extension.local_max_window_bits == zlib.MAX_WBITS:
            extension = SharedDeflate(
                extension.remote_no_context_takeover,
                extension.local_no_context_takeover,
                extension.remote_max_window_bits,
                extension.local_max_window_bits,
                extension.compress_settings,
            )
        return answer, extension


class SharingProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, with that extension."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        """Any: as uvicorn has it."""
        super().__init__(*arguments, **named)
        self.conn = ServerProtocol(
            extensions=[SharedDeflateFactory()], max_size=self.config.ws_max_size, logger=self.logger
        )

    async def send(self, message: Any) -> None:
        """The same. A text of an open connection is written as the frame that is shared."""
        text = message.get("text") if message["type"] == "websocket.send" else None
        if text is None:
            await super().send(message)
            return
        if not self.writable.is_set():
            await self.writable.wait()
        extension = self._shared()
        if extension is None:
            await super().send(message)
        else:
            self.transport.write(PACKED.frame(text, extension))

    def _shared(self) -> SharedDeflate | None:
        """The extension, of a connection that is open and agreed on it."""
        if not self.handshake_complete or self.close_sent or self.disconnected or self.conn.state is not OPEN:
            return None
        extension = self.conn.extensions[0] if len(self.conn.extensions) == 1 else None
        return extension if isinstance(extension, SharedDeflate) else None

    def send_receive_event_to_app(self) -> None:
        """The same, but reading stops only when many messages wait."""
        if self.queue.qsize() >= WAITING:
            super().send_receive_event_to_app()
            return
        was_paused, self.read_paused = (
            self.read_paused,
            True,
        )  # as far as uvicorn knows, it has stopped already
        super().send_receive_event_to_app()
        self.read_paused = was_paused
