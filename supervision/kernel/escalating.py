"""A child that is ill and whose supervisor is to fail for it: the escalation of OTP, asked for instead of counted up to.

The supervisor ends as one that exceeded its intensity does: it stops its children in order and exits with reason `shutdown`.
What is above it decides, and counts that as the restart it is; a root starts again as `on_failure` says. Nothing is counted
in the supervisor's own window, for it ends.
"""

from supervision.kernel.events import EscalateKey
from supervision.kernel.machine import Machine
from supervision.kernel.restarting import end_supervisor
from supervision.kernel.state import Fail, Supervisor


def request_escalation(m: Machine, ref: str, request: EscalateKey) -> None:
    """Pass it on to the child's supervisor, in its turn among the messages; the reply comes at once."""
    child = m.children.get(request.key)
    if child is None or child.parent is None:
        m.reply(ref, ["error", "not_found"])
    elif not child.alive or child.memory.incarnation != request.incarnation:
        m.reply(ref, ["error", f"incarnation {request.incarnation} has ended already"])
    else:
        m.post(child.parent, Fail(child.id, request.incarnation, request.why))
        m.reply(ref, ["ok"])


def fail(m: Machine, supervisor: Supervisor, message: Fail) -> None:
    """The supervisor's part: it fails, unless the child ended meanwhile."""
    child = supervisor.children.get(message.id)
    if child is None or not child.alive or child.memory.incarnation != message.incarnation:
        return
    above = supervisor.child.parent
    detail = {"incarnation": message.incarnation, "parent": above.key if above is not None else None}
    m.report("escalated", supervisor, child.id, message.why, detail)
    end_supervisor(m, supervisor, "gave_up", "shutdown")
