"""Who does something: a person, a token, somebody on a host's own command line, or a part of the system."""

from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    USER = "user"
    TOKEN = "token"  # noqa: S105 a kind of actor, not a credential
    LOCAL = "local"
    SYSTEM = "system"
    NODE = "node"
    ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Actor:
    """`id` is stable, `name` is what people read. `ip` and `request_id` say by which request."""

    kind: ActorKind
    id: str
    name: str
    ip: str | None = None
    request_id: str | None = None

    @classmethod
    def system(cls, part: str) -> "Actor":
        """A part of ours that acts by itself, such as the controller."""
        return cls(ActorKind.SYSTEM, part, part)

    @classmethod
    def local(cls, uid: int, host: str) -> "Actor":
        """Whoever used the control socket of a host (break-glass)."""
        return cls(ActorKind.LOCAL, f"{host}:{uid}", f"uid {uid} on {host}")
