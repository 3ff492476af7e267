"""The journal of a node that lived through a lot, and what that node itself says at the end."""

import os
import signal
from typing import Any

from tests.support.engine import Engine, child, python, tree
from tests.support.waiting import wait_for

TELLS_AND_FAILS = python("import sys; print('no \\0 luck', file=sys.stderr); sys.exit(3)")


def eventful_life() -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]], str]:
    """(records, members as the node shows them, node id)."""
    with Engine() as engine:
        engine.apply(
            tree(
                "shop",
                child("store"),
                {
                    "id": "front",
                    "supervisor": {
                        "strategy": "rest_for_one",
                        "children": [child("web"), child("cache", depends_on=["web"])],
                    },
                },
                child("job", python("pass"), restart="transient"),
                child("bad", TELLS_AND_FAILS, restart="temporary"),
            ),
            "first",
        )
        engine.apply(
            tree(
                "pool",
                child("member", ["/bin/sleep", "3600"]),
                strategy="simple_one_for_one",
            )
        )
        engine.call("start_child", supervisor="pool", instance="a")
        engine.call("start_child", supervisor="pool", instance="b")
        web = engine.wait_state("shop/front/web", "running")
        os.kill(web["pid"], signal.SIGKILL)
        engine.wait_incarnation("shop/front/web", 1)
        engine.call("stop", key="shop/store")
        engine.wait_state("shop/store", "stopped")
        engine.call("hold", key="shop/front/cache", seconds=600)
        engine.kill_node()
        engine.wait_answer()
        starts = _starts(engine)
        engine.call("reexec", what="node")
        wait_for(lambda: _starts(engine) > starts, timeout=30, what="the node has replaced itself")
        engine.call("delete_child", key="pool/a")
        engine.wait_state("shop/job", "completed")
        engine.wait_state("shop/bad", "failed")
        wait_for(
            lambda: any(record["key"] == "shop/bad" for record in engine.records("exit")),
            timeout=30,
            what="the last words of shop/bad are on record",
        )
        engine.apply(tree("gone", child("x")))
        engine.wait_state("gone/x", "running")
        engine.call("delete", tree="gone")
        engine.apply(
            tree("shop", child("store"), child("extra"), child("job", python("pass"), restart="transient")),
            "second",
        )
        engine.wait_state("shop/extra", "running")
        return engine.records(), engine.views(), engine.node_id()


def _starts(engine: Engine) -> int:
    return sum(record["what"] == "started" for record in engine.records("node"))
