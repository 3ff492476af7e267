"""Agent configs: what an agent runs and how, as revisions that trees name."""
