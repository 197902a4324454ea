"""Whether an address is of this machine, as far as it tells by itself; nothing is looked up here."""

import ipaddress


def stays_here(host: str) -> bool:
    """Whether a name or address of a host is that of this machine."""
    return is_loopback(host) or host == "localhost" or host.endswith(".localhost")


def is_loopback(address: str) -> bool:
    """Whether this address is of the machine itself, in IPv4, IPv6, or IPv4 written as IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback
