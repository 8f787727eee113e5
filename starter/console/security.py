"""What every answer says to browsers, and which requests are turned away before any page sees them."""

import hmac
import time
from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from starter.console.sessions import Session
from starter.console.settings import ConsoleSettings

CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf"
HEALTH = "/healthz"
MOST_BYTES = 2 * 1024 * 1024
"""Of a request: a draft of a thousand scans has a tenth of it."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "font-src 'self'; manifest-src 'self'; worker-src 'self'; media-src 'self'; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class SecurityHeaders:
    """Puts `HEADERS` on every answer, and keeps pages out of shared caches.

    Args:
        app: The application.
        settings: The console's settings.
    """

    def __init__(self, app: ASGIApp, settings: ConsoleSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
                if self._settings.is_secure:
                    headers.setdefault("Strict-Transport-Security", "max-age=31536000")
            await send(message)

        await self._app(scope, receive, send_with)


class KnownHost:
    """Answers only what is asked of the console's own address: a page of another name can't be made to speak for it.

    The address of health is for whoever watches the process by its IP address.

    Args:
        app: The application.
        settings: The console's settings.
    """

    def __init__(self, app: ASGIApp, settings: ConsoleSettings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "http" and scope["path"] != HEALTH:
            asked = _hostname(Headers(scope=scope).get("host", ""))
            if asked != urlsplit(self._settings.url).hostname:
                await PlainTextResponse(f"the console is at {self._settings.url}", 400)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _hostname(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


class LimitedBodies:
    """Refuses requests with more than `MOST_BYTES`, whether they say so beforehand or not.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "0")
        if not told.isdecimal() or int(told) > MOST_BYTES:
            await PlainTextResponse("too large", 413)(scope, receive, send)
            return
        read = 0

        async def receive_some() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > MOST_BYTES:
                raise HTTPException(413, "too large")
            return message

        await self._app(scope, receive_some, send)


def address_of(request: Request, settings: ConsoleSettings) -> str:
    """Whose request it is: the address of the connection, or what a proxy of ours says of its own one."""
    peer = request.client.host if request.client else ""
    if not is_of_proxy(peer, settings):
        return peer
    named = ",".join(request.headers.getlist("x-forwarded-for"))
    # The last one that isn't ours: those before it are what the visitor has sent.
    others = [each.strip() for each in named.split(",") if each.strip()]
    return next((each for each in reversed(others) if not is_of_proxy(each, settings)), peer)


def is_of_proxy(address: str, settings: ConsoleSettings) -> bool:
    """Whether an address is one of the proxies in front of the console."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in settings.proxies)


def path_of_ours(back: str | None) -> str:
    """A path on this site to go on with; anything else leads to the inbox."""
    if back and back.startswith("/") and not back.startswith("//") and back.isprintable() and "\\" not in back:
        return back
    return "/inbox"


def why_not_ours(request: Request, settings: ConsoleSettings) -> str | None:
    """Why a request that changes something may come from another site; None: it comes from a page of ours."""
    origin = request.headers.get("origin")
    if origin is not None and origin.lower() != settings.url.lower():
        return f"it comes from {urlsplit(origin).netloc or 'another site'}"
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return "it comes from another site"
    return None


async def has_csrf(request: Request, session: Session) -> bool:
    """Whether a request has the session's own word, in its header or its form."""
    given = request.headers.get(CSRF_HEADER)
    if given is None:
        form = await request.form(max_files=1, max_fields=2_000)
        value = form.get(CSRF_FIELD)
        given = value if isinstance(value, str) else ""
    return hmac.compare_digest(given.encode(), session.csrf.encode())


class Attempts:
    """How often an address may fail to sign in.

    Args:
        most: Failures within `seconds`.
        seconds: The window.
        clock: Seconds that only grow.
    """

    def __init__(self, most: int = 20, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._failed: dict[str, list[float]] = {}

    def may_try(self, address: str) -> bool:
        """Whether this address may try once more."""
        return len(self._lately(address)) < self._most

    def failed(self, address: str) -> None:
        """Count a failure of this address."""
        since = self._clock() - self._seconds
        if len(self._failed) > 10_000:
            self._failed = {key: times for key, times in self._failed.items() if times[-1] > since}
        self._failed[address] = [*self._lately(address), self._clock()]

    def _lately(self, address: str) -> list[float]:
        since = self._clock() - self._seconds
        return [at for at in self._failed.get(address, ()) if at > since]
