"""The console as an ASGI application: its routes, put together, with what is done around each of them."""

import logging
import pkgutil
from collections.abc import Awaitable, Callable, Sequence
from importlib import import_module
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount
from starlette.routing import Route as Address
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from starter.console import pages
from starter.console.rendering import STATIC, Pages
from starter.console.routes import Route
from starter.console.security import MOST_BYTES, Attempts, SecurityHeaders, has_csrf, why_not_ours
from starter.console.sessions import Session, Sessions
from starter.console.settings import ConsoleSettings
from starter.console.sign_in import SignIn
from starter.console.texts import LANGUAGES, Texts, chosen_language
from starter.console.visit import Visit, token_of_visit
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

LANGUAGE_COOKIE = "stockkeeper-language"
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
        self._attempts = Attempts()

    def app(self) -> Starlette:
        """The ASGI application."""
        return Starlette(
            routes=[
                Address("/", _to_the_inbox),
                Address("/healthz", _healthy),
                Address("/sign-in", self._sign_in),
                Address("/sign-out", self._sign_out, methods=["POST"]),
                Address("/language", self._choose_language, methods=["POST"]),
                Mount("/static", _Static(directory=STATIC)),
                *(Address(route.path, self._answering(route), methods=[route.method]) for route in self.routes),
            ],
            middleware=[
                Middleware(SecurityHeaders, settings=self.settings),
                Middleware(
                    TrustedHostMiddleware, allowed_hosts=[self.settings.host.rpartition(":")[0] or "*", "127.0.0.1"]
                ),
                Middleware(GZipMiddleware, minimum_size=1_000),
            ],
        )

    def texts_of(self, request: Request) -> Texts:
        """The words for whoever asks."""
        chosen = request.cookies.get(LANGUAGE_COOKIE)
        return Texts(chosen_language(chosen, request.headers.get("accept-language", "")))

    def _answering(self, route: Route) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            return await self._answer(route, request)

        return answer

    async def _answer(self, route: Route, request: Request) -> Response:
        """One request to an address that needs a person."""
        session = self._session_of(request)
        if session is None:
            return self._lead_to_sign_in(request)
        texts = self.texts_of(request)
        visit = Visit(request, session, self.stock, texts, self._pages, self.settings)
        if route.method != "GET":
            if int(request.headers.get("content-length") or 0) > MOST_BYTES:
                return PlainTextResponse("too large", status_code=413)
            if why := why_not_ours(request, self.settings):
                return PlainTextResponse(f"refused: {why}", status_code=403)
            if not await has_csrf(request, session):
                return self._tell(
                    visit, 403, texts.say("This page is too old. Load it again, and repeat what you did.")
                )
        if visit.identity.roles.isdisjoint(route.any_of):
            named = ", ".join(texts.say(role) for role in route.any_of)
            return self._tell(visit, 403, texts.say("This needs the role: {roles}.", roles=named))
        known = token_of_visit.set(session.visitor.token or "")
        try:
            response = await route.answer(visit)
        except StockkeeperError as error:
            return self._tell(visit, _status_of(error), str(error), error)
        finally:
            token_of_visit.reset(known)
        return self._with_cookie(response, session)

    def _session_of(self, request: Request) -> Session | None:
        session = self.sessions.of(request.cookies.get(self.settings.cookie))
        proven = self.sign_in.visitor_of(request)
        if proven is None:
            return session
        if session is not None and session.visitor == proven:
            return session
        if session is not None:
            self.sessions.end(session)
        return self.sessions.begin(proven)

    def _lead_to_sign_in(self, request: Request) -> Response:
        back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        there = f"/sign-in?back={quote(back, safe='')}" if request.method == "GET" else "/sign-in"
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
        return self._with_cookie(response, visit.session)

    def _with_cookie(self, response: Response, session: Session) -> Response:
        response.set_cookie(
            self.settings.cookie,
            session.key,
            path="/",
            secure=self.settings.is_secure,
            httponly=True,
            samesite="lax",
        )
        return response

    async def _sign_in(self, request: Request) -> Response:
        texts = self.texts_of(request)
        address = request.client.host if request.client else ""
        back = _path_of_ours(request.query_params.get("back"))
        key, refused = request.query_params.get("key"), None
        if key is not None:
            if not self._attempts.may_try(address):
                return PlainTextResponse("too many attempts: wait a minute", status_code=429)
            visitor = self.sign_in.visitor_of_key(key)
            if visitor is not None:
                session = self.sessions.begin(visitor)
                _log.info("signed in: %s", visitor.identity.person)
                return self._with_cookie(RedirectResponse(back, status_code=303), session)
            refused = texts.say("This link isn't good any more: each start of the console prints new ones.")
        page = self._pages.render_plainly("sign_in.html", _=texts.say, language=texts.language, refused=refused)
        return Response(page, media_type="text/html", status_code=401 if refused else 200)

    async def _sign_out(self, request: Request) -> Response:
        session = self._session_of(request)
        if session is not None and not why_not_ours(request, self.settings) and await has_csrf(request, session):
            self.sessions.end(session)
        response = RedirectResponse("/sign-in", status_code=303)
        response.delete_cookie(self.settings.cookie, path="/", secure=self.settings.is_secure, httponly=True)
        return response

    async def _choose_language(self, request: Request) -> Response:
        form = await request.form(max_files=0, max_fields=10)
        chosen, back = form.get("language"), form.get("back")
        response = RedirectResponse(_path_of_ours(back if isinstance(back, str) else None), status_code=303)
        if chosen in LANGUAGES:
            response.set_cookie(
                LANGUAGE_COOKIE,
                str(chosen),
                max_age=_A_YEAR,
                secure=self.settings.is_secure,
                httponly=True,
                samesite="lax",
            )
        return response


class _Static(StaticFiles):
    """Files whose addresses change with their content."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if b"v=" in scope["query_string"]:
            response.headers["Cache-Control"] = f"public, max-age={_A_YEAR}, immutable"
        else:
            response.headers["Cache-Control"] = "no-cache"
        return response


def _path_of_ours(back: str | None) -> str:
    """A path on this site to go on with; anything else leads to the inbox."""
    if back and back.startswith("/") and not back.startswith(("//", "/\\")):
        return back
    return "/inbox"


def _status_of(error: StockkeeperError) -> int:
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


async def _to_the_inbox(request: Request) -> Response:
    del request
    return RedirectResponse("/inbox", status_code=303)


async def _healthy(request: Request) -> Response:
    """The process answers. Whether Temporal and the workers do is told by their own checks."""
    del request
    return JSONResponse({"status": "ok"})
