"""When what happened is what a case expects."""

import json
from typing import Any


def differs_in_events(expected: list[Any], got: list[Any]) -> bool:
    """Each expected event must be the next one; in an `unordered` group only the order within each process counts."""
    at = 0
    for event in expected:
        if event[0] != "unordered":
            if got[at : at + 1] != [event]:
                return True
            at += 1
            continue
        group = event[1]
        if _by_process(group) != _by_process(got[at : at + len(group)]):
            return True
        at += len(group)
    return at != len(got)


def _by_process(events: list[Any]) -> dict[str, list[Any]]:
    processes: dict[str, list[Any]] = {}
    for event in events:
        processes.setdefault(event[1], []).append(event)
    return processes


def differs_in_reports(expected: list[Any], got: list[Any], *, unordered: bool) -> bool:
    if not unordered:
        return expected != got
    return sorted(map(json.dumps, expected)) != sorted(map(json.dumps, got))


def differs_in_state(expected: dict[str, Any], got: dict[str, Any]) -> bool:
    """The full states; counts that are null are not checked."""
    if expected.keys() != got.keys():
        return True
    return any(
        entry["children"] != got[path]["children"] or entry["counts"] not in (None, got[path]["counts"])
        for path, entry in expected.items()
    )
