"""The console as an ASGI application: its routes, put together, with what is done around each of them."""

import logging
import pkgutil
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
from importlib import import_module
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount
from starlette.routing import Route as Address
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from starter.console import pages
from starter.console.addresses import SlashesWithin, path_as_sent
from starter.console.entrance import Entrance, texts_of, with_cookie
from starter.console.rendering import STATIC, Pages
from starter.console.routes import Route
from starter.console.security import HEALTH, KnownHost, LimitedBodies, SecurityHeaders, has_csrf, why_not_ours
from starter.console.sessions import Session, Sessions
from starter.console.settings import ConsoleSettings
from starter.console.sign_in import SignIn
from starter.console.visit import Visit, session_of_visit
from stockkeeper.client.stockkeeper import Stockkeeper
from stockkeeper.contracts.errors import (
    DomainError,
    InvalidRequest,
    NotFound,
    NotPermitted,
    StockkeeperError,
    Unreachable,
)

ROUTES: tuple[Route, ...] = tuple(
    route
    for module in sorted(each.name for each in pkgutil.iter_modules(pages.__path__))
    for route in import_module(f"{pages.__name__}.{module}").routes.all
)
"""All addresses that need a person: the ``routes`` of every module among the pages."""

RENEWED_BEFORE_SECONDS = 30.0
"""So long before its end a token is renewed."""
_A_YEAR = 365 * 24 * 3600
_STATUSES: tuple[tuple[type[StockkeeperError], int], ...] = (
    (NotPermitted, 403),
    (NotFound, 404),
    (InvalidRequest, 422),
    (DomainError, 409),
    (Unreachable, 503),
)

_log = logging.getLogger("stockkeeper.console")


