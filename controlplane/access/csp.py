"""Content security policies: one for our own pages, one for Django's admin.

Ours allows no inline script or style and no eval, and enforces Trusted Types with the one policy `overstory`. The
admin's theme ships Alpine, which compiles expressions (`unsafe-eval`), and writes inline styles: those two exceptions
stand there alone.
"""

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

PAGES = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "worker-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["overstory"],
    }
}
ADMIN = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, UNSAFE_EVAL],
        "style-src": [SELF, UNSAFE_INLINE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "object-src": [NONE],
    }
}
