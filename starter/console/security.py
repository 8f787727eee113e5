"""What every answer says to browsers, and which requests are turned away before any page sees them."""

import hmac
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from starter.console.sessions import Session
from starter.console.settings import ConsoleSettings

CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf"
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
    """How often an address may try to sign in.

    Args:
        most: Attempts within `seconds`.
        seconds: The window.
        clock: Seconds that only grow.
    """

    def __init__(self, most: int = 20, seconds: float = 60.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._tried: dict[str, list[float]] = {}

    def may_try(self, address: str) -> bool:
        """Whether this address may try once more; if so, that is counted."""
        now = self._clock()
        since = now - self._seconds
        if len(self._tried) > 10_000:
            self._tried = {key: times for key, times in self._tried.items() if times[-1] > since}
        tried = [at for at in self._tried.get(address, ()) if at > since]
        if len(tried) >= self._most:
            self._tried[address] = tried
            return False
        self._tried[address] = [*tried, now]
        return True
