"""Index of the rooms' rows, so that Django sees one app and one migration history."""

from agents.configs.models import AgentConfig, AgentConfigRevision, AgentKind

__all__ = ["AgentConfig", "AgentConfigRevision", "AgentKind"]
