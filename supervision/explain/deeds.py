"""Which deed an action is: what the node would hand to the kernel for it (runtime/child_operations.py)."""

from collections.abc import Callable, Mapping

from supervision.kernel import Kernel
from supervision.kernel.events import (
    DeleteChild,
    HoldKey,
    RecycleKey,
    ReleaseKey,
    RestartKey,
    StartKey,
    StopKey,
    TerminateChild,
)
from supervision.kernel.foresight import MAX_CRASHES, Ask, Crash, Deed
from supervision.runtime.celeryworkerdoc import KIND

DEEDS = (
    "crash", "stop", "start", "restart", "recycle", "hold", "release", "signal", "terminate", "delete_child",
)  # fmt: skip
"""What can be asked about. `signal`: a signal that ends it, once."""


def usual_crashes(kernel: Kernel, key: str) -> tuple[int, float]:
    """(times, within seconds) that are one too many for its supervisor: what is most worth asking about."""
    above = kernel.child(key.rpartition("/")[0])
    spec = above.spec.supervisor if above is not None else None
    return (min(spec.intensity + 1, MAX_CRASHES), float(spec.period)) if spec is not None else (4, 5.0)


def deed_of(
    do: str,
    kernel: Kernel,
    key: str,
    *,
    now: float,
    times: int | None = None,
    within: float | None = None,
    seconds: float | None = None,
) -> Deed:
    """What the node would hand to the kernel for it (runtime/child_operations.py). Raises ValueError for what is no deed."""
    if do == "crash":
        usual_times, usual_within = usual_crashes(kernel, key)
        return Crash(key, times or usual_times, usual_within if within is None else within)
    make = _REQUESTS.get(do)
    if make is None:
        raise ValueError(f"one of {', '.join(DEEDS)}")
    return make(kernel, key, now, seconds)


def _delete(kernel: Kernel, key: str, _now: float, _seconds: float | None) -> Deed:
    supervisor, _, child_id = key.rpartition("/")
    above = kernel.child(supervisor)
    if above is not None and above.spec.supervisor is not None and above.spec.supervisor.is_simple:
        return Ask((TerminateChild(supervisor, process=key),))
    return Ask((StopKey(key), DeleteChild(supervisor, id=child_id)))


def _recycle(kernel: Kernel, key: str, _now: float, _seconds: float | None) -> Deed:
    view, above = kernel.child(key), kernel.child(key.rpartition("/")[0])
    is_declared = (
        above is not None and above.spec.supervisor is not None and not above.spec.supervisor.is_simple
    )
    stand_in = is_declared and view is not None and view.spec.body.get("kind") == KIND
    return Ask((RecycleKey(key, stand_in=stand_in),))


_REQUESTS: Mapping[str, Callable[[Kernel, str, float, float | None], Deed]] = {
    "start": lambda _kernel, key, _now, _s: Ask((StartKey(key),)),
    "stop": lambda _kernel, key, _now, _s: Ask((StopKey(key),)),
    "terminate": lambda _kernel, key, _now, _s: Ask((StopKey(key),)),
    "restart": lambda _kernel, key, _now, _s: Ask((RestartKey(key),)),
    "hold": lambda _kernel, key, now, s: Ask((HoldKey(key, None if s is None else now + s),)),
    "release": lambda _kernel, key, _now, _s: Ask((ReleaseKey(key),)),
    "signal": lambda _kernel, key, _now, _s: Crash(key, 1, 0.0, "signal(15)"),
    "recycle": _recycle,
    "delete_child": _delete,
}
