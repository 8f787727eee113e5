"""Addresses with numbers of documents in them, which may have any letters: ``2026/031`` is one part of a path."""

from typing import Any
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

_SLASH = "\x00"
"""Stands for a slash within a part of a path: no number has this character."""


def segment(text: object) -> str:
    """A part of a path, or a value in an address, with everything quoted that would end it."""
    return quote(str(text), safe="")


def path_as_sent(request: Request) -> str:
    """The path of a request, quoted as the browser has sent it."""
    raw = request.scope.get("raw_path")
    return raw.partition(b"?")[0].decode("ascii", "replace") if isinstance(raw, bytes) else request.url.path


def part_of_path(part: object) -> str:
    """A part of the path of a request, as it was before it was quoted."""
    return str(part).replace(_SLASH, "/")


class SlashesWithin:
    """Lets a part of a path have slashes of its own, which the server has unquoted before any route sees them.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        raw: Any = scope.get("raw_path") if scope["type"] == "http" else None
        if raw and b"%2f" in raw.lower() and not scope["path"].startswith("/static/"):
            parts = raw.partition(b"?")[0].decode("ascii").split("/")
            scope = {**scope, "path": "/".join(unquote(part).replace("/", _SLASH) for part in parts)}
        await self._app(scope, receive, send)
