"""What of an agent may change without a new life: where it stands in a child's body.

The kernel restarts a child whose body changed. What is only told to a running agent (`on_change: deliver`), and the
revision of its config, stand apart in the body, under a name that the kernel does not compare; the next life starts with
what is there then.
"""

from typing import Any

from supervision.kernel.spec import DELIVERED

__all__ = ["DELIVERED", "taken_out"]


def taken_out(section: dict[str, Any]) -> dict[str, Any]:
    """What is delivered of an agent's section, which has it no more afterwards."""
    delivered = {}
    if "revision" in section:
        delivered["revision"] = section.pop("revision")
    if section.get("on_change") == "deliver":
        delivered["arguments"] = section.pop("arguments", {})
    return delivered
