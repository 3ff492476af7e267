"""Questions to a node while a request waits: its logs, its own plan. Through the node's courier, over Redis.

A question is pushed to the list `overstory:ask:<node>`; the courier there pops it, asks the node, and pushes the answer
to the list that the question names. A question nobody took is taken back after its deadline, so that none is answered late.
"""

import json
import uuid
from collections.abc import Mapping
from typing import Any

import redis
from django.conf import settings
from django.utils import timezone

from controlplane.api.waiting import let_go

PREFIX = "overstory:ask:"
ANSWER_KEPT_S = 60


class NodeSilentError(Exception):
    """The question was not answered; `missing` says what was away: redis, courier, or node."""

    def __init__(self, missing: str, words: str) -> None:
        super().__init__(words)
        self.missing = missing


class NodeRefusedError(Exception):
    """The node answered with an error: the control socket's `code`, `message`, `pointer` and what else it says."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error.get("message", "the node refused")))
        self.error = dict(error)


def ask_node(node_id: str, op: str, args: Mapping[str, Any], *, timeout_s: float) -> Any:
    """The node's answer. Raises NodeSilentError, NodeRefusedError. Any: as the operation answers."""
    ask, reply = f"{PREFIX}{node_id}", f"overstory:answer:{uuid.uuid4()}"
    deadline = timezone.now().timestamp() + timeout_s
    question = json.dumps({"op": op, "args": dict(args), "reply": reply, "deadline": deadline})
    let_go()
    try:
        client = redis.Redis.from_url(
            settings.CONNECTIONS.redis_url, socket_connect_timeout=1.0, socket_timeout=timeout_s + 2.0
        )
        with client:
            client.rpush(ask, question)
            client.expire(ask, ANSWER_KEPT_S)
            found: Any = client.blpop([reply], timeout=timeout_s)
            if found is None:
                taken = client.lrem(ask, 1, question) == 0
                raise _silent(node_id, taken=taken, timeout_s=timeout_s)
    except redis.RedisError as error:
        raise NodeSilentError("redis", f"Redis does not answer ({type(error).__name__})") from None
    answer = json.loads(found[1])
    if "error" in answer:
        raise NodeRefusedError(answer["error"])
    return answer.get("result")


def _silent(node_id: str, *, taken: bool, timeout_s: float) -> NodeSilentError:
    if taken:
        return NodeSilentError("node", f"node {node_id} did not answer within {timeout_s:g} s")
    return NodeSilentError("courier", f"the courier of node {node_id} takes no questions; it may be away")
