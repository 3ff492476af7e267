"""How many bytes of bodies the requests of a process may hold together. One owner, an event loop."""

import contextlib
from collections.abc import Iterator


class NoRoomError(Exception):
    """What others hold leaves too little."""


class Room:
    """`most` bytes for all."""

    def __init__(self, most: int) -> None:
        self.left = most

    @contextlib.contextmanager
    def part(self) -> Iterator["Part"]:
        """What one request holds; given back however it ends."""
        part = Part(self)
        try:
            yield part
        finally:
            self.left += part.held


class Part:
    """Of the room."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.held = 0

    @property
    def left(self) -> int:
        """What may be taken in addition."""
        return self._room.left

    def hold(self, count: int) -> None:
        """So many bytes, with those that are held already. NoRoomError, and nothing is changed."""
        more = count - self.held
        if more > self._room.left:
            raise NoRoomError
        self._room.left -= more
        self.held = count
