"""What a new node starts from: the newest snapshot that can be read, and every record after it.

The snapshot is found from the end of the newest segment without parsing what stands before it. One that is damaged is passed
over for the one before, from which the records lead to the same state.
"""

import itertools

from supervision.runtime.journal_scan import Scan, lines
from supervision.runtime.journal_segments import Damage, Record, list_segments, mapped, parse, rfind_snapshot


def replay(directory: str) -> tuple[Record | None, list[Record], tuple[Damage, ...]]:
    """(snapshot, later records, what of them cannot be read). Without a snapshot all records there are."""
    segments = list_segments(directory)
    snapshot: Record | None = None
    since = start = 0
    for index in range(len(segments) - 1, -1, -1):
        snapshot, start = _newest_snapshot(segments[index].path)
        if snapshot is not None:
            since = index
            break
    scan = Scan(snapshot["seq"] + 1 if snapshot is not None else 1)
    found: list[Record | Damage] = []
    for segment in itertools.islice(segments, since, None):
        with mapped(segment.path) as data:
            for offset, line in lines(data, start):
                found.extend(scan.feed(line, segment.path, offset))
        start = 0
    found.extend(scan.finish())
    damage = tuple(item for item in found if isinstance(item, Damage))
    return snapshot, [item for item in found if not isinstance(item, Damage)], damage


def _newest_snapshot(path: str) -> tuple[Record | None, int]:
    """(snapshot, offset behind it), or (None, 0)."""
    with mapped(path) as data:
        end = len(data)
        while (at := rfind_snapshot(data, end)) >= 0:
            behind = data.find(b"\n", at)
            record = parse(data[at:behind])
            if record is not None:
                return record, behind + 1
            end = at
    return None, 0
