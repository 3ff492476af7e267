"""When the first instruction of a forked process ran: imported first, so that its hook is among the first that run."""

import os
import time

FIRST_NS = [0]
os.register_at_fork(
    after_in_child=lambda: FIRST_NS.__setitem__(0, time.clock_gettime_ns(time.CLOCK_MONOTONIC))
)
