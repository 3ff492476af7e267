"""`python -m supervision.audit`: the audit without the server."""

import sys

from supervision.audit.cli import main

if __name__ == "__main__":
    sys.exit(main())
