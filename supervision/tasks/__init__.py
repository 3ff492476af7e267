"""Tasks of users' Celery applications: rows of what ran, what is decided about them, and how many workers there are."""
