"""What is stored of a node explains a child in the same words as the node's own journal does."""

from datetime import UTC, datetime

import pytest
from django.utils import timezone

from controlplane.api import explaining
from supervision.explain.explanation import explain
from supervision.fleet.models import Node
from supervision.journal import services
from supervision.journal.replica import Replica
from supervision.runtime.observed import Observed
from tests.support.engine import Engine, child, python, tree

pytestmark = pytest.mark.django_db


def test_the_words_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    with Engine() as engine:
        engine.apply(
            tree("shop", child("web"), child("bad", python("raise SystemExit(3)"), restart="temporary"))
        )
        engine.wait_state("shop/bad", "failed")
        engine.call("stop", key="shop/web")
        engine.wait_state("shop/web", "stopped")
        observed = Observed.from_json(engine.call("tree"))
        engine.call("shutdown")
        records, node_id = engine.records(), engine.node_id()
    upto = next(at for at, one in enumerate(records) if one["k"] == "command" and one["op"] == "shutdown")
    records = records[:upto]
    node = Node.objects.create(id=node_id, name="web-1", joined_at=timezone.now())
    services.ingest(node_id=node.id, stream_epoch=1, epoch=1, batch=Replica().fold(records))
    now = datetime.fromtimestamp(records[-1]["t"] + 60, UTC)
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    for key in ("shop", "shop/web", "shop/bad"):
        stored = explaining.explain_key(key)
        assert stored is not None
        assert stored.current
        told = explain(key, observed, records, now=now.timestamp())
        assert told is not None
        assert stored.to_json() == told.to_json()
    assert explaining.explain_key("shop/none") is None
