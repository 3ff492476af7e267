"""Decides like OTP's supervisor, without a clock and without I/O: events in, actions out.

Start reading in `kernel.py`.
"""

from supervision.kernel import actions, events, spec
from supervision.kernel.checks import SpecError
from supervision.kernel.kernel import Kernel
from supervision.kernel.plan import summary
from supervision.kernel.state import PlanStep
from supervision.kernel.views import ChildView

__all__ = ["ChildView", "Kernel", "PlanStep", "SpecError", "actions", "events", "spec", "summary"]
