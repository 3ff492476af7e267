"""The numbers of the detector, each with its reason. `evaluation/fitting.py` chooses among their neighbours."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Parameters:
    """Times in seconds. The defaults are what fitting on all public traces chose."""

    floor_s: float = 1500.0
    """Only what was not given back for so long counts: the minimum over this time is looked at, not the value."""
    merge_s: float = 300.0
    """Rises nearer together are one."""
    quiet_s: float = 2400.0
    """After so long without a rise, one that comes is a beginning, and no part of warming up."""
    quiet_gaps: float = 2.0
    """And the quiet was longer than this many of the gaps that follow: something that rises once an hour was not quiet."""
    begun_for_s: float = 3600.0
    """A beginning is believed after it went on for so long."""
    begun_ratio: float = 0.5
    """And its second half grew at least so much against the first: by time, or by work done."""
    count_rises: int = 3
    memory_rises: int = 6
    """Fewest rises: memory has steps of its own making (arenas, imports, large requests), counts have none."""
    old_s: float = 4 * 3600.0
    """What grows since the process began may be a cache or a pool that fills. This old, it should have filled."""
    window_s: float = 2 * 3600.0
    """The part of such a growth that is looked at: its last hours."""
    going_on_ratio: float = 0.6
    held_up: float = 0.4
    """Its rate now against its rate since the start: a fill slows down, a leak does not."""
    largest_share: float = 0.5
    """The largest rise may be this part of the whole: one step is no leak."""
    straight_blocks: float = 0.95
    straight_memory: float = 0.97
    """Fraction of the variance that a straight line explains: leaks of memory are steady, imports and requests are not."""
    memory_growth: float = 0.015
    """Least growth of memory, of what there was at first: less is noise."""
    before_share: float = 0.1
    """And of all growth before it: a filled cache still trickles."""
    disk_extra_s: float = 2 * 3600.0
    """Files grow for longer before they are rotated."""
