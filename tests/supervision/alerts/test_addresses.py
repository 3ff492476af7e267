"""Where a webhook may go."""

import pytest

from supervision.alerts.addresses import parse_networks, refused


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "2001::1", "64:ff9b:1::1",
        "fec0::1",
    ],
)  # fmt: skip
def test_an_address_that_only_we_can_reach_is_refused_in_every_form(address: str) -> None:
    assert refused([address]) == [address]


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1::1", "::ffff:93.184.216.34"])
def test_a_public_address_is_allowed(address: str) -> None:
    assert refused([address]) == []


def test_one_bad_address_among_good_ones_refuses_the_host() -> None:
    assert refused(["93.184.216.34", "10.0.0.1"]) == ["10.0.0.1"]


def test_named_networks_are_allowed_and_nothing_beside_them() -> None:
    networks = parse_networks("10.0.0.0/8, 127.0.0.1 fd00::/8")
    assert refused(["10.9.9.9", "127.0.0.1", "fd12::1", "::ffff:10.1.1.1"], networks) == []
    assert refused(["127.0.0.2"], networks) == ["127.0.0.2"]


def test_a_network_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="elsewhere"):
        parse_networks("10.0.0.0/8 elsewhere")
