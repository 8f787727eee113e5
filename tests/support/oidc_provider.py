"""A small identity provider by OpenID Connect, which listens: discovery, authorize, token and keys."""

import base64
import hashlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from starter.console.provider import Registration
from starter.console.serve import listening
from tests.support.identity import Provider

CLIENT_ID, CLIENT_SECRET = "stockkeeper-console", "cl1ent-s3cret"


class OidcProvider(Provider):
    """An identity provider whose page asks for nothing: whoever comes is `person`.

    Args:
        place: The file with its public keys.

    Attributes:
        url: Its address, and issuer.
        person: Who comes next.
        roles: What they may do.
        claims: Claims of the next id tokens that differ from the usual ones; None leaves one out.
        forged_by: Signs the next id tokens; None: the key that is published.
        redirect_uri: The only address that browsers are sent back to.
        is_down: Whether it answers nothing but 503.
        refreshes: Whether there are refresh tokens; each is good once.
        asked: The grants that were asked for.
    """

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.url = ""
        self.person = "ada"
        self.roles: tuple[str, ...] = ("approve", "buy")
        self.claims: dict[str, Any] = {}
        self.forged_by: Any = None
        self.redirect_uri = ""
        self.is_down = False
        self.refreshes = True
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}
        self._refresh_tokens: dict[str, tuple[str, tuple[str, ...]]] = {}

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Answer within the block."""
        app = Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._describe),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
                Route("/keys", self._keys),
            ]
        )
        async with listening(app, "127.0.0.1", 0) as port:
            self.url = f"http://127.0.0.1:{port}"
            yield

    def registration(self, console_url: str) -> Registration:
        """How it knows a console."""
        self.redirect_uri = f"{console_url}/sign-in/back"
        return Registration(self.url, CLIENT_ID, CLIENT_SECRET, self.redirect_uri)

    @property
    def settings(self) -> dict[str, Any]:
        """A worker's settings that take the tokens of this provider's console."""
        return super().settings | {"identity_issuer": self.url, "identity_audience": CLIENT_ID}

    async def _describe(self, request: Request) -> Response:
        del request
        if self.is_down:
            return PlainTextResponse("down", 503)
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/keys",
            }
        )

    async def _keys(self, request: Request) -> Response:
        del request
        return Response(self.place.read_bytes(), media_type="application/json")

    async def _authorize(self, request: Request) -> Response:
        told = dict(request.query_params)
        assert told["response_type"] == "code"
        assert (told["client_id"], told["redirect_uri"]) == (CLIENT_ID, self.redirect_uri)
        assert "openid" in told["scope"].split()
        assert told["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(8)
        self._codes[code] = told
        return RedirectResponse(f"{self.redirect_uri}?{urlencode({'code': code, 'state': told['state']})}", 302)

    async def _token(self, request: Request) -> Response:
        if self.is_down:
            return PlainTextResponse("down", 503)
        told = {name: str(value) for name, value in (await request.form()).items()}
        self.asked.append(told["grant_type"])
        known = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {known}":
            return JSONResponse({"error": "invalid_client"}, 401)
        if told["grant_type"] == "refresh_token":
            person, roles = self._refresh_tokens.pop(told["refresh_token"], ("", ()))
            return JSONResponse(self._tokens(person, roles, {})) if person else _refused()
        begun = self._codes.pop(told["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(told["code_verifier"].encode()).digest()).rstrip(b"=")
        if begun is None or begun["code_challenge"] != challenge.decode() or told["redirect_uri"] != self.redirect_uri:
            return _refused()
        return JSONResponse(self._tokens(self.person, self.roles, {"nonce": begun["nonce"]}))

    def _tokens(self, person: str, roles: tuple[str, ...], claims: dict[str, Any]) -> dict[str, str]:
        usual = {"iss": self.url, "aud": CLIENT_ID} | claims
        tokens = {
            "token_type": "Bearer",
            "access_token": secrets.token_urlsafe(8),
            "id_token": self.token(person, *roles, by=self.forged_by, **(usual | self.claims)),
        }
        if self.refreshes:
            tokens["refresh_token"] = secrets.token_urlsafe(8)
            self._refresh_tokens[tokens["refresh_token"]] = (person, roles)
        return tokens


def _refused() -> Response:
    return JSONResponse({"error": "invalid_grant"}, 400)
