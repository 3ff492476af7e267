"""One request, from body to body."""

from controlplane.xmlrpc import wire
from controlplane.xmlrpc.faults import RpcFault
from controlplane.xmlrpc.methods import Methods


def respond(body: bytes, methods: Methods) -> bytes:
    """The answer to a request; a fault is an answer too."""
    try:
        method, params = wire.parse_request(body)
        return wire.answer(methods.call(method, params))
    except RpcFault as error:
        return wire.fault(error)
