"""Index of the rows that belong to the control plane itself, so that Django sees one app and one history of migrations."""

from controlplane.access.models import Grant, LoginAllowance, LoginLink, Token
from controlplane.api.models import IdempotencyKey
from controlplane.operations.models import ActionLatency, PeriodicJob, RestartCount
from controlplane.savedviews.models import SavedView

__all__ = [
    "ActionLatency",
    "Grant",
    "IdempotencyKey",
    "LoginAllowance",
    "LoginLink",
    "PeriodicJob",
    "RestartCount",
    "SavedView",
    "Token",
]
