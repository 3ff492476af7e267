"""Users by name."""

import pwd


def who(uid: int) -> str:
    """`alice`, or `uid 1000` where the host does not know that number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return f"uid {uid}"
