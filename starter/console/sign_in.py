"""Ways to sign in. Each gives a `Visitor` with a name that was proven to it, and no page takes a name from a form."""

import hmac
import secrets
from typing import Protocol

from starlette.requests import Request

from starter.console.sessions import Visitor
from stockkeeper.contracts.permission import Identity, Role


class SignIn(Protocol):
    """A way to sign in."""

    def visitor_of(self, request: Request) -> Visitor | None:
        """Who it is, by the request alone; None: this way needs a step of its own, or the request proves nobody."""
        ...

    def visitor_of_key(self, key: str) -> Visitor | None:
        """Who it is, by the key of a link; None: nobody, or this way has no links."""
        ...


class LocalSignIn:
    """Links that are printed where the console was started, one for each person, for trying it out.

    A link is good as long as this process runs.
    """

    def __init__(self) -> None:
        self._people: dict[str, Identity] = {}

    def invite(self, person: Identity) -> str:
        """Let a person in.

        Returns:
            The path of the link.
        """
        key = secrets.token_urlsafe(24)
        self._people[key] = person
        return f"/sign-in?key={key}"

    def visitor_of(self, request: Request) -> Visitor | None:
        """Nobody: it takes a link."""
        del request
        return None

    def visitor_of_key(self, key: str) -> Visitor | None:
        """The person whose link has this key."""
        found = [person for known, person in self._people.items() if hmac.compare_digest(known.encode(), key.encode())]
        return Visitor(found[0]) if found else None


def with_every_role(person: str) -> Identity:
    """A person who may do everything everywhere, but not approve what is their own."""
    return Identity(person, frozenset(Role))
