"""Sign-in at the company's identity provider, by OpenID Connect: authorization code with PKCE, state and nonce."""

import base64
import hmac
import json
import logging
import secrets
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from starter.console.provider import ProvesNobody, Provider, ProviderFails, Registration
from starter.console.sessions import Visitor
from starter.console.sign_in import Leaving, SignIn, SignInRefused
from stockkeeper.contracts.claims import ClaimNames, identified
from stockkeeper.contracts.errors import NotPermitted, StockkeeperError

_log = logging.getLogger("stockkeeper.console")


class ProviderSignIn(SignIn):
    """Sign-in at an identity provider.

    The id token says who it is, and goes on to the workers with each call. What a browser keeps while it is away is in
    a cookie of its own, so nothing here grows with those who leave and don't come back.

    Args:
        registration: How the provider knows this console.
        names: Which claims say who it is, and what they may do.
    """

    way = "provider"
    hands_on_tokens = True

    def __init__(self, registration: Registration, names: ClaimNames) -> None:
        self._issuer = registration.issuer
        self._provider = Provider(registration)
        self._names = names

    async def look(self) -> None:
        """Ask the provider where its pages are.

        Raises:
            StockkeeperError: It doesn't answer, or isn't the one that the settings name.
        """
        try:
            await self._provider.look()
        except (ProviderFails, ProvesNobody) as error:
            raise StockkeeperError(
                f"the identity provider that STOCKKEEPER_CONSOLE_ISSUER names can't be asked: {error}"
            ) from None

    async def leave(self, back: str) -> Leaving:
        """To the provider's page, with a state, a nonce and a verifier of this browser's own."""
        kept = {name: secrets.token_urlsafe(32) for name in ("state", "nonce", "verifier")}
        try:
            url = await self._provider.page(**kept)
        except (ProviderFails, ProvesNobody) as error:
            raise _no_answer(error) from None
        return Leaving(url, base64.urlsafe_b64encode(json.dumps(kept | {"back": back}).encode()).decode())

    async def come_back(self, request: Request, kept: str) -> tuple[Visitor, str]:
        """The person of the id token for the code that the browser has brought."""
        left, told = _read(kept), request.query_params
        if not left or not hmac.compare_digest(told.get("state", "").encode(), left["state"].encode()):
            raise SignInRefused("This sign-in was begun elsewhere, or too long ago. Begin again.", "state")
        if "error" in told or not told.get("code"):
            raise SignInRefused("The identity provider hasn't let you in.", repr(told.get("error", "no code"))[:100])
        if told.get("iss", self._issuer) != self._issuer:
            raise SignInRefused("This sign-in was begun elsewhere, or too long ago. Begin again.", "issuer")
        try:
            tokens = await self._provider.redeem(told["code"], left["verifier"])
            claims = await self._provider.verified(tokens, left["nonce"])
            return self._visitor(tokens, claims), left["back"]
        except ProviderFails as error:
            raise _no_answer(error) from None
        except (ProvesNobody, NotPermitted) as error:
            raise SignInRefused(
                "What the identity provider says doesn't prove who you are. Tell those who run this.", str(error)
            ) from None

    async def renewed(self, visitor: Visitor) -> Visitor | None:
        """The same person, by the refresh token."""
        if visitor.renews_by is None:
            return None
        try:
            tokens = await self._provider.refresh(visitor.renews_by)
            claims = await self._provider.verified(tokens, None)
            renewed = self._visitor({"refresh_token": visitor.renews_by} | dict(tokens), claims)
        except (ProviderFails, ProvesNobody, NotPermitted) as error:
            _log.warning("not renewed: %s (%s)", visitor.identity.person, error)
            return None
        return renewed if renewed.subject == visitor.subject else None

    def _visitor(self, tokens: Mapping[str, Any], claims: Mapping[str, Any]) -> Visitor:
        found = identified(claims, self._names).identity
        if found is None:
            raise NotPermitted("the token names nobody")
        renews_by = tokens.get("refresh_token")
        return Visitor(
            found,
            token=tokens["id_token"],
            until=float(claims["exp"]),
            subject=str(claims["sub"]),
            renews_by=renews_by if isinstance(renews_by, str) else None,
        )


def _no_answer(error: Exception) -> SignInRefused:
    return SignInRefused("The identity provider doesn't answer. Try again in a minute.", str(error), is_theirs=False)


def _read(kept: str) -> dict[str, str]:
    """What a browser has kept; empty: nothing, or nothing of ours."""
    try:
        read = json.loads(base64.urlsafe_b64decode(kept.encode()))
    except ValueError:
        return {}
    names = ("state", "nonce", "verifier", "back")
    if not isinstance(read, dict) or not all(isinstance(read.get(name), str) and read[name] for name in names):
        return {}
    return read
