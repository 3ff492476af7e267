"""The faults of the interface, by number, with the names its clients know. Source: supervisor's xmlrpc.Faults."""

from enum import IntEnum


class Code(IntEnum):
    """What went wrong; SUCCESS only stands in lists of results."""

    UNKNOWN_METHOD = 1
    INCORRECT_PARAMETERS = 2
    BAD_ARGUMENTS = 3
    SIGNATURE_UNSUPPORTED = 4
    SHUTDOWN_STATE = 6
    BAD_NAME = 10
    BAD_SIGNAL = 11
    NO_FILE = 20
    NOT_EXECUTABLE = 21
    FAILED = 30
    ABNORMAL_TERMINATION = 40
    SPAWN_ERROR = 50
    ALREADY_STARTED = 60
    NOT_RUNNING = 70
    SUCCESS = 80
    ALREADY_ADDED = 90
    STILL_RUNNING = 91
    CANT_REREAD = 92


class RpcFault(Exception):  # noqa: N818 the interface's own word
    """An answer that says what went wrong: `NAME: extra`."""

    def __init__(self, code: Code, extra: str = "") -> None:
        super().__init__(f"{code.name}: {extra}" if extra else code.name)
        self.code = code
