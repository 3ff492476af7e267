"""What the first page would make everybody wait for, done ahead: routes imported and templates read.

After a web process serves, and beside what it serves: it is ready without them, and most probes, reports of errors and live
sockets need none of it. A request that comes meanwhile waits for what is being imported, as it would have done by itself.
"""

import logging
import threading
from pathlib import Path

from django.template import Engine, TemplateSyntaxError
from django.template.loader import get_template
from django.urls import NoReverseMatch, reverse

log = logging.getLogger("overstory.web")


def warm() -> threading.Thread:
    """Begin, in a thread of its own that the process does not wait for when it ends."""
    thread = threading.Thread(target=_warm, name="warming", daemon=True)
    thread.start()
    return thread


def _warm() -> None:
    try:
        reverse("overview")  # the first address that is asked for by name imports all routes
        for directory in Engine.get_default().dirs:
            for path in sorted(Path(directory).rglob("*.html")):
                get_template(str(path.relative_to(directory)))
    except (ImportError, NoReverseMatch, TemplateSyntaxError, OSError):
        log.exception("the first page will take longer")
