"""Sign-in by a reverse proxy in front of the console, which knows who it is and says so in a header."""

import re
from collections.abc import Mapping

from starlette.requests import Request

from starter.console.security import is_of_proxy
from starter.console.sessions import Visitor
from starter.console.settings import ConsoleSettings
from starter.console.sign_in import SignIn
from stockkeeper.contracts.claims import person_named
from stockkeeper.contracts.permission import Identity, Role


class ProxySignIn(SignIn):
    """Sign-in by a header, which counts on connections of the proxy only.

    Args:
        settings: The console's settings, which name the proxy's networks.
        header: The header with the name.
        roles_header: The header with the roles, separated by spaces or commas; None: they are those of `people`.
        people: Who may do what, by name.
    """

    way = "proxy"
    proves_each_request = True

    def __init__(
        self, settings: ConsoleSettings, header: str, roles_header: str | None, people: Mapping[str, Identity]
    ) -> None:
        self._settings = settings
        self._header = header
        self._roles_header = roles_header
        self._people = people

    def visitor_of(self, request: Request) -> Visitor | None:
        """Whom the proxy names; somebody else who sends the same header is nobody."""
        peer = request.client.host if request.client else ""
        if not is_of_proxy(peer, self._settings):
            return None
        named = request.headers.getlist(self._header)
        person = person_named(_as_text(named[0])) if len(named) == 1 else None
        if person is None:
            return None
        if self._roles_header is None:
            return Visitor(self._people.get(person) or Identity(person, frozenset()))
        # A second one may be what a visitor has sent, and the proxy has passed on.
        given = request.headers.getlist(self._roles_header)
        words = re.split(r"[\s,;]+", given[0]) if len(given) == 1 else []
        return Visitor(Identity(person, frozenset(role for role in Role if role.value in words)))


def _as_text(value: str) -> str:
    """A header's value, whose bytes may be UTF-8."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value
