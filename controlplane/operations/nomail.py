"""Mail where no server is named: every message fails and says why, so that it stands beside the alert."""

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class NoMailBackend(BaseEmailBackend):
    """Refuses."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        raise OSError("no mail server is set: OVERSTORY_EMAIL_URL")
