"""The fields that say what follows by itself when a child is found to leak.

The node never reads them: the control plane does, so a child lives on when they change.
"""

from typing import Any

from supervision.runtime.fielddoc import Field, Report, Section, held
from supervision.runtime.fieldtypes import Size, Word

ON_LEAK_DOES = ("watch", "recycle", "restart")


def _check_bound(values: dict[str, Any], at: str, report: Report) -> None:
    does, bound = held(values, "does"), values.get("memory")
    if does == "restart" and bound is None:
        report.add(f"{at}/memory", "`restart` needs the bound at which it is done")
    elif does in ("watch", "recycle") and bound is not None:
        report.add(f"{at}/memory", "a bound belongs to `does: restart`")


ON_LEAK = Field(
    "on_leak",
    Section(
        "on_leak",
        (
            Field(
                "does",
                Word(ON_LEAK_DOES),
                "watch",
                "watch: it is shown. recycle: a fresh life as soon as it surely leaks, or hits a limit within the hour; "
                "what drains, drains first. restart: a fresh life when its memory grows past `memory`.",
            ),
            Field("memory", Size(2**20), None, "The bound of `restart`."),
        ),
        checks=(_check_bound,),
    ),
    None,
    "What is done by itself when it leaks: by its supervisor, one child at a time. Default: it is shown.",
)
