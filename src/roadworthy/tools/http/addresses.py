"""Which addresses of the internet's numbering a tool may connect to, whatever the model says."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from roadworthy.domain.errors import AddressRefused

Address = IPv4Address | IPv6Address


def _networks(kind: str, *networks: str) -> list[tuple[IPv4Network | IPv6Network, str]]:
    return [(IPv6Network(each) if ":" in each else IPv4Network(each), kind) for each in networks]


# IANA's special-purpose registries, and what clouds put elsewhere. `ipaddress.is_global` is not enough: it passes
# NAT64, 6to4 and multicast.
_NEVER = [
    *_networks("a metadata service", "169.254.169.254/32", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32"),
    *_networks("a metadata service", "fd00:ec2::254/128", "fd20:ce::254/128"),
    *_networks("unspecified", "0.0.0.0/8", "::/128"),
    *_networks("link-local", "169.254.0.0/16", "fe80::/10", "fec0::/10"),
    *_networks("multicast", "224.0.0.0/4", "ff00::/8"),
    *_networks("reserved", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4"),
    *_networks("for examples only", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"),
    *_networks("for examples only", "2001:db8::/32", "3fff::/20"),
    *_networks("an IPv4 address within IPv6 (NAT64)", "64:ff9b::/96", "64:ff9b:1::/48"),
    *_networks("an IPv4 address within IPv6 (mapped)", "::ffff:0:0/96", "::ffff:0:0:0/96"),
    *_networks("an IPv4 address within IPv6 (Teredo)", "2001::/32"),
    *_networks("an IPv4 address within IPv6 (6to4)", "2002::/16"),
    *_networks("reserved", "2001::/23"),
]
_OWN = [
    *_networks("loopback", "127.0.0.0/8", "::1/128"),
    *_networks("private", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    *_networks("a provider's own (CGNAT)", "100.64.0.0/10"),
]
"""What may be allowed, host by host."""
_COMPATIBLE = IPv6Network("::/96")
_GLOBAL_IPV6 = IPv6Network("2000::/3")
_ISATAP = {0x00005EFE, 0x02005EFE}


def why_refused(address: Address, *, own_network: bool = False) -> str | None:
    """What an address is that a tool may not connect to; None for one that it may. `own_network` allows those of the
    worker's own machine and network, never link-local, multicast or metadata ones."""
    if (kind := _kind(address, _NEVER)) is not None:
        return kind
    if (kind := _kind(address, _OWN)) is not None:
        return None if own_network else kind
    if isinstance(address, IPv4Address):
        return None
    if address in _COMPATIBLE:
        return "an IPv4 address within IPv6 (compatible)"
    if address not in _GLOBAL_IPV6:
        return "reserved"
    if int(address) >> 32 & 0xFFFFFFFF in _ISATAP:
        return "an IPv4 address within IPv6 (ISATAP)"
    return None


def check_addresses(host: str, addresses: Iterable[str], *, own_network: bool) -> list[Address]:
    """The addresses of a host, each of them checked. AddressRefused for all if one of them may not be reached: a name
    that has public and private addresses is a trap or a mistake."""
    checked: list[Address] = []
    for text in addresses:
        try:
            address = ip_address(text)
        except ValueError:
            raise AddressRefused(f"{host} has {text!r} as its address, which is none") from None
        if isinstance(address, IPv6Address) and address.scope_id is not None:
            raise AddressRefused(f"{host} has the address {text}, which is valid on one network only")
        if (kind := why_refused(address, own_network=own_network)) is not None:
            raise AddressRefused(f"{host} has the address {address}, which this tool may not reach: it is {kind}")
        checked.append(address)
    return checked


def literal_address(host: str) -> Address | None:
    """The address that a URL has in the place of a name, None for a name. AddressRefused for any spelling but the
    usual one (`2130706433`, `0x7f.1`, `127.1`, `0177.0.0.1`, a zone after `%`): libraries do not agree on those."""
    try:
        address = ip_address(host)
    except ValueError:
        if ":" in host or "%" in host or _is_number(host.rstrip(".").rpartition(".")[2]):
            raise AddressRefused(
                f"{host} is no usual way to write an address: write it as 192.0.2.1 or [2001:db8::1]"
            ) from None
        return None
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise AddressRefused(f"{host} names a network interface, which this tool may not choose")
    return address


def _is_number(label: str) -> bool:
    """Whether a host that ends so is read as an IPv4 address by browsers and by `inet_aton`."""
    digits, allowed = (label[2:], "0123456789abcdef") if label[:2].lower() == "0x" else (label, "0123456789")
    return bool(label) and all(character in allowed for character in digits.lower())


def _kind(address: Address, kinds: list[tuple[IPv4Network | IPv6Network, str]]) -> str | None:
    return next((kind for network, kind in kinds if network.version == address.version and address in network), None)
