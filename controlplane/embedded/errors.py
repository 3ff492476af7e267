"""What can be wrong with the embedded stores, each with what to do about it."""


class EmbeddedStoreError(Exception):
    """An embedded store cannot be prepared; the message is for the operator and says what to do."""
