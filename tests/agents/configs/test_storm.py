"""Twenty writers of one agent config, a tree that follows it, and a node that reads what it is to run all the while."""

import threading
from typing import Any

import pytest
from django.db import connections
from django.urls import reverse

from agents.configs.models import AgentConfig, AgentConfigRevision
from controlplane.access.policy import Scope
from supervision.auditlog.services import verify_chain
from supervision.runtime.treedoc import parse_tree
from supervision.trees.models import Placement, TreeRevision
from supervision.trees.selectors import desired_for
from tests.agents.config_rows import apply, put
from tests.controlplane.api.test_races import at_once
from tests.supervision.trees.fleet_rows import node
from tests.support import people

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS = 20
EACH = 3


class _Reader(threading.Thread):
    """A node's courier: reads what is placed, until told to stop. (revision of the tree, of the config, arguments)."""

    def __init__(self, node_id: str) -> None:
        super().__init__()
        self.node_id = node_id
        self.stop = threading.Event()
        self.seen: set[tuple[int, int, int]] = set()

    def run(self) -> None:
        try:
            while not self.stop.is_set():
                self.look()
        finally:
            connections.close_all()

    def look(self) -> None:
        [desired] = desired_for(self.node_id)
        assert parse_tree(desired.document).digest == desired.digest
        agent = desired.document["supervisor"]["children"][0]["agent"]
        self.seen.add((desired.revision, agent["revision"], agent["arguments"]["n"]))


def test_every_revision_is_there_once_in_order_and_nothing_else_was_run() -> None:
    put(arguments={"n": -1})
    applied = apply()
    where = node("a")
    Placement.objects.create(
        tree=applied.tree, node=where, revision=applied.revision, assigned_at=applied.revision.created_at
    )
    token = people.token(people.admin(), Scope.ADMIN)
    url = reverse("api:agent-config", args=["shop", "crawler"])
    reader = _Reader(where.id)
    reader.start()

    def write(index: int) -> list[tuple[int, Any]]:
        """EACH edits that were taken; (status, revision or what is there instead) of every try."""
        client, told = people.bearer(token), []
        taken = 0
        while taken < EACH:
            tag = client.get(url)["ETag"]
            document = {"entry_point": "a:B", "arguments": {"n": index * EACH + taken}}
            answer = client.put(url, document, content_type="application/json", HTTP_IF_MATCH=tag)
            body = answer.json()
            if answer.status_code == 200:
                taken += 1
                told.append((200, body["revision"]))
            else:
                told.append((answer.status_code, body["current"]["version"] != tag.strip('"')))
        return told

    try:
        outcomes = at_once(WRITERS, write)
    finally:
        reader.stop.set()
        reader.join(30)
    reader.look()

    refused = [told for outcome in outcomes for told in outcome if told[0] != 200]
    assert set(refused) <= {(412, True)}
    accepted = [told[1] for outcome in outcomes for told in outcome if told[0] == 200]
    total = WRITERS * EACH + 1
    assert sorted(accepted) == list(range(2, total + 1))
    for outcome in outcomes:
        mine = [number for status, number in outcome if status == 200]
        assert mine == sorted(mine)

    revisions = AgentConfigRevision.objects.order_by("number")
    assert [one.number for one in revisions] == list(range(1, total + 1))
    assert [one.base_number for one in revisions] == [None, *range(1, total)]
    config = AgentConfig.objects.get()
    assert (config.head_id, config.version) == (revisions.last().pk, total)  # type: ignore[union-attr]  # there are some

    committed = {one.number: one.document["arguments"]["n"] for one in revisions}
    steps = TreeRevision.objects.order_by("number")
    assert [one.pins["shop/crawler"]["revision"] for one in steps] == list(range(1, total + 1))
    assert all(committed[number] == value for _tree, number, value in reader.seen)
    assert max(reader.seen)[1] == total
    assert verify_chain().holds
