"""Which way people sign in, by the settings: an identity provider, a reverse proxy, or links for trying it out."""

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_network

from starter.console.settings import URL, ConsoleSettings, Network, is_trusted_way
from starter.console.sign_in import COME_BACK, LocalSignIn, SignIn, with_every_role
from starter.console.sign_in_proxy import ProxySignIn
from stockkeeper.contracts.claims import ClaimNames, person_named
from stockkeeper.contracts.errors import StockkeeperError
from stockkeeper.contracts.permission import Identity, Role

ISSUER = "STOCKKEEPER_CONSOLE_ISSUER"
CLIENT_ID = "STOCKKEEPER_CONSOLE_CLIENT_ID"
CLIENT_SECRET = "STOCKKEEPER_CONSOLE_CLIENT_SECRET"  # noqa: S105 - a variable's name
SCOPES = "STOCKKEEPER_CONSOLE_SCOPES"
PROXY = "STOCKKEEPER_CONSOLE_PROXY"
PROXY_HEADER = "STOCKKEEPER_CONSOLE_PROXY_HEADER"
PROXY_ROLES_HEADER = "STOCKKEEPER_CONSOLE_PROXY_ROLES_HEADER"
PEOPLE = "STOCKKEEPER_CONSOLE_PEOPLE"
"""Who gets a link, or may do what where a proxy says who it is: ``ada=approve,buy; ben=receive@1,2; cleo``."""
_CLAIM = "STOCKKEEPER_IDENTITY_{}_CLAIM"
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def proxies_by(environ: Mapping[str, str]) -> tuple[Network, ...]:
    """The networks of the proxies in front of the console; empty: there are none.

    Raises:
        StockkeeperError: One isn't a network.
    """
    named = [each for each in re.split(r"[\s,]+", environ.get(PROXY, "")) if each]
    try:
        return tuple(ip_network(each) for each in named)
    except ValueError as error:
        raise StockkeeperError(f"{PROXY} names networks, such as 10.0.0.0/24: {error}") from None


def people_in(named: Iterable[str], source: str) -> list[Identity]:
    """People and what they may do: ``ada=approve,buy``, ``ben=receive@1,2`` in two warehouses, ``cleo`` everything.

    Args:
        named: Each of them.
        source: Where that stands, for the message.

    Raises:
        StockkeeperError: One has no name, no such role, or is there twice.
    """
    found = [_person(each.strip(), source) for each in named if each.strip()]
    names = [each.person for each in found]
    if len({name.casefold() for name in names}) < len(names):
        raise StockkeeperError(f"{source} names somebody twice: {', '.join(names)}")
    return found


def sign_in_by(
    environ: Mapping[str, str], settings: ConsoleSettings, people: Iterable[str], otherwise: Iterable[str]
) -> tuple[SignIn, list[Identity]]:
    """How people sign in, and those who are to be given a link.

    Args:
        environ: The environment.
        settings: The console's settings.
        people: Who is named on the command line.
        otherwise: Who gets a link if nobody is named anywhere.

    Raises:
        StockkeeperError: A setting is wrong, or two ways are named at once.
    """
    issuer, header = environ.get(ISSUER, ""), environ.get(PROXY_HEADER, "")
    named = list(people)
    listed = people_in(named, "--person") if named else people_in(environ.get(PEOPLE, "").split(";"), PEOPLE)
    if issuer and header:
        raise StockkeeperError(f"{ISSUER} and {PROXY_HEADER} are both set: keep one of them")
    if issuer:
        if listed:
            raise StockkeeperError(f"{'--person' if named else PEOPLE} is set, and {ISSUER} says who people are")
        return _by_provider(environ, issuer, settings.url), []
    for name in (CLIENT_ID, CLIENT_SECRET):
        if environ.get(name):
            raise StockkeeperError(f"{name} is set, and {ISSUER} isn't")
    if header:
        return _by_proxy(environ, settings, header, listed), []
    if environ.get(PROXY_ROLES_HEADER):
        raise StockkeeperError(f"{PROXY_ROLES_HEADER} is set, and {PROXY_HEADER} isn't")
    links = LocalSignIn()
    return links, listed or [with_every_role(name) for name in otherwise]


def claim_names(environ: Mapping[str, str]) -> ClaimNames:
    """Which claims say who it is: the same settings as a worker's."""

    def named(what: str) -> str | None:
        return environ.get(_CLAIM.format(what), "").strip() or None

    return ClaimNames(named("PERSON") or "sub", named("ROLES") or "roles", named("WAREHOUSES"), named("LIMIT"))


def _by_provider(environ: Mapping[str, str], issuer: str, url: str) -> SignIn:
    client_id = environ.get(CLIENT_ID, "")
    if not client_id:
        raise StockkeeperError(f"{ISSUER} is set, and {CLIENT_ID} isn't: the name by which it knows the console")
    for name, address in ((ISSUER, issuer), (URL, url)):
        if not is_trusted_way(address):
            raise StockkeeperError(f"{name} is {address!r}: sign-in by a provider needs https://")
    scopes = environ.get(SCOPES, "").split() or ["openid", "profile", "email"]
    if "openid" not in scopes:
        raise StockkeeperError(f"{SCOPES} is {' '.join(scopes)!r}: openid has to be among them")
    secret = environ.get(CLIENT_SECRET) or None
    # Cryptography takes a tenth of the process's memory: only where it is needed.
    from starter.console.provider import Registration  # noqa: PLC0415
    from starter.console.sign_in_provider import ProviderSignIn  # noqa: PLC0415

    registration = Registration(issuer, client_id, secret, url + COME_BACK, " ".join(scopes))
    return ProviderSignIn(registration, claim_names(environ))


def _by_proxy(
    environ: Mapping[str, str], settings: ConsoleSettings, header: str, people: Iterable[Identity]
) -> ProxySignIn:
    roles_header = environ.get(PROXY_ROLES_HEADER) or None
    if not settings.proxies:
        raise StockkeeperError(f"{PROXY_HEADER} is set, and {PROXY} isn't: anybody could send that header")
    for name, value in ((PROXY_HEADER, header), (PROXY_ROLES_HEADER, roles_header or "x")):
        if not _TOKEN.fullmatch(value):
            raise StockkeeperError(f"{name} is {value!r}, which isn't the name of a header")
    by_name = {each.person: each for each in people}
    if bool(by_name) is bool(roles_header):
        raise StockkeeperError(f"{PROXY_HEADER} is set: either {PEOPLE} or {PROXY_ROLES_HEADER} says who may do what")
    return ProxySignIn(settings, header, roles_header, by_name)


def _person(text: str, source: str) -> Identity:
    name, equals, may = text.partition("=")
    person = person_named(name.strip())
    if person is None:
        raise StockkeeperError(f"{source}: {text!r} names nobody; such as ada=approve,buy")
    if not equals:
        return with_every_role(person)
    listed, at, places = may.partition("@")
    words = [each.strip() for each in listed.split(",") if each.strip()]
    wrong = [each for each in words if each not in {role.value for role in Role}]
    if wrong or not words:
        raise StockkeeperError(
            f"{source}: {text!r} has {'the role ' + wrong[0] if wrong else 'no role'}; roles are {', '.join(Role)}"
        )
    ids = [each.strip() for each in places.split(",")]
    if at and not all(each.isascii() and each.isdecimal() for each in ids):
        raise StockkeeperError(f"{source}: {text!r} has to name the ids of warehouses behind the @, such as @1,2")
    return Identity(person, frozenset(Role(each) for each in words), frozenset(map(int, ids)) if at else None)
