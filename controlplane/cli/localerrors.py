"""What commands on errors share that run on the control plane's host, without REST."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from controlplane.cli.exits import CliError, ExitCode

Result = TypeVar("Result")


def checked(shape: Any, body: Mapping[str, Any]) -> dict[str, Any]:
    """CliError. Any: a body of the API, and what it holds."""
    read = shape(data=dict(body))
    if not read.is_valid():
        field, problems = next(iter(read.errors.items()))
        raise CliError(f"{field}: {problems}"[:500], code="invalid")
    return dict(read.validated_data)


def carried_out(act: Callable[[], Result]) -> Result:
    """What the error store refuses, as CliError."""
    from supervision.errors.exceptions import InvalidFieldError

    try:
        return act()
    except InvalidFieldError as error:
        raise CliError(f"{error.field}: {error}", code="invalid") from None


def project_called(slug: str) -> Any:
    """CliError. Any: the row, whose class is not imported before Django is there."""
    from supervision.errors.store.models import ErrorProject

    found = ErrorProject.objects.filter(slug=slug).first()
    if found is None:
        raise CliError(f"there is no error project {slug}", exit_code=ExitCode.NOT_FOUND)
    return found
