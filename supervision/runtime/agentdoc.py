"""What the driver reads of an agent: its `agent` section, made into the process that it is.

An agent is a process that says READY=1 when it is ready and WATCHDOG=1 as its heartbeat, so everything a process may ask for
holds for it too. Its command is made up here; what its `init` gets travels in its environment, so that a start needs nothing
but local work.
"""

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from supervision.runtime import boot
from supervision.runtime.delivered import DELIVERED
from supervision.runtime.environmentdoc import ENVIRONMENT
from supervision.runtime.fielddoc import DocumentError, DocumentErrors, collect
from supervision.runtime.forking import Forking
from supervision.runtime.kindfields import AGENT
from supervision.runtime.processdoc import ProcessBody

KIND = "agent"
SDK = boot.ROOT / "agents" / "sdk" / "src"
"""Where the SDK's source is: at the end of an agent's path of modules, behind what its own environment has."""
RUN = str(SDK / "overstory" / "_run.py")


def agent_body(body: Mapping[str, Any]) -> ProcessBody:
    """The process of an agent. Raises DocumentErrors (a ValueError) for a body this release does not understand, and for one
    whose config nobody has filled in."""
    section: dict[str, Any] = collect(lambda report: AGENT.read(body.get(KIND), f"/{KIND}", report))
    tree = collect(
        lambda report: ENVIRONMENT.read(body.get("tree_environment", {}), "/tree_environment", report)
    )
    delivered: Mapping[str, Any] = body.get(DELIVERED, {})
    limit, reason = _heartbeat(section)
    return ProcessBody.of_section(
        {
            **section,
            "command": command_of(section),
            "readiness": {"notify": True, "deadline": section["ready_within"]},
            "watchdog": limit,
            "reload": "none",
            "pre_start": [],
            "post_stop": [],
            "sockets": [],
        },
        tree,
        watchdog_reason=reason,
        told=_told(section, delivered),
        forking=forking_of(section),
    )


def python_of(section: Mapping[str, Any]) -> str:
    """The interpreter of an agent: its own, or the node's."""
    return str(section.get("python") or sys.executable)


def command_of(section: Mapping[str, Any]) -> list[str]:
    """The argv of an agent that is exec'd. DocumentErrors when nothing says what it runs."""
    if "command" in section:
        return list(section["command"])
    if "entry_point" not in section:
        words = f"the config {section.get('config')!r} is not filled in: such a tree is applied by the control plane"
        raise DocumentErrors([DocumentError(f"/{KIND}/config", words)])
    return [python_of(section), RUN, section["entry_point"]]


def _heartbeat(section: Mapping[str, Any]) -> tuple[float | None, str]:
    """(seconds, reason) of the watchdog: `heartbeat` in the words of agents, `watchdog` in systemd's; the shorter counts."""
    heartbeat, watchdog = section.get("heartbeat"), section.get("watchdog")
    if heartbeat is not None and (watchdog is None or heartbeat <= watchdog):
        return heartbeat, "unhealthy"
    return watchdog, "watchdog"


def _told(section: Mapping[str, Any], delivered: Mapping[str, Any]) -> dict[str, str]:
    """The variables that tell an agent its configuration. Three, because each JSON value may have 64 KiB and one
    variable 128."""
    arguments = delivered.get("arguments", section["arguments"])
    facts = {
        "entry_point": section.get("entry_point"),
        "namespace": section["namespace"],
        "capabilities": section["capabilities"],
        "config": section.get("config"),
        "revision": delivered.get("revision", section.get("revision")),
        "checkpoint": section.get("checkpoint"),
        "heartbeat_s": section.get("heartbeat"),
    }
    return {
        "OVERSTORY_AGENT": json.dumps({name: value for name, value in facts.items() if value is not None}),
        "OVERSTORY_AGENT_ARGUMENTS": json.dumps(arguments),
        "OVERSTORY_AGENT_METADATA": json.dumps(section["metadata"]),
    }


def forking_of(section: Mapping[str, Any]) -> Forking | None:
    """None for an agent that is always exec'd."""
    if section["start"] != "template" or "entry_point" not in section:
        return None
    module = section["entry_point"].partition(":")[0]
    modules = tuple(dict.fromkeys([*section["preload"], module]))
    python = os.path.join(section["cwd"], python_of(section))
    return Forking(section["entry_point"], python, modules, section["spares"])
