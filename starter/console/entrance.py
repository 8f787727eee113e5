"""The addresses that need nobody to be signed in: signing in and out, and the choice of a language."""

import logging
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route as Address

from starter.console.rendering import Pages
from starter.console.security import Attempts, address_of, has_csrf, path_of_ours, why_not_ours
from starter.console.sessions import Session, Sessions, Visitor
from starter.console.settings import ConsoleSettings
from starter.console.sign_in import COME_BACK, SignIn, SignInRefused
from starter.console.texts import LANGUAGES, Texts, chosen_language

LANGUAGE_COOKIE = "stockkeeper-language"
LEFT_FOR_SECONDS = 600
"""So long a browser may take at the identity provider."""
_A_YEAR = 365 * 24 * 3600

_log = logging.getLogger("stockkeeper.console")


def texts_of(request: Request) -> Texts:
    """The words for whoever asks."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    return Texts(chosen_language(chosen, request.headers.get("accept-language", "")))


def with_cookie(response: Response, session: Session, settings: ConsoleSettings) -> Response:
    """The answer, with the cookie of a session."""
    response.set_cookie(
        settings.cookie, session.key, path="/", secure=settings.is_secure, httponly=True, samesite="lax"
    )
    return response


class Entrance:
    """The addresses at the door.

    Args:
        settings: Gives the console's settings.
        sessions: Its sessions.
        sign_in: How people sign in.
        pages: Its templates.
    """

    def __init__(
        self, settings: Callable[[], ConsoleSettings], sessions: Sessions, sign_in: SignIn, pages: Pages
    ) -> None:
        self._settings_now = settings
        self._sessions = sessions
        self._sign_in = sign_in
        self._pages = pages
        self._attempts = Attempts()

    @property
    def addresses(self) -> list[Address]:
        """All of them."""
        return [
            Address("/sign-in", self._limited(self._show), methods=["GET"]),
            Address("/sign-in/start", self._limited(self._leave), methods=["GET"]),
            Address(COME_BACK, self._limited(self._come_back), methods=["GET"]),
            Address("/sign-out", self._sign_out, methods=["POST"]),
            Address("/language", self._choose_language, methods=["POST"]),
        ]

    def say(self, request: Request, status: int, said: str | None, *, to: str | None = None) -> Response:
        """A page for somebody who isn't signed in, or where nobody asks who it is.

        Args:
            request: The request.
            status: The answer's status.
            said: What is said; None: what the page of sign-in says.
            to: Where its button leads; None: where one signs in.
        """
        texts = texts_of(request)
        page = self._pages.render_plainly(
            "sign_in.html",
            _=texts.say,
            language=texts.language,
            way=self._sign_in.way,
            refused=said,
            to=to,
            back=path_of_ours(request.query_params.get("back")),
        )
        return Response(page, media_type="text/html", status_code=status)

    @property
    def _settings(self) -> ConsoleSettings:
        return self._settings_now()

    @property
    def _kept(self) -> str:
        """The name of the cookie that browsers keep while they are at the identity provider."""
        return f"{self._settings.cookie}-left"

    def _limited(self, answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Turn those away who have failed too often, and count who fails."""

        async def answer_some(request: Request) -> Response:
            address = address_of(request, self._settings)
            if not self._attempts.may_try(address):
                said = texts_of(request).say("Too many attempts. Wait a minute, then try again.")
                return self.say(request, 429, said)
            try:
                return await answer(request)
            except SignInRefused as refused:
                if refused.is_theirs:
                    self._attempts.failed(address)
                _log.warning("not signed in: %s %s", refused, f"({refused.why})" if refused.why else "")
                return self.say(request, 401 if refused.is_theirs else 503, texts_of(request).say(str(refused)))

        return answer_some

    async def _show(self, request: Request) -> Response:
        back = path_of_ours(request.query_params.get("back"))
        key = request.query_params.get("key")
        if key is not None:
            visitor = self._sign_in.visitor_of_key(key)
            if visitor is None:
                raise SignInRefused("This link isn't good any more: each start of the console prints new ones.")
            return self._let_in(request, visitor, back)
        if self._sign_in.visitor_of(request) is not None:
            return RedirectResponse(back, status_code=303)
        return self.say(request, 200, None)

    async def _leave(self, request: Request) -> Response:
        leaving = await self._sign_in.leave(path_of_ours(request.query_params.get("back")))
        response = RedirectResponse(leaving.url, status_code=303)
        response.set_cookie(
            self._kept,
            leaving.kept,
            max_age=LEFT_FOR_SECONDS,
            path="/",
            secure=self._settings.is_secure,
            httponly=True,
            samesite="lax",
        )
        return response

    async def _come_back(self, request: Request) -> Response:
        visitor, back = await self._sign_in.come_back(request, request.cookies.get(self._kept, ""))
        response = self._let_in(request, visitor, path_of_ours(back))
        response.delete_cookie(self._kept, path="/", secure=self._settings.is_secure, httponly=True, samesite="lax")
        return response

    def _let_in(self, request: Request, visitor: Visitor, back: str) -> Response:
        if (before := self._sessions.of(request.cookies.get(self._settings.cookie))) is not None:
            self._sessions.end(before)
        session = self._sessions.begin(visitor)
        _log.info("signed in: %s", visitor.identity.person)
        return with_cookie(RedirectResponse(back, status_code=303), session, self._settings)

    async def _sign_out(self, request: Request) -> Response:
        session = self._sessions.of(request.cookies.get(self._settings.cookie))
        response = RedirectResponse("/sign-in", status_code=303)
        if session is None:
            return response
        if why_not_ours(request, self._settings) or not await has_csrf(request, session):
            return self.say(request, 403, texts_of(request).say("Sign out by the button on a page."), to="/inbox")
        self._sessions.end(session)
        _log.info("signed out: %s", session.visitor.identity.person)
        response.delete_cookie(self._settings.cookie, path="/", secure=self._settings.is_secure, httponly=True)
        return response

    async def _choose_language(self, request: Request) -> Response:
        form = await request.form(max_files=0, max_fields=10)
        chosen, back = form.get("language"), form.get("back")
        response = RedirectResponse(path_of_ours(back if isinstance(back, str) else None), status_code=303)
        if chosen in LANGUAGES and not why_not_ours(request, self._settings):
            response.set_cookie(
                LANGUAGE_COOKIE,
                str(chosen),
                max_age=_A_YEAR,
                secure=self._settings.is_secure,
                httponly=True,
                samesite="lax",
            )
        return response
