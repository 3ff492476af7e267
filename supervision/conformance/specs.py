"""From the specifications of a case, faulty ones included, to the kernel's.

Faults are found by the kernel's own checks. What is decided here is only what OTP decides where a case and a tree file
differ: OTP's defaults (intensity 1, period 5), times in whole seconds and milliseconds, and that the fault of a nested
supervisor shows when that supervisor starts.
"""

from collections.abc import Mapping
from typing import Any, cast

from supervision.kernel.checks import SpecError, check
from supervision.kernel.reasons import Term
from supervision.kernel.spec import (
    AutoShutdown,
    ChildSpec,
    ChildType,
    Refusal,
    Restart,
    Shutdown,
    Strategy,
    SupervisorSpec,
    check_child,
    check_flags,
    check_shutdown,
    duplicate,
)


def supervisor_spec(raw: Mapping[str, Any]) -> SupervisorSpec:
    """What OTP's `supervisor:init/1` makes of it. Never raises: a supervisor that cannot start is a specification too."""
    match raw.get("init"):
        case None:
            pass
        case "ignore":
            return _refused(Refusal(ignore=True))
        case {"crash": reason}:
            return _refused(Refusal(reason=reason))
        case {"return": term}:
            return _refused(Refusal(reason=["bad_return", term]))
    try:
        return parse_supervisor(raw, flags="supervisor_data", children="start_spec")
    except SpecError as error:
        return _refused(Refusal(reason=error.reason))


def _refused(refusal: Refusal) -> SupervisorSpec:
    return SupervisorSpec(intensity=0, period=1, refusal=refusal)


def parse_supervisor(raw: Mapping[str, Any], *, flags: str = "", children: str = "") -> SupervisorSpec:
    """Raises SpecError; `flags` and `children` say what OTP puts around the reason, by what is faulty."""
    fields = {
        "strategy": raw.get("strategy", "one_for_one"),
        "intensity": raw.get("intensity", 1),
        "period": raw.get("period", 5),
        "auto_shutdown": raw.get("auto_shutdown", "never"),
    }
    try:
        check_flags(**fields)
        check(
            isinstance(fields["period"], int),
            "/period",
            fields["period"],
            "whole",
            ["invalid_period", fields["period"]],
        )
    except SpecError as error:
        raise _wrapped(error, flags) from None
    specs = raw.get("children", [])
    if fields["strategy"] == Strategy.SIMPLE_ONE_FOR_ONE and len(specs) != 1:
        raise SpecError("/children", "not one template", _bad_start_spec(specs, children))
    try:
        parsed = child_specs(specs, fields["auto_shutdown"])
    except SpecError as error:
        raise _wrapped(error, children) from None
    return SupervisorSpec(
        intensity=fields["intensity"],
        period=fields["period"],
        strategy=Strategy(fields["strategy"]),
        auto_shutdown=AutoShutdown(fields["auto_shutdown"]),
        children=tuple(parsed),
    )


def _wrapped(error: SpecError, word: str) -> SpecError:
    return SpecError(error.pointer, error.message, [word, error.reason]) if word else error


def _bad_start_spec(specs: list[Any], word: str) -> Term:
    """OTP names the specifications when the supervisor starts, and nothing at a code change."""
    return ["bad_start_spec", [spec.get("id") for spec in specs]] if word else "bad_start_spec"


def child_specs(raws: list[Any], auto_shutdown: str | None) -> list[ChildSpec]:
    """OTP `check_startspec`: the first fault, of a child or of its id among the others, is the answer."""
    specs: dict[str, ChildSpec] = {}
    for raw in raws:
        spec = child_spec(raw, auto_shutdown)
        if spec.id in specs:
            raise duplicate(spec.id)
        specs[spec.id] = spec
    return [*specs.values()]


def child_spec(raw: Any, auto_shutdown: str | None) -> ChildSpec:
    """OTP `check_childspec`, fields in its order. auto_shutdown None: not known. Any: it may be anything."""
    if not isinstance(raw, dict):
        raise SpecError("", "not a specification", ["invalid_child_spec", raw])
    if "id" not in raw:
        raise SpecError("/id", "missing", "missing_id")
    if raw.get("start_fn") == "missing":
        raise SpecError("/start", "missing", "missing_start")
    if "start_fn" in raw:
        raise SpecError("/start", "not a function", ["invalid_mfa", raw["start_fn"]])
    restart, kind = raw.get("restart", "permanent"), raw.get("type", "worker")
    significant = raw.get("significant", False)
    check_child(raw["id"], restart, significant, kind, auto_shutdown)
    shutdown = _seconds(raw.get("shutdown", 5000 if kind == "worker" else "infinity"))
    inner = raw.get("supervisor")
    return ChildSpec(
        id=raw["id"],
        restart=Restart(restart),
        shutdown=shutdown,
        type=ChildType(kind),
        significant=significant,
        supervisor=None if inner is None else supervisor_spec(inner),
        body=raw.get("behaviour", {}),
    )


def _seconds(milliseconds: object) -> float | Shutdown:
    """OTP counts milliseconds, in whole ones."""
    whole = isinstance(milliseconds, int | str)
    reason = ["invalid_shutdown", cast("Term", milliseconds)]
    check(whole, "/shutdown", milliseconds, "whole milliseconds", reason)
    check_shutdown(milliseconds)
    return Shutdown(milliseconds) if isinstance(milliseconds, str) else cast("int", milliseconds) / 1000


def check_childspecs(specs: Any, auto_shutdown: str | None) -> Term:
    """OTP `check_childspecs/1,2`, which needs no supervisor. Any: the argument may be anything."""
    if not isinstance(specs, list):
        return ["error", ["badarg", specs]]
    if auto_shutdown is not None and auto_shutdown not in tuple(AutoShutdown):
        return ["error", ["badarg", auto_shutdown]]
    try:
        child_specs(specs, auto_shutdown)
    except SpecError as error:
        return ["error", error.reason]
    return ["ok"]


def start_results(raw: Mapping[str, Any], path: str) -> dict[str, list[Any]]:
    """The start results that a child specification and those inside it hold, by path."""
    results: dict[str, list[Any]] = {}
    if "start" in raw.get("behaviour", {}):
        results[path] = [*raw["behaviour"]["start"]]
    inner = raw.get("supervisor") or {}
    results.update(results_below(inner, path))
    return results


def results_below(raw: Mapping[str, Any], path: str) -> dict[str, list[Any]]:
    """The same for the children of a supervisor; below a template there are no paths."""
    results: dict[str, list[Any]] = {}
    if raw.get("strategy") != "simple_one_for_one":
        for child in raw.get("children", []):
            if isinstance(child, dict) and "id" in child:
                results.update(start_results(child, f"{path}/{child['id']}"))
    return results
