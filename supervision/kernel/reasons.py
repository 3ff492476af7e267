"""Exit reasons and the other terms the kernel passes around.

A term is plain JSON. OTP's terms are written the way the conformance cases write them (an atom is a string, a tuple or
list is an array, `undefined` is null); the product's own reasons are the strings of the glossary: `normal`,
`shutdown`, `exit(3)`, `signal(9)`, `oom`, `timeout`, `watchdog`, `unhealthy`, `exception(Type)`, `start_failed(why)`,
`lost`. The kernel compares them and hands them on; it never takes them apart, with two exceptions below.
"""

import re
from typing import TypeAlias, Union

Term: TypeAlias = Union[str, int, float, bool, list["Term"], dict[str, "Term"], None]  # noqa: UP007 (strings have no |)

NORMAL = "normal"
SHUTDOWN = "shutdown"
KILLED = "killed"
LOST = "lost"

_EXIT_CODE = re.compile(r"exit\((\d+)\)")


def is_shutdown_tuple(reason: Term) -> bool:
    """`{shutdown, Term}`, which OTP treats like `shutdown` nearly everywhere."""
    return isinstance(reason, list) and len(reason) == 2 and reason[0] == SHUTDOWN


def is_normal(reason: Term, success_exit_codes: frozenset[int] = frozenset()) -> bool:
    """Is this the end a transient child is not restarted after?

    OTP supervisor, child specification: `normal`, `shutdown` or `{shutdown, Term}`. Ours beside it: `exit(N)` when the
    child's specification lists N among its `success_exit_codes`.
    """
    if reason in (NORMAL, SHUTDOWN) or is_shutdown_tuple(reason):
        return True
    if success_exit_codes and isinstance(reason, str):
        code = _EXIT_CODE.fullmatch(reason)
        return code is not None and int(code[1]) in success_exit_codes
    return False
