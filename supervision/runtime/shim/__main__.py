"""`python -m supervision.runtime.shim DIRECTORY`: build the shim there and print its path."""

import sys
from pathlib import Path

from supervision.runtime.shim import ShimBuildError, build_shim

if __name__ == "__main__":
    try:
        sys.stdout.write(f"{build_shim(Path(sys.argv[1]))}\n")
    except ShimBuildError as error:
        sys.exit(str(error))
