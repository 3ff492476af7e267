"""`python -m supervision.runtime.shim DIRECTORY`: build the shim and the spawn library there and print their paths."""

import sys
from pathlib import Path

from supervision.runtime.shim import ShimBuildError, build_shim, build_spawn

if __name__ == "__main__":
    try:
        for build in (build_shim, build_spawn):
            sys.stdout.write(f"{build(Path(sys.argv[1]))}\n")
    except ShimBuildError as error:
        sys.exit(str(error))
