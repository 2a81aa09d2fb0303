"""Which ranges of addresses are the world.

S3 calls a range public that is broader than /8, or /32 of IPv6, private ones aside; so does every rule here
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html).
Halves and quarters of the world are put together first.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

PRIVATE = (IPv6Network("fc00::/7"), IPv6Network("fe80::/10"))  # those of IPv4 are not broader than /8


def world(ranges: Iterable[str]) -> list[str]:
    """The ranges that are too broad to be somebody's, or texts that are no range; empty if all are narrow."""
    fours: list[IPv4Network] = []
    sixes: list[IPv6Network] = []
    strange = []
    for each in ranges:
        try:
            network = ip_network(each, strict=False)
        except ValueError:
            strange.append(each)
            continue
        if isinstance(network, IPv4Network):
            fours.append(network)
        else:
            sixes.append(network)
    broad = [each for each in collapse_addresses(fours) if each.prefixlen < 8]
    broad6 = [each for each in collapse_addresses(sixes) if each.prefixlen < 32 and not _private(each)]
    return [*map(str, broad), *map(str, broad6), *strange]


def narrow(ranges: Iterable[str]) -> bool:
    """Whether none of the ranges is the world."""
    return not world(ranges)


def _private(network: IPv6Network) -> bool:
    return any(network.subnet_of(each) for each in PRIVATE)
