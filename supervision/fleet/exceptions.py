"""What the fleet refuses, named for what the caller can do about it."""

from supervision.exceptions import SupervisionError


class FleetError(SupervisionError):
    """The fleet refused."""


class StaleEpochError(FleetError):
    """The node's lease was lost and its epoch is over: join anew, learn what is placed here, then write."""


class NodeIsElsewhereError(FleetError):
    """The node runs in another place: this data directory is a copy of one in use."""


class NoSuchNodeError(FleetError):
    """There is no such node."""
