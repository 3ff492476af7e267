"""Telling an alert by e-mail, through Django's backend."""

import re
from collections.abc import Mapping

from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.validators import validate_email

from supervision.alerts.exceptions import DeliveryError, InvalidChannel

DEADLINE_S = 15
MOST_ADDRESSES = 50


def parse_addresses(text: str) -> list[str]:
    """Addresses separated by commas, spaces or lines. Raises InvalidChannel, which names the wrong one."""
    addresses = [word for word in re.split(r"[\s,;]+", text) if word]
    if not addresses:
        raise InvalidChannel("target", "no address")
    if len(addresses) > MOST_ADDRESSES:
        raise InvalidChannel("target", f"more than {MOST_ADDRESSES} addresses")
    for address in addresses:
        try:
            validate_email(address)
        except ValidationError as error:
            raise InvalidChannel("target", f"{address!r} is not an e-mail address") from error
    return addresses


def send(addresses: list[str], subject: str, body: str, headers: Mapping[str, str]) -> None:
    """Raises DeliveryError when the server does not take it."""
    line = " ".join(subject.split())  # a line break in a subject is a header of its own
    connection = get_connection(timeout=DEADLINE_S)
    try:
        EmailMessage(line, body, to=addresses, headers=dict(headers), connection=connection).send()
    except OSError as error:  # smtplib's errors are
        raise DeliveryError(f"e-mail: {type(error).__name__}: {error}"[:400]) from error
