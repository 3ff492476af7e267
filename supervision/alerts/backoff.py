"""When a message that was not taken is tried again. Pure."""

FIRST_S = 5.0
FACTOR = 3.0
CAP_S = 1800.0
MOST_ATTEMPTS = 12
"""With the waits above, a receiver may be away for about four hours."""


def wait_s(attempts: int) -> float | None:
    """Seconds from the start of attempt number `attempts` (from 1) to the next; None when there is none."""
    if attempts >= MOST_ATTEMPTS:
        return None
    return float(min(FIRST_S * FACTOR ** (attempts - 1), CAP_S))
