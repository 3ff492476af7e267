"""The status lines of running children, and which of them changed since somebody last asked.

A program changes its line as often as it likes, so lines are not journaled: the newest is all there is. They are compared
when they are asked for, which costs a child that says nothing nothing.
"""

from collections.abc import Mapping

from supervision.runtime.run import Run


class StatusLines:
    """Numbers belong to this life of the node: another one begins at 1 again."""

    def __init__(self) -> None:
        self.seq = 0
        self._known: dict[str, tuple[int, str]] = {}
        """Key: the number of its last change, and the line."""

    def since(self, seq: int, runs: Mapping[str, Run]) -> dict[str, str]:
        """Lines that changed after number `seq`; "" for one that is over. 0: every line there is. What the asker holds
        already, as its number says, is forgotten where it is over."""
        for key, run in runs.items():
            known = self._known.get(key)
            if run.status_text != ("" if known is None else known[1]):
                self._note(key, run.status_text)
        for key in [key for key, (_, text) in self._known.items() if text and key not in runs]:
            self._note(key, "")
        if seq == 0:
            return {key: text for key, (_, text) in self._known.items() if text}
        for key in [key for key, (number, text) in self._known.items() if not text and number <= seq]:
            del self._known[key]
        return {key: text for key, (number, text) in self._known.items() if number > seq}

    def _note(self, key: str, text: str) -> None:
        self.seq += 1
        self._known[key] = (self.seq, text)
