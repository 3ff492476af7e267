"""Index of the rooms' rows, so that Django sees one app and one migration history."""

from agents.checkpoints.models import Checkpoint, CheckpointFault
from agents.configs.models import AgentConfig, AgentConfigRevision, AgentKind, ConfigCanary
from agents.measures.models import AgentCounter, AgentGauge
from agents.registry.models import Registration, Service

__all__ = [
    "AgentConfig",
    "AgentConfigRevision",
    "AgentCounter",
    "AgentGauge",
    "AgentKind",
    "Checkpoint",
    "CheckpointFault",
    "ConfigCanary",
    "Registration",
    "Service",
]
