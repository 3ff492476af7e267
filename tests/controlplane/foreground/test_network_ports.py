"""Choosing ports."""

import socket

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


def test_the_last_port_has_no_next_one() -> None:
    with pytest.raises(OSError, match="no free port"):
        next_free(65_535, taken=frozenset({65_535}))
