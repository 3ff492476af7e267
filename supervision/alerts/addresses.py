"""Which network addresses a webhook may go to. Pure.

A URL that somebody types must not make us talk to what only we can reach: this host, its neighbours, a cloud's metadata
service. So only addresses that are global on the internet are used, whatever form they come in, except networks that the
host's owner names (`OVERSTORY_WEBHOOK_NETWORKS`).
"""

import ipaddress
from collections.abc import Iterable, Sequence

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
CARRIES_IPV4 = (NAT64, ipaddress.IPv6Network("64:ff9b:1::/48"))


def parse_networks(text: str) -> tuple[Network, ...]:
    """Networks between spaces or commas, such as `10.0.0.0/8 127.0.0.1`. Raises ValueError, which names the wrong one."""
    return tuple(ipaddress.ip_network(word) for word in text.replace(",", " ").split())


def inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, else itself."""
    if isinstance(address, ipaddress.IPv6Address):
        carried = address.ipv4_mapped or address.sixtofour
        if carried is None and address in NAT64:
            carried = ipaddress.IPv4Address(address.packed[-4:])
        if carried is not None:
            return carried
    return address


def is_allowed(address: Address, allowed: Iterable[Network] = ()) -> bool:
    """Whether we may connect to it."""
    real = inner(address)
    if any(real.version == network.version and real in network for network in allowed):
        return True
    if real.version == 6 and (
        real.is_site_local or real.teredo is not None or any(real in network for network in CARRIES_IPV4)
    ):
        return False
    return real.is_global and not real.is_multicast and not real.is_reserved and not real.is_unspecified


def refused(addresses: Sequence[str], allowed: Iterable[Network] = ()) -> list[str]:
    """Those of a host's addresses that may not be used. One refuses the host: which one would be used is not ours to say."""
    networks = tuple(allowed)
    return [
        text for text in addresses if not is_allowed(ipaddress.ip_address(text.partition("%")[0]), networks)
    ]
