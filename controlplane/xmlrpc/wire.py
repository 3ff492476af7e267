"""Requests and answers as XML. Pure.

Text is made fit for XML 1.0, numbers for 32 bits: a client must be able to read whatever a child wrote into its log.
"""

import re
import xmlrpc.client
from typing import Any

from controlplane.xmlrpc.faults import Code, RpcFault

MAX_REQUEST_BYTES = 1024 * 1024
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LEAST, _MOST = -(2**31), 2**31 - 1

Value = Any
"""What XML-RPC can carry: text, numbers, booleans, lists and structs of them."""


def parse_request(body: bytes) -> tuple[str, tuple[Value, ...]]:
    """Method and parameters. RpcFault for what is no request."""
    if b"\0" in body:  # UTF-16, in which the next question would find nothing
        raise RpcFault(Code.INCORRECT_PARAMETERS, "the body is not UTF-8")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise RpcFault(Code.INCORRECT_PARAMETERS, "a document type is not allowed")
    try:
        params, method = xmlrpc.client.loads(body, use_builtin_types=True)
    except Exception as error:
        raise RpcFault(Code.INCORRECT_PARAMETERS, "the body is no XML-RPC request") from error
    if not isinstance(method, str):
        raise RpcFault(Code.INCORRECT_PARAMETERS, "the request names no method")
    return method, tuple(params)


def answer(value: Value) -> bytes:
    """A result."""
    return xmlrpc.client.dumps((clean(value),), methodresponse=True, encoding="utf-8").encode()


def fault(error: RpcFault) -> bytes:
    """A fault."""
    made = xmlrpc.client.Fault(int(error.code), clean_text(str(error)))
    return xmlrpc.client.dumps(made, methodresponse=True, encoding="utf-8").encode()


def clean(value: Value) -> Value:
    """`value` as XML-RPC can carry it."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return max(_LEAST, min(_MOST, int(value)))
    if isinstance(value, list | tuple):
        return [clean(inner) for inner in value]
    if isinstance(value, dict):
        return {clean_text(str(name)): clean(inner) for name, inner in value.items()}
    return value


def clean_text(text: str) -> str:
    """Without what XML 1.0 cannot hold."""
    return _FORBIDDEN.sub("", text)
