"""The address that a program is told to report to."""

from urllib.parse import quote, urlsplit, urlunsplit


def dsn_of(
    project: int, key: str, public_url: str, *, child: str = "", incarnation: int | None = None
) -> str:
    """A DSN below `public_url`. With a child, its path says where reports come from: every SDK keeps it."""
    parts = urlsplit(public_url)
    where = f"/from/{quote(child)}/{incarnation}" if child and incarnation is not None else ""
    return urlunsplit(
        (parts.scheme, f"{key}@{parts.netloc}", f"{parts.path.rstrip('/')}{where}/{project}", "", "")
    )
