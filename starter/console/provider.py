"""An identity provider, as OpenID Connect has it: where its pages are, its tokens, and what they prove."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, KeySet, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from starter.console.settings import is_trusted_way
from stockkeeper.contracts.claims import ALGORITHMS, LEEWAY, LONGEST_TOKEN
from stockkeeper.contracts.errors import StockkeeperError

ANSWERS_WITHIN_SECONDS = 10.0
KNOWN_FOR_SECONDS = 3600.0
"""So long what the provider says of itself is taken for the present state."""
DISCOVERY = "/.well-known/openid-configuration"
_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")
_REGISTRY = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)


class ProviderFails(StockkeeperError):
    """The provider doesn't answer, or not as OpenID Connect has it."""


class ProvesNobody(StockkeeperError):
    """A token isn't one of the provider's for this console, or its time is over. The message has nothing of it."""


@dataclass(frozen=True)
class Registration:
    """How the provider knows this console.

    Attributes:
        issuer: The provider's address, exactly as its tokens' claim ``iss`` has it.
        client_id: The console's name there.
        client_secret: What it proves itself by; None: by PKCE alone.
        comes_back_to: The console's address that browsers are sent back to.
        scopes: What is asked for, separated by spaces.
    """

    issuer: str
    client_id: str
    client_secret: str | None = field(repr=False)
    comes_back_to: str
    scopes: str = "openid profile email"


class Provider:
    """An identity provider.

    Args:
        registration: How it knows this console.
    """

    def __init__(self, registration: Registration) -> None:
        self._registration = registration
        self._about: Mapping[str, Any] = {}
        self._known_since = float("-inf")

    async def look(self) -> None:
        """Ask the provider where its pages are.

        Raises:
            ProviderFails: It doesn't answer, or isn't the one that the settings name.
        """
        await self._described()

    async def page(self, *, state: str, nonce: str, verifier: str) -> str:
        """The address of its page, where people sign in.

        Args:
            state: What comes back with the browser.
            nonce: What the token has to have.
            verifier: What proves, when the code is redeemed, that it was asked for here.

        Raises:
            ProviderFails: It doesn't answer.
        """
        about, ours = await self._described(), self._registration
        url: str = prepare_grant_uri(
            about["authorization_endpoint"],
            client_id=ours.client_id,
            response_type="code",
            redirect_uri=ours.comes_back_to,
            scope=ours.scopes,
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return url

    async def redeem(self, code: str, verifier: str) -> Mapping[str, Any]:
        """The tokens for a code that a browser has brought.

        Raises:
            ProviderFails: It doesn't answer.
            ProvesNobody: It doesn't take the code.
        """
        asked = prepare_token_request(
            "authorization_code", redirect_uri=self._registration.comes_back_to, code=code, code_verifier=verifier
        )
        return await self._tokens(asked)

    async def refresh(self, refresh_token: str) -> Mapping[str, Any]:
        """New tokens, by the refresh token that came with the last.

        Raises:
            ProviderFails: It doesn't answer.
            ProvesNobody: It doesn't take it any more.
        """
        return await self._tokens(prepare_token_request("refresh_token", refresh_token=refresh_token))

    async def verified(self, tokens: Mapping[str, Any], nonce: str | None) -> Mapping[str, Any]:
        """The claims of the id token among tokens.

        Args:
            tokens: The provider's answer.
            nonce: What it has to have; None: it was renewed, and needs none.

        Raises:
            ProviderFails: Its keys can't be read.
            ProvesNobody: There is none, or it isn't the provider's, for this console, in its time.
        """
        token = tokens.get("id_token")
        if not isinstance(token, str) or not 0 < len(token) <= LONGEST_TOKEN:
            raise ProvesNobody("there is no id token in the answer")
        keys = _public_keys(await self._asked("GET", (await self._described())["jwks_uri"]))
        ours = self._registration
        try:
            decoded = jwt.decode(token, keys, registry=_REGISTRY)
            claims = CodeIDToken(
                decoded.claims,
                decoded.header,
                {
                    "iss": {"essential": True, "value": ours.issuer},
                    "aud": {"essential": True, "value": ours.client_id},
                },
                {"client_id": ours.client_id, "access_token": tokens.get("access_token"), "nonce": nonce},
            )
            claims.validate(leeway=int(LEEWAY.total_seconds()))
        except (JoseError, ValueError, TypeError) as error:
            # The error may have parts of the token in its words.
            raise ProvesNobody(f"{type(error).__name__} {getattr(error, 'claim', None) or ''}".strip()) from None
        return dict(claims)

    async def _described(self) -> Mapping[str, Any]:
        """What the provider says of itself."""
        if self._known_since + KNOWN_FOR_SECONDS < time.monotonic():
            issuer = self._registration.issuer
            about = await self._asked("GET", issuer.rstrip("/") + DISCOVERY)
            if about.get("issuer") != issuer:
                raise ProviderFails(f"it calls itself {about.get('issuer')!r}, and the settings call it {issuer!r}")
            for name in _NEEDED:
                if not is_trusted_way(str(about.get(name, ""))):
                    raise ProviderFails(f"its {name} isn't an address with https://")
            self._about, self._known_since = about, time.monotonic()
        return self._about

    async def _tokens(self, asked: str) -> Mapping[str, Any]:
        about, ours = await self._described(), self._registration
        ways = about.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        way = "client_secret_basic" if "client_secret_basic" in ways else "client_secret_post"
        url, headers, body = ClientAuth(
            ours.client_id, ours.client_secret, way if ours.client_secret else "none"
        ).prepare("POST", about["token_endpoint"], {"Content-Type": "application/x-www-form-urlencoded"}, asked)
        return await self._asked("POST", url, headers=headers, content=body)

    async def _asked(self, method: str, url: str, **sent: Any) -> Mapping[str, Any]:
        """What the provider answers.

        Raises:
            ProviderFails: It doesn't, or not in JSON.
            ProvesNobody: It refuses.
        """
        try:
            async with httpx.AsyncClient(timeout=ANSWERS_WITHIN_SECONDS) as http:
                answered = await http.request(method, url, **sent)
            told = answered.json() if answered.status_code < 500 else None
        except (httpx.HTTPError, ValueError) as error:
            raise ProviderFails(f"no answer from {urlsplit(url).netloc}: {type(error).__name__}") from None
        if not isinstance(told, dict):
            raise ProviderFails(f"{urlsplit(url).netloc} answers {answered.status_code} without what was asked for")
        if not answered.is_success:
            why = told.get("error")
            if method == "GET":
                raise ProviderFails(f"{url} answers {answered.status_code}")
            raise ProvesNobody(f"the provider refuses: {why if isinstance(why, str) else answered.status_code}"[:200])
        return told


def _public_keys(told: Mapping[str, Any]) -> KeySet:
    """The public keys of a set; a shared secret among them is none."""
    try:
        keys = KeySet.import_key_set(dict(told)).keys  # type: ignore[arg-type]
    except (ValueError, TypeError, KeyError, AttributeError, JoseError):
        raise ProviderFails("its keys aren't a JSON Web Key Set") from None
    public: list[Key] = [key for key in keys if isinstance(key, RSAKey | ECKey | OKPKey)]
    if not public:
        raise ProviderFails("it has no public keys")
    return KeySet(public)
