"""The errors of this package, named for what the caller can do about them."""


class SupervisionError(Exception):
    """Supervision failed."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or "").strip())
