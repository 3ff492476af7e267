"""The mail server of alerts, from one URL: `smtp://user:password@host:587?from=overstory@example.com`.

`smtps://` speaks TLS from the beginning, `smtp://` begins with STARTTLS unless `?tls=no` says that it must not.
"""

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit


class MailServerError(ValueError):
    """OVERSTORY_EMAIL_URL is wrong; the message says how, without the URL, which holds a password."""


def mail_settings(url: str | None) -> dict[str, Any]:
    """Django's settings for it; without a URL mail cannot be sent, and says so. Raises MailServerError."""
    if not url:
        return {"EMAIL_BACKEND": "controlplane.operations.nomail.NoMailBackend"}
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise MailServerError(
            "OVERSTORY_EMAIL_URL has to be like smtp://user:password@host:587?from=me@example.com"
        )
    query = parse_qs(parts.query)
    sender = query.get("from", [""])[0]
    if "@" not in sender:
        raise MailServerError("OVERSTORY_EMAIL_URL names no sender: ?from=overstory@example.com")
    implicit = parts.scheme == "smtps"
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if implicit else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": implicit,
        "EMAIL_USE_TLS": not implicit and query.get("tls") != ["no"],
        "EMAIL_TIMEOUT": 15,
        "DEFAULT_FROM_EMAIL": sender,
    }
