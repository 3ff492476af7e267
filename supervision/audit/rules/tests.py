"""Sleeps in tests (SUP041). Workers that tests leave behind (SUP042) are found where threads are, in `processes`."""

import ast

from supervision.audit.rules import on_call
from supervision.audit.view import View, constant, function_node

# The passing of time is what these tests are about.
_ABOUT_TIME = (
    "ttl",
    "expir",
    "throttl",
    "rate_limit",
    "elapsed",
    "duration",
    "sleep",
    "timing",
    "stale",
    "age_out",
)


@on_call("time.sleep", "asyncio.sleep", "gevent.sleep", "eventlet.sleep", "trio.sleep")
def sleep_in_test(view: View, call: ast.Call) -> None:
    """SUP041: directly in a test or its set-up, outside a polling loop, in a test that is not about time passing."""
    scope = view.function(call)
    if scope is None or function_node(scope) is None or not view.is_test(call):
        return
    name = scope.name.lower()
    if not name.startswith(("test", "setup", "teardown", "asyncsetup", "asyncteardown")):
        return
    length = constant(call.args[0]) if call.args else None
    if length == 0 or view.in_lambda(call) or view.loop(call) is not None:
        return
    if any(word in name for word in _ABOUT_TIME):
        return
    view.report("SUP041", call, "The test sleeps in place of waiting for a state")
