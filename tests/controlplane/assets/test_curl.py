"""The request that is shown beside an action."""

import json
import shlex

from controlplane.assets.curl import command_curl


def test_the_line_is_what_a_shell_takes_apart_again() -> None:
    line = command_curl(
        url="http://127.0.0.1:8400/api/v1/commands", verb="restart", key="shop/it's", node="n1"
    )
    words = shlex.split(line)
    assert words[:4] == ["curl", "-X", "POST", "http://127.0.0.1:8400/api/v1/commands"]
    assert json.loads(words[-1]) == {"verb": "restart", "key": "shop/it's", "node": "n1"}
    assert "Authorization: Bearer $OVERSTORY_TOKEN" in words
    assert "Idempotency-Key: $(uuidgen)" in words


def test_what_may_be_done_twice_needs_no_key_and_every_node_no_node() -> None:
    line = command_curl(url="u", verb="stop", key="shop/web", node=None, args={"seconds": 5})
    assert "Idempotency-Key" not in line
    assert json.loads(shlex.split(line)[-1]) == {"verb": "stop", "key": "shop/web", "args": {"seconds": 5}}
