"""The journal over REST: records as they stand in a node's journal, newest ones first needed."""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from controlplane.cli.remote.http import Api
from controlplane.cli.remote.operations import node_id_of
from supervision.explain.records import JournalRecord

PAGE = 200
MOST_PAGES = 500
"""Of 200 records: as far back as a search goes before it gives up."""
LOOK_EVERY_S = 1.0

Wanted = Callable[[JournalRecord], bool]


def past(
    api: Api, wanted: Wanted, *, trees: Sequence[str], since: float | None, limit: int
) -> list[JournalRecord]:
    """The wanted ones of the newest records, oldest first: `limit` of them, 0 for all, none from before `since`."""
    query: dict[str, Any] = {"node": node_id_of(api), "limit": PAGE, "order": "newest"}
    if since is not None:
        query["since"] = datetime.fromtimestamp(since, UTC).isoformat()
    if len(trees) == 1:
        query["tree"] = trees[0]
    rows = itertools.islice(api.pages("events", **query), PAGE * MOST_PAGES)
    found = (record for row in rows if wanted(record := record_of(row)))
    kept = list(itertools.islice(found, limit) if limit else found)
    return kept[::-1]


def newest_id(api: Api) -> int:
    """Where following begins."""
    rows = api.get("events", limit=1, order="newest").body["items"]
    return int(rows[0]["id"]) if rows else 0


def follow(api: Api, wanted: Wanted, *, after: int, trees: Sequence[str]) -> Iterator[JournalRecord]:
    """What comes after the record with the id `after`, for ever."""
    node = node_id_of(api)
    tree = trees[0] if len(trees) == 1 else None
    while True:
        quiet = True
        for row in api.pages("events", after=after, order="oldest", limit=PAGE, node=node, tree=tree):
            after, quiet = int(row["id"]), False
            record = record_of(row)
            if wanted(record):
                yield record
        if quiet:
            time.sleep(LOOK_EVERY_S)


def record_of(row: Mapping[str, Any]) -> JournalRecord:
    """A row of the API as the record it was."""
    at = datetime.fromisoformat(row["at"]).timestamp()
    about = {"seq": row["seq"], "t": at, "b": row["boot"], "k": row["kind"]}
    return {**row["body"], **about, "node": row["node"], "id": row["id"]}
