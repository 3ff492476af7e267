"""What anybody may open without logging in. Everything else needs a login or a token; a test walks every URL and
compares."""

PUBLIC_VIEWS = frozenset(
    {
        "livez",
        "readyz",
        "readyz-check",
        "healthz",
        "login",
        "login-link",
        "problem",
        "problems",
        "error-intake",
        "xmlrpc",
        "xmlrpc-logtail",
        "xmlrpc-mainlogtail",
        "metrics",
    }
)
"""Names of URL patterns. The XML-RPC views and `metrics` ask who it is themselves, each in its own way. Static files come
before URLs are looked at."""
