"""Which events of a storm are kept, where a project says that not all are. Pure.

Up to `whole` a minute of one issue all are; of those beyond every 2nd, then every 4th, 8th and so on, so that a storm of any
size keeps a little more with each doubling. What is not kept is counted all the same.
"""


def one_of(number: int, *, whole: int) -> int:
    """One of how many is kept at the event of this number (from 1) in its minute: 1, 2, 4, … `whole` 0: all are."""
    if not whole or number <= whole:
        return 1
    return 1 << ((number - 1) // whole).bit_length()


def is_kept(number: int, *, whole: int) -> bool:
    """Whether that event is."""
    return number % one_of(number, whole=whole) == 0
