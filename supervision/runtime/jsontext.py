"""JSON as the node writes it: on one line, without blanks, in ASCII; NaN and infinity are refused."""

import json
from collections.abc import Callable
from typing import Any

_encoder = json.JSONEncoder(separators=(",", ":"), check_circular=False, allow_nan=False)


def _make_encode() -> Callable[[Any], str]:
    """As JSONEncoder.encode, which makes its working part anew for each text: half of its work."""
    in_c = getattr(json.encoder, "c_make_encoder", None)
    if in_c is None:
        return _encoder.encode
    pieces = in_c(
        None, _encoder.default, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, False
    )
    return lambda body: "".join(pieces(body, 0))


encode = _make_encode()
"""The text of a value. ValueError, TypeError for what JSON cannot hold."""
