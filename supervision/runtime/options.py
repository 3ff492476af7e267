"""Command-line options of guardian, node and helpers: `--name value` pairs.

argparse costs 8 ms and half a megabyte in processes that must start in 20 ms and are started by our own code only.
"""

from typing import TypeVar

T = TypeVar("T")


class Options:
    """The values of `known` options in `argv`; `problem` says what is wrong with it, or is empty."""

    def __init__(self, argv: list[str], *known: str) -> None:
        self.problem = ""
        self._values: dict[str, str] = {}
        words = iter(argv)
        for word in words:
            name, equals, value = word.partition("=")
            if name not in known:
                self.problem = f"unknown option {name}; known are {', '.join(known)}"
                return
            following = value if equals else next(words, None)
            if following is None:
                self.problem = f"{name} needs a value"
                return
            self._values[name] = following

    def get(self, name: str, default: T) -> str | T:
        return self._values.get(name, default)
