"""When a scheduled job should report, and what it means when it does not. Pure."""
