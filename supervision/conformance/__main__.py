import sys

from supervision.conformance.command import main

sys.exit(main())
