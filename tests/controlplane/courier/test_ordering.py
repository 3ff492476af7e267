"""Commands as requests to a node."""

import pytest

from controlplane.courier.ordering import request_of
from supervision.runtime.arguments import read_arguments
from supervision.trees.models import Command, Verb

ARGS = {"seconds": 5, "signal": "TERM", "instance": "one", "pid": 7}


@pytest.mark.parametrize("verb", [verb for verb in Verb if verb not in (Verb.HOLD_ALL, Verb.RELEASE_ALL)])
def test_every_verb_is_a_request_that_a_node_takes(verb: Verb) -> None:
    command = Command(verb=verb, key="t/a", args=ARGS, actor_kind="user", actor_name="Ann")
    op, arguments = request_of(command)
    taken = read_arguments(op, arguments)
    assert taken["command_id"] == str(command.id)
    assert taken["by"] == "user Ann"


def test_a_verb_that_no_node_has_is_refused() -> None:
    with pytest.raises(KeyError):
        request_of(Command(verb=Verb.HOLD_ALL, key="t", actor_kind="user"))