class Console:
    """A console: its client, its sessions, and how people sign in.

    Args:
        stock: The client.
        settings: Its settings.
        sign_in: How people sign in.
        routes: The addresses that need a person.
    """

    def __init__(
        self, stock: Stockkeeper, settings: ConsoleSettings, sign_in: SignIn, routes: Sequence[Route] = ROUTES
    ) -> None:
        self.stock = stock
        self.settings = settings
        self.sign_in = sign_in
        self.sessions = Sessions()
        self.routes = routes
        self._pages = Pages()
        self._entrance = Entrance(lambda: self.settings, self.sessions, sign_in, self._pages)

    def app(self) -> ASGIApp:
        """The ASGI application."""
        within = Starlette(
            routes=[
                Address("/", _to_the_inbox),
                Address(HEALTH, _healthy),
                Address("/service-worker.js", _service_worker),
                Mount("/static", _Static(directory=STATIC)),
                *self._entrance.addresses,
                *(Address(route.path, self._answering(route), methods=[route.method]) for route in self.routes),
            ],
            middleware=[
                Middleware(KnownHost, settings=self.settings),
                Middleware(SlashesWithin),
                Middleware(LimitedBodies),
                Middleware(GZipMiddleware, minimum_size=1_000),
            ],
            exception_handlers={HTTPException: self._refuse, Exception: _broken},
        )
        # Around all else: also what Starlette answers where something has gone wrong has these headers.
        return SecurityHeaders(within, self.settings)

    def _answering(self, route: Route) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            return await self._answer(route, request)

        return answer

    async def _answer(self, route: Route, request: Request) -> Response:
        """One request to an address that needs a person."""
        session = await self._session_of(request)
        if session is None:
            return self._lead_to_sign_in(request)
        texts = texts_of(request)
        visit = Visit(request, session, self.stock, texts, self._pages, self.settings)
        if route.method != "GET":
            if why := why_not_ours(request, self.settings):
                return PlainTextResponse(f"refused: {why}", status_code=403)
            if not await has_csrf(request, session):
                return self._tell(
                    visit, 403, texts.say("This page is too old. Load it again, and repeat what you did.")
                )
        if visit.identity.roles.isdisjoint(route.any_of):
            named = ", ".join(texts.say(role) for role in route.any_of)
            return self._tell(visit, 403, texts.say("This needs the role: {roles}.", roles=named))
        session_of_visit.set(session)
        try:
            response = await route.answer(visit)
        except StockkeeperError as error:
            return self._tell(visit, _status_of(error), str(error), error)
        except HTTPException:
            raise
        except Exception:  # noqa: BLE001 - a person is to see a page, whatever is wrong with ours
            _log.exception("%s failed", route.name)
            said = texts.say(
                "Something went wrong here, and it isn't your doing. Look whether it was done, then try again."
            )
            return self._tell(visit, 500, said)
        if isinstance(response, StreamingResponse):
            # No proxy on the way may keep it back.
            response.headers.setdefault("X-Accel-Buffering", "no")
            response.body_iterator = self._while_signed_in(response.body_iterator, session)
        return with_cookie(response, session, self.settings)

    async def _session_of(self, request: Request) -> Session | None:
        session = self.sessions.of(request.cookies.get(self.settings.cookie))
        if self.sign_in.proves_each_request:
            proven = self.sign_in.visitor_of(request)
            if proven is None or session is None or session.visitor == proven:
                return None if proven is None else session or self.sessions.begin(proven)
            self.sessions.end(session)
            return self.sessions.begin(proven)
        if session is not None and session.visitor.is_over(time.time() + RENEWED_BEFORE_SECONDS):
            async with session.renewing:
                if session.visitor.is_over(time.time() + RENEWED_BEFORE_SECONDS):
                    renewed = await self.sign_in.renewed(session.visitor)
                    if renewed is None and session.visitor.is_over(time.time()):
                        self.sessions.end(session)
                        return None
                    session.visitor = renewed or session.visitor
        return session

    async def _while_signed_in(
        self, parts: AsyncIterable[str | bytes | memoryview], session: Session
    ) -> AsyncIterator[str | bytes | memoryview]:
        """What is streamed, until the session ends."""
        async for part in parts:
            if session.is_over:
                return
            yield part

    async def _refuse(self, request: Request, refused: Exception) -> Response:
        """What no address of ours answers, or not so."""
        assert isinstance(refused, HTTPException)  # noqa: S101 - it is registered for these
        texts = texts_of(request)
        said = {
            404: texts.say("There is no such page."),
            405: texts.say("This address isn't a page."),
            413: texts.say("That is too much at once."),
        }.get(refused.status_code, refused.detail)
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse({"error": "Refused", "message": said, "details": {}}, refused.status_code)
        if request.headers.get("hx-request"):
            return PlainTextResponse(said, refused.status_code)
        return self._entrance.say(request, refused.status_code, said, to="/inbox")

    def _lead_to_sign_in(self, request: Request) -> Response:
        back = path_as_sent(request) + (f"?{request.url.query}" if request.url.query else "")
        door = "/sign-in/start" if self.sign_in.way == "provider" else "/sign-in"
        there = f"{door}?back={quote(back, safe='')}" if request.method == "GET" else "/sign-in"
        if request.headers.get("hx-request"):
            return Response(status_code=401, headers={"HX-Redirect": there})
        if "application/json" in request.headers.get("accept", "") or request.method != "GET":
            return JSONResponse({"error": "NotSignedIn", "sign_in": there}, status_code=401)
        return RedirectResponse(there, status_code=303)

    def _tell(self, visit: Visit, status: int, message: str, error: StockkeeperError | None = None) -> Response:
        """A refusal: for a script as JSON, for a part of a page as its notice, or else as a page."""
        if "application/json" in visit.request.headers.get("accept", ""):
            said = {"error": type(error).__name__ if error else "Refused", "message": message}
            details = error.details if isinstance(error, DomainError) else {}
            return JSONResponse(said | {"details": details}, status_code=status)
        template = "notice.html" if visit.is_partial else "refused.html"
        response = visit.show(template, status, said=message)
        return with_cookie(response, visit.session, self.settings)


class _Static(StaticFiles):
    """Files whose addresses change with their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if b"v=" in scope["query_string"]:
            response.headers["Cache-Control"] = f"public, max-age={_A_YEAR}, immutable"
        else:
            response.headers["Cache-Control"] = "no-cache"
        return response


def _status_of(error: StockkeeperError) -> int:
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


async def _to_the_inbox(request: Request) -> Response:
    del request
    return RedirectResponse("/inbox", status_code=303)


async def _service_worker(request: Request) -> Response:
    """The script that keeps count sheets. From this address it may answer for pages of all addresses."""
    del request
    return FileResponse(STATIC / "service-worker.js", headers={"Cache-Control": "no-cache"})


async def _healthy(request: Request) -> Response:
    """The process answers. Whether Temporal and the workers do is told by their own checks."""
    del request
    return JSONResponse({"status": "ok"})


async def _broken(request: Request, error: Exception) -> Response:
    """Nothing of the error: Starlette raises it again, so that it is in the log."""
    del request, error
    return PlainTextResponse("Something went wrong here, and it isn't your doing.", status_code=500)
