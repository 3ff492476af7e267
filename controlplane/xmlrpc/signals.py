"""Signals as clients name them: `HUP`, `SIGHUP`, `hup`, `1`."""

import signal

from controlplane.xmlrpc.faults import Code, RpcFault


def signal_name(text: object) -> str:
    """`HUP`, as our own commands name it. RpcFault BAD_SIGNAL."""
    words = str(text).strip().upper()
    try:
        known = (
            signal.Signals(int(words))
            if words.isdigit()
            else signal.Signals[f"SIG{words.removeprefix('SIG')}"]
        )
    except (ValueError, KeyError):
        raise RpcFault(Code.BAD_SIGNAL, str(text)) from None
    return known.name.removeprefix("SIG")
