"""What the client does not call, and what an attacker would."""

import xmlrpc.client
from typing import Any

import pytest

from controlplane.xmlrpc.calls import respond
from controlplane.xmlrpc.faults import Code, RpcFault
from controlplane.xmlrpc.methods import Methods
from controlplane.xmlrpc.programs import OURS, Program, config_info, find, process_info
from supervision.runtime.observed import STATES
from tests.support.memory_programs import MemoryBackend, program


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend(program("shop/api"), program("shop/db", "stopped"))


@pytest.fixture
def methods(backend: MemoryBackend) -> Methods:
    return Methods(backend, "0.1.0")


def code_of(methods: Methods, method: str, *params: Any) -> Code:
    with pytest.raises(RpcFault) as fault:
        methods.call(method, params)
    return fault.value.code


def test_the_version_is_the_one_that_clients_compare_with(methods: Methods) -> None:
    assert methods.call("supervisor.getVersion", ()) == methods.call("supervisor.getAPIVersion", ()) == "3.0"
    assert methods.call("supervisor.getState", ()) == {"statecode": 1, "statename": "RUNNING"}


@pytest.mark.parametrize(
    "method",
    [
        "supervisor.supervisord.options.warnings.linecache.os.system",
        "supervisor.start",
        "supervisor._backend.shut_down",
        "supervisor.__class__",
        "system._table",
        "getVersion",
        "",
    ],
)
def test_only_names_of_the_table_are_methods(methods: Methods, method: str) -> None:
    assert code_of(methods, method) is Code.UNKNOWN_METHOD


def test_wrong_parameters_are_a_fault(methods: Methods) -> None:
    assert code_of(methods, "supervisor.startProcess") is Code.INCORRECT_PARAMETERS
    assert code_of(methods, "supervisor.getVersion", 1, 2) is Code.INCORRECT_PARAMETERS
    assert code_of(methods, "supervisor.readProcessStdoutLog", "shop:api", -5, 5) is Code.BAD_ARGUMENTS
    assert (
        code_of(methods, "supervisor.readProcessStdoutLog", "shop:api", "0", 5) is Code.INCORRECT_PARAMETERS
    )
    assert code_of(methods, "supervisor.startProcess", 7) is Code.INCORRECT_PARAMETERS
    assert code_of(methods, "supervisor.signalProcess", "shop:api", {}) is Code.BAD_SIGNAL


def test_several_calls_in_one_and_none_inside_another(methods: Methods) -> None:
    answers = methods.call(
        "system.multicall",
        (
            [
                {"methodName": "supervisor.getVersion", "params": []},
                {"methodName": "supervisor.nonsense", "params": []},
                {"methodName": "system.multicall", "params": [[]]},
                {"methodName": "supervisor.startProcess", "params": 7},
                "nonsense",
            ],
        ),
    )
    assert answers[0] == "3.0"
    assert [each["faultCode"] for each in answers[1:]] == [1, 2, 2, 2]


def test_it_lists_and_explains_its_methods(methods: Methods) -> None:
    listed = methods.call("system.listMethods", ())
    assert "supervisor.startProcess" in listed
    for method in listed:
        methods.call("system.methodSignature", (method,))
        methods.call("system.methodHelp", (method,))
    assert methods.call("system.methodHelp", ("supervisor.startProcess",))


def test_tailing_a_log_says_where_it_ends_and_whether_some_was_left_out(
    methods: Methods, backend: MemoryBackend
) -> None:
    backend.logs["shop/api", "out"] = b"0123456789"
    assert methods.call("supervisor.tailProcessStdoutLog", ("shop:api", 0, 4)) == ["6789", 10, True]
    assert methods.call("supervisor.tailProcessStdoutLog", ("shop:api", 8, 100)) == ["89", 10, False]
    assert methods.call("supervisor.tailProcessStdoutLog", ("shop:api", 10, 100)) == ["", 10, False]


def test_starting_without_waiting_answers_at_once(methods: Methods, backend: MemoryBackend) -> None:
    backend.broken.add("shop/db")
    assert methods.call("supervisor.startProcess", ("shop:db", False)) is True


def test_groups_by_star(methods: Methods) -> None:
    assert [each["status"] for each in methods.call("supervisor.startProcess", ("shop:*",))] == [80]


def test_stopping_all_leaves_our_own_tree_alone() -> None:
    backend = MemoryBackend(program("system/web@1"), program("shop/api"))
    Methods(backend, "1").call("supervisor.stopAllProcesses", ())
    assert [key for _, key, _ in backend.commands] == ["shop/api"]


def test_standard_input_cannot_be_written(methods: Methods) -> None:
    assert code_of(methods, "supervisor.sendProcessStdin", "shop:api", "x") is Code.FAILED


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"<a/>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><methodCall><methodName>&a;</methodName></methodCall>',
        '<!DOCTYPE x [<!ENTITY a "supervisor.getVersion">]><methodCall><methodName>&a;</methodName></methodCall>'.encode(
            "utf-16"
        ),
        b"<methodResponse><params/></methodResponse>",
    ],
)
def test_a_body_that_is_no_request_is_answered_with_a_fault(methods: Methods, body: bytes) -> None:
    with pytest.raises(xmlrpc.client.Fault) as fault:
        xmlrpc.client.loads(respond(body, methods))
    assert fault.value.faultCode == Code.INCORRECT_PARAMETERS


def test_numbers_fit_in_32_bits(methods: Methods, backend: MemoryBackend) -> None:
    backend.time = 5e9
    body = xmlrpc.client.dumps(("shop:api",), "supervisor.getProcessInfo").encode()
    [[info], _] = xmlrpc.client.loads(respond(body, methods))
    assert info["now"] == 2**31 - 1  # type: ignore[index,call-overload] # a struct


def test_every_state_of_ours_has_a_counterpart() -> None:
    assert set(OURS) == set(STATES)


def test_a_key_on_two_nodes_is_two_processes_with_the_nodes_name() -> None:
    both = [
        Program("shop/api", "n1", "alpha", "running", is_shared=True),
        Program("shop/api", "n2", "beta", "running", is_shared=True),
    ]
    assert find(both, "shop:api~beta").node_id == "n2"
    with pytest.raises(RpcFault):
        find(both, "shop:api")


def test_no_value_of_a_configuration_is_empty_or_missing() -> None:
    info = config_info(program("shop/api"))
    assert len(info) == 29
    assert None not in info.values()


@pytest.mark.parametrize(
    ("last_exit", "status"), [("exit(3)", 3), ("signal(9)", 137), ("normal", 0), ("", 0)]
)
def test_the_exit_status_is_what_a_shell_would_say(last_exit: str, status: int) -> None:
    assert process_info(program("a/b", "backoff", last_exit=last_exit), 0.0)["exitstatus"] == status
