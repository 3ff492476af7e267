"""Celery tasks of the platform: each a shim over a service."""
