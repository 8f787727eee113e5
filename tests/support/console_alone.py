"""A console without Temporal behind it, for what is decided before a page asks anything."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast

import httpx
from starlette.responses import PlainTextResponse, Response

from starter.console.app import ROUTES, Console
from starter.console.routes import Route
from starter.console.settings import ConsoleSettings
from starter.console.sign_in import LocalSignIn, SignIn
from starter.console.visit import Visit
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.domain.permission import Identity, Role

URL = "http://console.example:8090"
TLS_URL = "https://console.example"


class Alone:
    """A console whose pages only note that they were reached.

    Args:
        url: Its address.
        sign_in: How people sign in; None: by links.
        routes: Its pages; None: all that there are, each of which notes its name.
        settings: Its settings; None: those of the address alone.

    Attributes:
        reached: The names of pages that were reached.
        console: The console.
    """

    def __init__(
        self,
        url: str = URL,
        sign_in: SignIn | None = None,
        routes: Sequence[Route] | None = None,
        settings: ConsoleSettings | None = None,
    ) -> None:
        self.url = url
        self.reached: list[str] = []
        self.links = LocalSignIn()
        noting = [self._noting(route) for route in ROUTES] if routes is None else routes
        nothing = cast("Stockkeeper", None)
        self.console = Console(nothing, settings or ConsoleSettings(url), sign_in or self.links, noting)
        self._app = self.console.app()

    def browser(self, *, address: str = "192.0.2.7", **headers: str) -> httpx.AsyncClient:
        """A browser at an address, which isn't signed in."""
        # An error behind a page is raised again for the server's log; a browser sees the answer.
        transport = httpx.ASGITransport(self._app, client=(address, 50_000), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=self.url, headers=headers)

    async def signed_in(self, name: str, roles: Iterable[Role], **headers: str) -> httpx.AsyncClient:
        """A browser of somebody with these roles."""
        browser = self.browser(**headers)
        answered = await browser.get(self.links.invite(Identity(name, frozenset(roles))))
        assert answered.status_code == 303
        return browser

    def csrf(self, browser: httpx.AsyncClient) -> str:
        """The word of a browser's session."""
        session = self.console.sessions.of(browser.cookies.get(self.console.settings.cookie))
        assert session is not None
        return session.csrf

    def _noting(self, route: Route) -> Route:
        async def note(visit: Visit) -> Response:
            self.reached.append(f"{route.name} by {visit.person}")
            return PlainTextResponse("reached")

        return replace(route, answer=note)
