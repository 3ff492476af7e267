"""Where programs report their errors: an ASGI application of its own, in front of Django, that answers once a report is
committed."""
