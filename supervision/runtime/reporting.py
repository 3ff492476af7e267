"""Where children report their errors: what the node gives to those that name no place themselves.

The control plane says for each tree which project its children report to; the node remembers it in a file, so that a life
that begins while every store is away is told too. A node without a control plane knows of none, and gives none. No decision
hangs on it, so it is not in the journal: it is said again when it differs, and counts from each child's next start.
"""

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

DSN, RELEASE, ENVIRONMENT = "SENTRY_DSN", "SENTRY_RELEASE", "SENTRY_ENVIRONMENT"
GIVEN = frozenset({DSN, RELEASE, ENVIRONMENT})
"""What an SDK reads that is initialised without arguments."""
LABEL = "environment"
"""The node's label that names the environment; without it: the SDKs' own word."""
OTHERWISE = "production"


class Reporting:
    """The DSN of each tree's project. `mark` is the control plane's own word for what it said last ("": nothing)."""

    def __init__(self, path: Path, labels: Mapping[str, str]) -> None:
        self._path = path
        self._environment = labels.get(LABEL) or OTHERWISE
        self.mark, self.dsns = self._read()

    def tell(self, mark: str, dsns: Mapping[str, str]) -> None:
        """From the control plane: all there are."""
        self.mark, self.dsns = mark, dict(dsns)
        temporary = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):  # a full disk: the next node is told anew
            with open(temporary, "w", opener=_private) as file:
                json.dump({"v": 1, "mark": mark, "dsns": self.dsns}, file)
            temporary.rename(self._path)

    def variables(
        self, key: str, incarnation: int, revision: int, *environments: Mapping[str, str]
    ) -> dict[str, str]:
        """What this life is given, beside the `environments` that it has: nothing where one of them says where to report,
        or that nowhere (an empty DSN)."""
        tree = key.partition("/")[0]
        dsn = self.dsns.get(tree)
        if dsn is None or any(DSN in each for each in environments):
            return {}
        given = {
            DSN: of_life(dsn, key, incarnation),
            RELEASE: f"{tree}@{revision}",
            ENVIRONMENT: self._environment,
        }
        return {
            name: value for name, value in given.items() if not any(name in each for each in environments)
        }

    def _read(self) -> tuple[str, dict[str, str]]:
        try:
            body = json.loads(self._path.read_text())
            return str(body["mark"]), {str(tree): str(dsn) for tree, dsn in body["dsns"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return "", {}


def of_life(dsn: str, key: str, incarnation: int) -> str:
    """The DSN that names one life of a child: every SDK keeps the path before the project's number."""
    before, _, project = dsn.rpartition("/")
    return f"{before}/from/{key.replace('@', '%40')}/{incarnation}/{project}"


def note(count: int, own: int) -> str:
    """What a plan says of it, in words; "" where nobody is given anything."""
    if not count:
        return ""
    who = "1 process" if count == 1 else f"{count} processes"
    rest = f"; {own} with a {DSN} of their own keep it" if own else ""
    return f"errors of {who} come to the tree's project: the node gives {DSN}, {RELEASE}, {ENVIRONMENT}{rest}"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
