"""The registry: who is reachable under which key, and which services are ready."""
