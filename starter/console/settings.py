"""The console's settings, from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TypeAlias
from urllib.parse import urlsplit

from stockkeeper.contracts.errors import StockkeeperError
from stockkeeper.contracts.settings import address_of_site

Network: TypeAlias = IPv4Network | IPv6Network

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}

URL = "STOCKKEEPER_CONSOLE_URL"
"""The variable with the address at which people reach the console."""


@dataclass(frozen=True)
class ConsoleSettings:
    """What a console goes by.

    Attributes:
        url: The address at which people reach it, without a slash at the end.
        ui_url: The Temporal UI's address, for links to runs; None: no links.
        namespace: The Temporal namespace, for the same.
        proxies: The networks of the reverse proxies in front of it.
    """

    url: str
    ui_url: str | None = None
    namespace: str = "default"
    proxies: tuple[Network, ...] = ()

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach it by TLS: cookies are sent over nothing else then."""
        return self.url.startswith("https://")

    @property
    def host(self) -> str:
        """Host and port, as browsers send them."""
        return urlsplit(self.url).netloc.lower()

    @property
    def cookie(self) -> str:
        """The name of the cookie. With this prefix browsers take it from this very host by TLS only."""
        return "__Host-stockkeeper" if self.is_secure else "stockkeeper"


def console_url(environ: Mapping[str, str], otherwise: str) -> str:
    """The address at which people reach the console.

    Args:
        environ: The environment.
        otherwise: The address if none is set.

    Raises:
        StockkeeperError: What is set isn't the address of a site.
    """
    url = environ.get(URL) or otherwise
    try:
        return address_of_site(url)
    except ValueError as error:
        raise StockkeeperError(f"{URL} is {url!r}: it {error}") from None


def is_trusted_way(url: str) -> bool:
    """Whether nobody on the way can change what is sent there and back: by TLS, or on this machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    )
