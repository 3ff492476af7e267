"""The kinds of children this node runs, and what reads each of them as the process it is."""

from collections.abc import Callable, Mapping
from typing import Any

from supervision.runtime import agentdoc, celerytaskdoc, celeryworkerdoc, processdoc
from supervision.runtime.processdoc import ProcessBody

READERS: Mapping[str, Callable[[Mapping[str, Any]], ProcessBody]] = {
    processdoc.KIND: ProcessBody.from_body,
    agentdoc.KIND: agentdoc.agent_body,
    celeryworkerdoc.KIND: celeryworkerdoc.worker_body,
    celerytaskdoc.KIND: celerytaskdoc.task_body,
}
RUNNABLE = frozenset(READERS)


def body_of(body: Mapping[str, Any]) -> ProcessBody:
    """A kernel's child body, typed. Raises DocumentErrors (a ValueError) for one this release does not understand."""
    return READERS.get(str(body.get("kind")), ProcessBody.from_body)(body)
