"""Choosing ports."""

import socket
import subprocess
import sys

import pytest

from controlplane.foreground.network_ports import is_free, next_free


def test_a_port_that_is_listened_on_is_passed_over() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = sock.getsockname()[1]
        assert not is_free(port)
        assert next_free(port) > port
        assert next_free(port, ours=frozenset({port})) == port


def test_a_port_that_is_spoken_for_is_passed_over() -> None:
    first = next_free(20_000)
    assert next_free(first, taken=frozenset({first})) > first


def test_two_that_look_at_once_do_not_find_the_same_port() -> None:
    first = next_free(30_000)
    assert next_free(first) == first
    program = "from controlplane.foreground.network_ports import next_free as n;"
    program += f"print(n({first}), n({first}, ours={{{first}}}))"
    other = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    found, found_by_its_own = map(int, other.stdout.split())
    assert found > first
    assert found_by_its_own == first, "its children listen there, and who chose it for them still runs"


def test_the_last_port_has_no_next_one() -> None:
    with pytest.raises(OSError, match="no free port"):
        next_free(65_535, taken=frozenset({65_535}))
