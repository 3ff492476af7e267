"""Calls one function in the interpreter of a child: `python callable_probe.py module:function`. Run by the checkers helper.

It imports only the standard library and what it is told to. Exit 0: the function returned anything but False; else 1, with
the reason as the last line.
"""

import importlib
import os
import sys


def say(text: str) -> None:
    """The last line of output is what is shown."""
    sys.stdout.write(f"{(text.splitlines() or [''])[0][:300]}\n")


def main(call: str) -> int:
    """Any exception is a failure, in one line."""
    module, _, name = call.partition(":")
    sys.path[0] = os.getcwd()
    try:
        found = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        answer = found()  # type: ignore[operator]  # a module's attribute, or it is an error that is told
    except BaseException as error:  # noqa: BLE001  whatever it is, it is told
        say(f"{type(error).__name__}: {error}")
        return 1
    if answer is not None:
        say(str(answer))
    return 1 if answer is False else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
