"""Ways to sign in. Each gives a `Visitor` with a name that was proven to it, and no page takes a name from a form."""

import hmac
import secrets
from dataclasses import dataclass, field

from starlette.requests import Request

from starter.console.sessions import Visitor
from stockkeeper.contracts.errors import StockkeeperError
from stockkeeper.contracts.permission import Identity, Role

COME_BACK = "/sign-in/back"
"""Where an identity provider sends browsers back to."""


class SignInRefused(StockkeeperError):
    """Whoever wanted to sign in isn't let in.

    Args:
        message: What they are told.
        why: What the log says beside it.
        is_theirs: Whether it is their failure, and counts as one; else it is that of a part that is away.

    Attributes:
        why: The same.
        is_theirs: The same.
    """

    def __init__(self, message: str, why: str = "", *, is_theirs: bool = True) -> None:
        super().__init__(message)
        self.why = why
        self.is_theirs = is_theirs


@dataclass(frozen=True)
class Leaving:
    """A browser on its way to the identity provider.

    Attributes:
        url: Where it goes.
        kept: What it keeps until it comes back, for this console only.
    """

    url: str
    kept: str = field(repr=False)


class SignIn:
    """A way to sign in. Each overrides what it has.

    Attributes:
        way: ``link``, ``provider`` or ``proxy``: what the page of sign-in says.
        proves_each_request: Whether each request says by itself who it is, and a cookie alone is nothing.
        hands_on_tokens: Whether a person's token goes on to the workers with each call.
    """

    way = "link"
    proves_each_request = False
    hands_on_tokens = False

    async def look(self) -> None:
        """Look, before anybody comes, whether all is there that signing in needs.

        Raises:
            StockkeeperError: It isn't.
        """

    def visitor_of(self, request: Request) -> Visitor | None:
        """Who it is, by the request alone; None: it proves nobody."""
        del request
        return None

    def visitor_of_key(self, key: str) -> Visitor | None:
        """Who it is, by the key of a link; None: nobody."""
        del key
        return None

    async def leave(self, back: str) -> Leaving:
        """Begin at the identity provider.

        Args:
            back: The page to go on with afterwards.

        Raises:
            SignInRefused: There is no provider, or it doesn't answer.
        """
        raise SignInRefused("There is no identity provider here.")

    async def come_back(self, request: Request, kept: str) -> tuple[Visitor, str]:
        """Who comes back from the identity provider, and the page to go on with.

        Args:
            request: The browser's request, as the provider has sent it here.
            kept: What the browser has kept since `leave`.

        Raises:
            SignInRefused: It isn't somebody who left from here, or the provider's answer proves nobody.
        """
        raise SignInRefused("There is no identity provider here.")

    async def renewed(self, visitor: Visitor) -> Visitor | None:
        """The same person with a new token; None: they have to sign in again."""
        del visitor
        return None


class LocalSignIn(SignIn):
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

    def visitor_of_key(self, key: str) -> Visitor | None:
        """The person whose link has this key."""
        found = [person for known, person in self._people.items() if hmac.compare_digest(known.encode(), key.encode())]
        return Visitor(found[0]) if found else None


def with_every_role(person: str) -> Identity:
    """A person who may do everything everywhere, but not approve what is their own."""
    return Identity(person, frozenset(Role))
