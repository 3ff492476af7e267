"""What the controller's database connection may take, on the server's side and on a silent network.

Beside the deadline of our own (`controlplane.deadlines`), which holds whatever became of the server.
"""

from django.db.backends.base.base import BaseDatabaseWrapper

CONNECT_S = 3
SILENT_MS = 4000
SERVER_SIDE = {
    "statement_timeout": 2000,
    "lock_timeout": 1500,
    "idle_in_transaction_session_timeout": 3000,
}
"""Milliseconds. The last one ends the transaction of a leader that was stopped inside it, so that another can lead."""


def limit(connection: BaseDatabaseWrapper, name: str) -> None:
    """Give a connection that is not open yet its limits, and its name in `pg_stat_activity`."""
    options = connection.settings_dict["OPTIONS"]
    flags = " ".join(f"-c {setting}={value}" for setting, value in SERVER_SIDE.items())
    options["options"] = f"{options.get('options', '')} {flags}".strip()
    options.setdefault("application_name", name)
    options.setdefault("connect_timeout", CONNECT_S)
    options.setdefault("tcp_user_timeout", SILENT_MS)
    options.setdefault("keepalives_idle", 5)
