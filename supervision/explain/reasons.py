"""What an exit reason means, in words, and what one can do about it. One row a reason, in the glossary's order.

A reason is the product's string (`exit(3)`); OTP's own terms (`shutdown: x`, `killed`) come from nested supervisors.
"""

import re
import signal
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Meaning:
    """`text` completes "its last life ...": `ended with exit code 3`."""

    text: str
    advice: str = ""


EXIT_CODES = {
    2: "often a wrong command line",
    126: "a shell found the program but could not execute it",
    127: "a shell did not find the program",
}
"""Conventions of shells and interpreters (bash(1), EXIT STATUS), never certain: a program may use any number."""

SIGNALS = {
    signal.SIGABRT: "it aborted itself",
    signal.SIGBUS: "it touched memory that is not there",
    signal.SIGFPE: "it made an arithmetic error",
    signal.SIGILL: "it ran an illegal instruction",
    signal.SIGSEGV: "it touched memory that is not its own",
    signal.SIGSYS: "it made a forbidden system call",
    signal.SIGXCPU: "it used up its CPU limit",
    signal.SIGXFSZ: "it wrote a file larger than its limit",
}
"""Signals that a program brings upon itself."""


def meaning(reason: str) -> Meaning:
    """The row for `reason`; a reason of a newer release is named as it is."""
    for pattern, row in _ROWS:
        match = pattern.fullmatch(reason)
        if match is not None:
            return row(match)
    return Meaning(f"ended: {reason}" if reason else "ended")


def is_failure(reason: str) -> bool:
    """False for ends that nobody needs to look into."""
    return not (reason in ("normal", "shutdown", "") or reason.startswith("shutdown: "))


def _exit(match: re.Match[str]) -> Meaning:
    code = int(match[1])
    said = EXIT_CODES.get(code)
    if 128 < code <= 192:
        said = f"a shell reports {signal_name(code - 128)} so"
    return Meaning(f"ended with exit code {code}" + (f" ({said})" if said else ""))


def _signalled(match: re.Match[str]) -> Meaning:
    number = int(match[1])
    name = signal_name(number)
    if number == signal.SIGKILL:
        return Meaning(
            f"was killed by {name}; who sent it is not known",
            "Nobody here asked for it: look for an operator's kill -9, or for memory running out (dmesg).",
        )
    if number in SIGNALS:
        advice = (
            "A core file or a debugger says where."
            if number != signal.SIGXCPU
            else "Raise its limit or make it do less."
        )
        return Meaning(f"crashed with {name}: {SIGNALS[signal.Signals(number)]}", advice)
    return Meaning(f"was ended by {name}; who sent it is not known")


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _row(text: str, advice: str = "") -> Callable[[re.Match[str]], Meaning]:
    return lambda _match: Meaning(text, advice)


_ROWS: list[tuple[re.Pattern[str], Callable[[re.Match[str]], Meaning]]] = [
    (re.compile("normal"), _row("ended by itself with exit code 0")),
    (re.compile("shutdown"), _row("was asked to stop and did")),
    (re.compile(r"exit\((\d+)\)"), _exit),
    (re.compile(r"signal\((\d+)\)"), _signalled),
    (
        re.compile("oom"),
        _row(
            "was killed by the kernel because its control group ran out of memory",
            "Raise memory_max, or find out what grows.",
        ),
    ),
    (
        re.compile("timeout"),
        _row(
            "was asked to stop, did not within its shutdown time and was killed",
            "Give it a longer `shutdown`, or find out what keeps it.",
        ),
    ),
    (
        re.compile("watchdog"),
        _row(
            "was killed because it sent no WATCHDOG=1 within its watchdog time",
            "It hangs, or its main loop is slower than its `watchdog`.",
        ),
    ),
    (
        re.compile("unhealthy"),
        _row(
            "was ended because its health check failed",
            "Look at what the check asks, and at its output then.",
        ),
    ),
    (re.compile(r"exception\((.*)\)"), lambda match: Meaning(f"raised {match[1]}")),
    (
        re.compile(r"start_failed\((.*)\)", re.DOTALL),
        lambda match: Meaning(
            f"could not be started: {match[1]}", "Correct the tree file or the host, then apply or start."
        ),
    ),
    (
        re.compile("lost"),
        _row(
            "ended while neither guardian nor node could see it, so how is not known",
            "Guardian and node were both away at that time: see `manage.py events --kind node`.",
        ),
    ),
    (re.compile("killed"), _row("was killed together with its supervisor")),
    (re.compile(r"shutdown: (.*)"), lambda match: Meaning(f"was stopped: {match[1]}")),
    (
        re.compile("reached_max_restart_intensity"),
        _row("gave up: its children needed more restarts than its intensity allows"),
    ),
    (
        re.compile("journal full"),
        _row(
            "waits: the disk under the journal is full, and nothing is started unrecorded",
            "Free space in the data directory.",
        ),
    ),
]
