"""A browser's copy of a topic, as docs/live.md says one keeps it: the model that tests compare with the server's table."""

from typing import Any


class Copy:
    """Applies snapshots and frames; `in_step` is False after a frame that did not follow."""

    def __init__(self) -> None:
        self.epoch: str | None = None
        self.seq: int | None = None
        self.cols: list[str] = []
        self.rows: dict[str, dict[str, Any]] = {}

    def take(self, message: dict[str, Any]) -> None:
        if message.get("op") == "snap":
            self.reset(message)
        elif "a" in message:
            self.apply(message)

    def reset(self, snap: dict[str, Any]) -> None:
        self.epoch, self.seq, self.cols = snap["e"], snap["seq"], list(snap["cols"])
        self.rows = {
            row_id: {name: snap["v"][at][row] for at, name in enumerate(self.cols)}
            for row, row_id in enumerate(snap["ids"])
        }

    def apply(self, frame: dict[str, Any]) -> None:
        assert (frame["e"], frame["a"]) == (self.epoch, self.seq), "a frame that does not follow"
        named = {update[0] for update in frame.get("u", [])} & set(frame.get("d", []))
        assert not named, f"both set and gone: {named}"
        for row_id, mask, *values in frame.get("u", []):
            cols = [name for at, name in enumerate(self.cols) if mask & (1 << at)]
            row = self.rows.setdefault(row_id, {})
            row.update(zip(cols, values, strict=True))
            assert len(row) == len(self.cols), "a row that is new comes whole"
        for row_id in frame.get("d", []):
            self.rows.pop(row_id, None)
        self.seq = frame["b"]
