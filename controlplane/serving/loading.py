"""What a process of ours does while it imports its world: nothing but that.

Imports make hundreds of thousands of objects that stay as long as the process does. The garbage collector would look at all
of them again and again meanwhile (a seventh of the CPU time that a process of ours takes to start, a fifth of a web
process's), and once more with every full collection afterwards. So it rests until everything is there, and leaves that alone
from then on; the pages that hold it stay shared with what is forked later.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Around the imports of a process that has just begun. What they throw away in cycles is kept: there is little."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
