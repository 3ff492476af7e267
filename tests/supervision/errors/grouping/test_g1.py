"""What speaks for an issue, rule by rule."""

from dataclasses import replace

import pytest

from supervision.errors.event import ErrorEvent, Frame, Raised
from supervision.errors.grouping.g1 import group
from supervision.errors.tracebacks import read_traceback


def _frame(
    function: str, *, module: str = "shop.orders", context: str = "", own: bool | None = True, line: int = 1
) -> Frame:
    return Frame(module, function, f"/srv/{module}.py", line, context or f"{function}()", own)


def _stack(*names: str) -> tuple[Frame, ...]:
    return tuple(replace(_frame(name), number=number) for number, name in enumerate(names))


def _event(*raised: Raised, **changes: object) -> ErrorEvent:
    return replace(ErrorEvent("0" * 32, raised=raised), **changes)  # type: ignore[arg-type] # a test's shorthand


BASE = _event(Raised("KeyError", "'colour'", frames=_stack("main", "load", "read")))


def _same(one: ErrorEvent, other: ErrorEvent) -> bool:
    return group(one).app == group(other).app


def test_line_numbers_and_values_say_nothing() -> None:
    moved = tuple(replace(frame, line=900) for frame in BASE.raised[0].frames)
    assert _same(BASE, _event(Raised("KeyError", "'size'", frames=moved)))


@pytest.mark.parametrize(
    "other",
    [
        _event(Raised("ValueError", "'colour'", frames=_stack("main", "load", "read"))),
        _event(Raised("KeyError", "'colour'", frames=_stack("main", "load", "write"))),
        _event(Raised("KeyError", "'colour'", frames=_stack("nightly", "load", "read"))),
        _event(Raised("OSError", ""), Raised("KeyError", "'colour'", frames=_stack("main", "load", "read"))),
    ],
)
def test_type_calls_callers_and_causes_do(other: ErrorEvent) -> None:
    assert not _same(BASE, other)


def test_white_space_in_the_source_says_nothing() -> None:
    def at(context: str) -> ErrorEvent:
        return _event(Raised("KeyError", frames=(_frame("read", context=context),)))

    assert _same(at("return  colours[name]"), at("    return colours[name]  "))
    assert not _same(at("return colours[name]"), at("return sizes[name]"))


def test_calls_of_packages_do_not_count_beside_own_code() -> None:
    library = _frame("get", module="requests.api", own=False)
    with_library = _event(Raised("KeyError", frames=(*BASE.raised[0].frames, library)))
    assert _same(BASE, with_library)
    assert group(BASE).system != group(with_library).system


def test_without_own_code_all_calls_and_the_message_count() -> None:
    def only(value: str, function: str = "get") -> ErrorEvent:
        return _event(Raised("KeyError", value, frames=(_frame(function, module="requests.api", own=False),)))

    assert _same(only("row 17"), only("row 18"))
    assert not _same(only("row 17"), only("column 17"))
    assert not _same(only("row 17"), only("row 17", "post"))


def test_what_only_passes_a_call_on_is_left_out() -> None:
    wrapper = Frame("shop.tools", "wrapper", "/srv/tools.py", 3, "return function(*args, **kwargs)", True)
    trace = _frame("trace_task", module="celery.app.trace")
    assert _same(BASE, _event(Raised("KeyError", frames=(trace, wrapper, *BASE.raised[0].frames))))


def test_how_deep_a_recursion_went_says_nothing() -> None:
    def deep(times: int) -> ErrorEvent:
        return _event(Raised("RecursionError", frames=_stack("main", *("walk", "visit") * times, "read")))

    assert _same(deep(2), deep(40))
    assert _same(deep(1), deep(40))


def test_without_calls_type_and_message() -> None:
    assert _same(_event(Raised("KeyError", "row 1")), _event(Raised("KeyError", "row 2")))
    assert not _same(_event(Raised("KeyError", "row 1")), _event(Raised("KeyError", "no row")))


def test_a_log_message_by_its_template_and_logger() -> None:
    one = _event(message="order 17 late", template="order %s late", logger="shop")
    assert _same(one, _event(message="order x late", template="order %s late", logger="shop"))
    assert not _same(one, _event(message="order 17 late", template="order %s late", logger="stock"))


def test_a_plain_message_by_what_does_not_vary() -> None:
    assert _same(_event(message="order 17 late"), _event(message="order 18 late"))


