"""Checkpoints on the command line: on this host through the services, or over REST."""

from collections.abc import Mapping
from typing import Protocol

from controlplane.cli.exits import CliError, ExitCode
from controlplane.cli.remote.address import Address
from controlplane.cli.remote.http import Api
from controlplane.cli.storecommand import Body


class Checkpoints(Protocol):
    """Where checkpoints are kept. Answers have the shapes of the API (docs/api.md)."""

    def listed(self, asked: Mapping[str, str]) -> list[Body]: ...

    def shown(self, number: int) -> Body: ...

    def state(self, number: int) -> bytes: ...

    def deleted(self, number: int) -> None: ...


def checkpoints_of(remote: Address | None) -> Checkpoints:
    """Those of the control plane that is meant."""
    return Local() if remote is None else Remote(Api(remote))


def number_of(text: str) -> int:
    """Raises CliError."""
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise CliError(
            f"{text!r} is no checkpoint: `checkpoint list` has the numbers", exit_code=ExitCode.USAGE
        )
    return int(text)


class Remote:
    """Over REST."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def listed(self, asked: Mapping[str, str]) -> list[Body]:
        return list(self._api.pages("checkpoints", **asked))

    def shown(self, number: int) -> Body:
        found: Body = self._api.get(f"checkpoints/{number}").body
        return found

    def state(self, number: int) -> bytes:
        return self._api.download(f"checkpoints/{number}/state")

    def deleted(self, number: int) -> None:
        self._api.request("DELETE", f"checkpoints/{number}", headers={"If-Match": f'"{number}"'})


class Local:
    """Through the services, as whoever runs the command on the control plane's host."""

    def listed(self, asked: Mapping[str, str]) -> list[Body]:
        from agents.checkpoints.models import Checkpoint
        from controlplane.api.checkpoints import render

        return [render(row) for row in Checkpoint.objects.defer("data").filter(**asked).order_by("-id")]

    def shown(self, number: int) -> Body:
        from agents.checkpoints.services import checkpoint_by_number
        from controlplane.api.checkpoints import render

        return render(checkpoint_by_number(number))

    def state(self, number: int) -> bytes:
        from agents.checkpoints.models import Checkpoint
        from agents.checkpoints.services import checkpoint_by_number
        from agents.exceptions import UnknownError

        data = Checkpoint.objects.values_list("data", flat=True).get(pk=checkpoint_by_number(number).pk)
        if data is None:
            raise UnknownError("the state is too large for the store: its node has it")
        return bytes(data)

    def deleted(self, number: int) -> None:
        from agents.checkpoints.services import delete_checkpoint
        from controlplane.access.actors import local_actor

        delete_checkpoint(pk=number, actor=local_actor())
