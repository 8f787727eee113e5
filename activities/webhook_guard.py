"""Where webhooks may go: whoever subscribes names a URL, and mustn't make the worker call inside the network.

A name is resolved once for each delivery. Each of its addresses has to be allowed, and connections go to these very
addresses (`activities.webhook`): a name that resolves to another address a moment later changes nothing.
"""

import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urlsplit

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve: TypeAlias = Callable[[str, int], Sequence[str]]
"""The addresses of a host and port, as text."""

PRIVATE: tuple[Network, ...] = tuple(
    ipaddress.ip_network(each)
    for each in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)
"""Loopback and private networks. Link-local addresses aren't among them: a cloud's metadata is at one."""
_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""Prefix of addresses behind which a translator (NAT64) finds the IPv4 address in the last four bytes."""
_NOT_HTTPS = "it isn't https, and STOCKKEEPER_WEBHOOK_ALLOW_HTTP isn't set"
_DEFAULT_PORTS = {"https": 443, "http": 80}


class NotAllowed(Exception):
    """Events may not be sent there; the message names no address, and says which setting would allow it."""


class NoSuchHost(Exception):
    """The name can't be resolved at present."""


@dataclass(frozen=True)
class Target:
    """A URL that may be called.

    Attributes:
        is_tls: Whether by TLS, with a certificate for the host.
        host: The host's name, or its address.
        port: The port.
        addresses: The addresses that were checked; one of these is called, and no other.
        authority: The value of the header ``Host``.
        path: Path and query.
    """

    is_tls: bool
    host: str
    port: int
    addresses: tuple[str, ...]
    authority: str
    path: str


@dataclass(frozen=True)
class Guard:
    """The settings' word on where webhooks may go.

    Attributes:
        allow_http: Whether without TLS.
        networks: Networks that aren't public, and are allowed all the same.
        plain: Networks to which they may go without TLS whatever `allow_http` is.
        trusted: Whose certificates are trusted; None: the system's authorities.
        resolve: Finds the addresses of a host.
    """

    allow_http: bool = False
    networks: tuple[Network, ...] = ()
    plain: tuple[Network, ...] = ()
    trusted: ssl.SSLContext | None = None
    resolve: Resolve = field(default_factory=lambda: resolve)

    def target(self, url: str) -> Target:
        """Where a URL leads, if it may be called.

        Args:
            url: A URL that the contract has found right (`stockkeeper.contracts.webhook`).

        Raises:
            NotAllowed: It may not.
            NoSuchHost: Its name isn't known at present.
        """
        parts = urlsplit(url)
        needs_plain = parts.scheme != "https" and not self.allow_http
        if needs_plain and not self.plain:
            raise NotAllowed(_NOT_HTTPS)
        host = (parts.hostname or "").rstrip(".")
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        addresses = tuple(dict.fromkeys(self.resolve(host, port)))
        if not addresses:
            raise NoSuchHost("the name has no address")
        if not all(is_allowed(each, self.networks) for each in addresses):
            raise NotAllowed(
                "it has an address that isn't public, in a network that isn't among STOCKKEEPER_WEBHOOK_NETWORKS"
            )
        if needs_plain and not all(_is_in(_meant(ipaddress.ip_address(each)), self.plain) for each in addresses):
            raise NotAllowed(f"{_NOT_HTTPS}; without TLS they go to loopback and private addresses only")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Target(parts.scheme == "https", host, port, addresses, parts.netloc, path)


def is_allowed(address: str, networks: Iterable[Network] = ()) -> bool:
    """Whether an address is public, or in one of these networks.

    An IPv4 address within an IPv6 one counts as itself. An address with a zone, which is link-local, never is.
    """
    if "%" in address:
        return False
    found = _meant(ipaddress.ip_address(address))
    if _is_in(found, networks):
        return True
    is_site_local = isinstance(found, ipaddress.IPv6Address) and found.is_site_local
    return found.is_global and not (found.is_multicast or found.is_reserved or is_site_local)


def _is_in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _meant(address: Address) -> Address:
    """The address that is reached in the end."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None) or address


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, by the system's resolver.

    Raises:
        NoSuchHost: It has none, or no server of names answers.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NoSuchHost("the name of the host isn't known") from None
    return [str(place[0]) for *_, place in found]


def networks_of(text: str) -> tuple[Network, ...]:
    """The networks in a setting, separated by commas or spaces: ``10.1.0.0/16, fd00:1::/32``.

    Raises:
        ValueError: One isn't a network.
    """
    try:
        return tuple(ipaddress.ip_network(each) for each in text.replace(",", " ").split())
    except ValueError:
        raise ValueError("networks such as 10.1.0.0/16, separated by commas") from None
