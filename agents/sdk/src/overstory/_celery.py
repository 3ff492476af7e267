"""Runs `celery` with every application supervised: `python .../overstory/_celery.py -A app worker ...`.

The worker driver runs this file by its path, from the node's own copy of this package. What the application's own
environment has of the package comes first; this copy's directory stands at the end of the path of modules.
"""

import os
import sys

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def settle_path() -> None:
    """Find modules as `python -m celery` does: in the working directory first, and never in the directory of this file."""
    own = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [place for place in sys.path if place != own]
    if not sys.flags.safe_path:
        sys.path.insert(0, os.getcwd())
    if SOURCE not in sys.path:
        sys.path.append(SOURCE)


if __name__ == "__main__":
    settle_path()
    from overstory.celery.__main__ import main

    main()
