"""Health checks of running children as rows: what was asked, what was answered, how old that is."""
