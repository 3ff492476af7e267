"""What a worker read of a pool child's result in part survives a loop that begins anew."""

import os
import pickle
import struct
from typing import Any

from celery.concurrency.asynpool import ResultHandler
from overstory.celery import broken


class Handler:
    """As much of Celery's as reading needs."""

    def __init__(self, fd: int) -> None:
        self.fileno_to_outq = {fd: object()}
        self.handle_event = None


def test_a_part_of_a_result_is_kept_and_what_follows_is_read_as_its_rest(monkeypatch: Any) -> None:
    monkeypatch.setattr(ResultHandler, "_recv_message", ResultHandler._recv_message)
    broken._keep_parts()
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    body = pickle.dumps({"job": 1})
    message = struct.pack(">i", len(body)) + body
    handler, came = Handler(read_end), list[Any]()

    def receive() -> Any:
        return ResultHandler._recv_message(handler, lambda *_: None, read_end, came.append)

    for part, rest in ((3, len(message)), (7, len(message))):
        os.write(write_end, message[:part])
        first = receive()
        next(first)
        first.close()  # the loop was reset
        os.write(write_end, message[part:rest])
        assert list(receive()) == []
    assert came == [{"job": 1}] * 2

    os.write(write_end, message[:5])
    next(receive())
    handler.fileno_to_outq[read_end] = object()  # another process has the descriptor now
    os.write(write_end, message)
    assert list(receive()) == []
    assert came == [{"job": 1}] * 3
    os.close(read_end)
    os.close(write_end)