def test_a_fingerprint_of_the_program_stands_above_all() -> None:
    one, other = replace(BASE, fingerprint=("stock",)), _event(message="x", fingerprint=("stock",))
    assert _same(one, other)
    assert group(one).because.rule == "fingerprint of the program"


def test_default_in_a_fingerprint_is_the_usual_grouping() -> None:
    assert _same(BASE, replace(BASE, fingerprint=("{{ default }}",)))
    tenant = replace(BASE, fingerprint=("{{default}}", "tenant-1"))
    assert not _same(BASE, tenant)
    assert _same(tenant, replace(BASE, fingerprint=("{{ default }}", "tenant-1")))


def test_a_rule_of_the_server_stands_below_the_program() -> None:
    assert group(BASE, ["stock"]).because.rule == "rule of the server"
    assert (
        group(replace(BASE, fingerprint=("own",)), ["stock"]).app
        == group(replace(BASE, fingerprint=("own",))).app
    )


def _grouped(*leaves: Raised) -> ErrorEvent:
    members = [
        replace(leaf, id=number, parent=0, source=f"exceptions[{number - 1}]")
        for number, leaf in enumerate(leaves, 1)
    ]
    whole = Raised("ExceptionGroup", "many", frames=_stack("main"), id=0, is_group=True)
    return _event(*reversed(members), whole)


KEY = Raised("KeyError", "'a'", frames=_stack("fetch"))
OS = Raised("OSError", "gone", frames=_stack("store"))


def test_a_group_is_the_set_of_its_errors() -> None:
    assert _same(_grouped(KEY, OS), _grouped(OS, KEY, KEY))
    assert not _same(_grouped(KEY, OS), _grouped(KEY, replace(OS, type="IOError")))


def test_a_group_of_one_error_is_that_error() -> None:
    assert _same(_grouped(KEY, KEY, KEY), _event(KEY))


def test_a_nested_group_is_its_leaves() -> None:
    inner = Raised("ExceptionGroup", "inner", id=1, parent=0, source="exceptions[0]", is_group=True)
    whole = Raised("ExceptionGroup", "outer", id=0, is_group=True)
    leaf = replace(KEY, id=2, parent=1, source="exceptions[0]")
    assert _same(_event(leaf, inner, whole), _event(KEY))


def test_the_same_end_from_three_ways_is_one_callee() -> None:
    ways = [_event(Raised("KeyError", frames=_stack(way, "get_user"))) for way in ("script", "task", "view")]
    assert len({group(way).app for way in ways}) == 3
    assert len({group(way).callee for way in ways}) == 1


def test_why_names_the_calls_that_count() -> None:
    library = replace(_frame("get", module="requests.api", own=False), number=3)
    because = group(_event(Raised("KeyError", "'colour'", frames=(*BASE.raised[0].frames, library)))).because
    assert because.rule == "calls of the program's own code"
    assert because.frames == ((0, 0), (0, 1), (0, 2))
    assert because.to_json()["algorithm"] == "g1"


def test_nothing_at_all_is_an_issue_too() -> None:
    assert _same(_event(), _event())


def test_hashes_stay_what_they_are() -> None:
    """Another value would part every issue that is stored from its next event: then the algorithm needs another name."""
    assert group(BASE).app == "8fd3ff7d57d5a3c24991fb5e35faa22c"


CRASHED = """Traceback (most recent call last):
  File "/srv/api.py", line 9, in checkout
    return price(order)
  File "/srv/api.py", line 5, in price
    return prices[order]
KeyError: 'b-4711'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/srv/api.py", line 13, in <module>
    checkout("b-4711")
  File "/srv/api.py", line 11, in checkout
    raise NoPriceError(order) from error
NoPriceError: b-4711
"""


def test_what_a_script_wrote_and_what_its_sdk_reports_are_one() -> None:
    def frames(*calls: tuple[str, str]) -> tuple[Frame, ...]:
        return tuple(
            Frame("__main__", function, "/srv/api.py", 1, context, True, number)
            for number, (function, context) in enumerate(calls)
        )

    told = _event(
        Raised(
            "KeyError",
            "'b-4711'",
            frames=frames(("checkout", "        return price(order)"), ("price", "    return prices[order]")),
            id=1,
            parent=0,
            source="__cause__",
        ),
        Raised(
            "NoPriceError",
            "b-4711",
            module="__main__",
            frames=frames(
                ("<module>", 'checkout("b-4711")'),
                ("checkout", "        raise NoPriceError(order) from error"),
            ),
            id=0,
        ),
    )
    assert _same(told, _event(*read_traceback(CRASHED)))
