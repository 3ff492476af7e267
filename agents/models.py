"""Index of the rooms' rows, so that Django sees one app and one migration history."""

from agents.checkpoints.models import Checkpoint, CheckpointFault
from agents.configs.models import AgentConfig, AgentConfigRevision, AgentKind
from agents.registry.models import Registration, Service

__all__ = [
    "AgentConfig",
    "AgentConfigRevision",
    "AgentKind",
    "Checkpoint",
    "CheckpointFault",
    "Registration",
    "Service",
]
