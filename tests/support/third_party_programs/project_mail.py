"""The project's way to send: a line for each mail, and a moment of time."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.mail.backends.base import BaseEmailBackend

TAKES_S = 0.1


class SlowBackend(BaseEmailBackend):
    """Appends the subject and its own pid to the file `sent`."""

    def send_messages(self, email_messages: Sequence[Any]) -> int:
        for message in email_messages:
            line = f"{message.subject} {os.getpid()}\n"
            with (Path(os.environ["PROJECT_DIR"]) / "sent").open("a") as sent:
                sent.write(line)
            time.sleep(TAKES_S)
        return len(email_messages)
