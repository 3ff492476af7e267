"""Stands for a Celery task in a tree: `python .../overstory/_celery_task.py APP`, told the task by its environment.

The task driver runs this file by its path, from the node's own copy of this package, as it runs `_celery.py`, whose rule for
the path of modules holds here too.
"""

import importlib
import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    importlib.import_module("_celery").settle_path()
    from overstory.celery.keeper import main

    sys.exit(main(sys.argv[1:]))
