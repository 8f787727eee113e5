"""The codec server: decrypts what the Temporal UI and the `temporal` command show, and encrypts what they send.

It speaks Temporal's protocol for codec servers: `POST` of payloads as JSON to a path that ends in ``/decode`` or
``/encode``. Each caller signs in: a program by a token, a person's browser by the same token twice a day at most, at
``/sign-in``. It answers scripts of one origin, the Temporal UI's.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from socketserver import TCPServer
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import PayloadCodec

from stockkeeper.contracts.encryption import UnknownKey
from stockkeeper.contracts.errors import StockkeeperError

SIGNED_IN_FOR = timedelta(hours=12)
"""How long a browser stays signed in."""
SHORTEST_TOKEN = 20
"""A token of that many random characters isn't found by trying."""
MOST_BYTES = 32 * 1024 * 1024
"""Of a request. The UI asks for the payloads of an event or a page of them."""
SIGN_IN = "/sign-in"
_COOKIE = "stockkeeper-codec"
_CALLER_SECONDS = 10.0

_log = logging.getLogger("stockkeeper.codec_server")

_Work: TypeAlias = Callable[[Sequence[Payload]], Coroutine[Any, Any, list[Payload]]]


@dataclass(frozen=True)
class SignIn:
    """Who may ask.

    Attributes:
        token: The secret that a caller signs in by.
        ui_origin: Scheme, host and port of the Temporal UI: the one place whose scripts a browser lets ask.
    """

    token: str
    ui_origin: str

    def __post_init__(self) -> None:
        if len(self.token) < SHORTEST_TOKEN:
            raise StockkeeperError(
                f"STOCKKEEPER_CODEC_TOKEN has fewer than {SHORTEST_TOKEN} characters: `openssl rand -hex 32` makes one"
            )

    def __repr__(self) -> str:
        """Without the token."""
        return f"<SignIn for {self.ui_origin}>"

    def admits(self, authorization: str) -> bool:
        """Whether an ``Authorization`` header has the token, as a bearer's or as a password of any user."""
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() == "basic":
            try:
                given = base64.b64decode(given.strip(), validate=True).decode().partition(":")[2]
            except (binascii.Error, ValueError):
                return False
        elif scheme.lower() != "bearer":
            return False
        return hmac.compare_digest(given.strip().encode(), self.token.encode())

    def pass_until(self, until: int) -> str:
        """What a browser that is signed in shows: until when, in seconds since 1970, and a proof."""
        proof = hmac.new(self.token.encode(), f"signed in until {until}".encode(), hashlib.sha256)
        return f"{until}.{proof.hexdigest()}"

    def admits_pass(self, shown: str, now: float) -> bool:
        """Whether it was given out here, and is still good."""
        until = shown.partition(".")[0]
        if not until.isdecimal() or not until.isascii() or int(until) <= now:
            return False
        return hmac.compare_digest(shown.encode(), self.pass_until(int(until)).encode())


def origin_of(url: str) -> str:
    """The origin of a page's address, as browsers send it.

    Raises:
        StockkeeperError: It isn't the address of a page.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise StockkeeperError(f"{url!r} isn't the address of the Temporal UI, such as http://localhost:8233")
    return f"{parts.scheme}://{parts.netloc.lower()}"


class CodecServer(ThreadingHTTPServer):
    """Listens from its creation on; `serve_forever` answers.

    Args:
        address: An IP address and a port; 0: any that is free.
        codec: What encrypts and decrypts.
        sign_in: Who may ask.

    Raises:
        StockkeeperError: The address can't be listened on.
    """

    daemon_threads = True
    allow_reuse_port = False

    def __init__(self, address: tuple[str, int], codec: PayloadCodec, sign_in: SignIn) -> None:
        self.address_family = AF_INET6 if ":" in address[0] else AF_INET
        self.sign_in = sign_in
        self.work: Mapping[str, _Work] = {"decode": codec.decode, "encode": codec.encode}
        try:
            super().__init__(address, _Handler)
        except OSError as error:
            raise StockkeeperError(f"{address[0]}:{address[1]} can't be listened on: {error.strerror}") from None

    def server_bind(self) -> None:
        """Bind without asking the network for this host's name, which may take seconds."""
        TCPServer.server_bind(self)
        host, self.server_port = self.server_address[:2]
        self.server_name = str(host)


class _Refused(Exception):
    """A request is answered with a status and a sentence."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: CodecServer
    timeout = _CALLER_SECONDS
    server_version = "stockkeeper"
    sys_version = ""

    def do_OPTIONS(self) -> None:
        """A browser asks whether a script may ask."""
        if self.headers.get("Origin") != self.server.sign_in.ui_origin:
            self._send(HTTPStatus.FORBIDDEN, {"error": "only the Temporal UI's pages may ask"})
            return
        self._send(
            HTTPStatus.NO_CONTENT,
            None,
            {
                "Access-Control-Allow-Methods": "POST",
                # Whatever that page sends: the UI adds headers from version to version.
                "Access-Control-Allow-Headers": self.headers.get("Access-Control-Request-Headers", ""),
                "Access-Control-Max-Age": "600",
            },
        )

    def do_GET(self) -> None:
        """Sign a person's browser in."""
        if self.path.partition("?")[0] != SIGN_IN:
            self._send(HTTPStatus.NOT_FOUND, {"error": f"GET {SIGN_IN}, POST /decode and POST /encode are all"})
            return
        if not self.server.sign_in.admits(self.headers.get("Authorization", "")):
            ask = {"WWW-Authenticate": 'Basic realm="Stockkeeper codec server", charset="UTF-8"'}
            refusal = self._stranger()
            self._send(refusal.status, {"error": str(refusal)}, ask)
            return
        seconds = int(SIGNED_IN_FOR.total_seconds())
        shown = self.server.sign_in.pass_until(int(time.time()) + seconds)
        # A browser sends it from pages of the same site only; and over TLS only, if the UI has it.
        secure = "; Secure" if self.server.sign_in.ui_origin.startswith("https:") else ""
        cookie = f"{_COOKIE}={shown}; Max-Age={seconds}; Path=/; HttpOnly; SameSite=Strict{secure}"
        told = {"signed_in": f"for {SIGNED_IN_FOR // timedelta(hours=1)} hours; go back to the Temporal UI"}
        _log.info("a browser at %s has signed in", self.client_address[0])
        self._send(HTTPStatus.OK, told, {"Set-Cookie": cookie})

    def do_POST(self) -> None:
        """Decrypt or encrypt payloads."""
        try:
            work = self._asked_for()
            answer = asyncio.run(work(self._payloads().payloads))
        except _Refused as refusal:
            self._send(refusal.status, {"error": str(refusal)})
        except UnknownKey as error:
            self._send(HTTPStatus.UNPROCESSABLE_ENTITY, {"error": str(error)})
        else:
            self._send(HTTPStatus.OK, MessageToDict(Payloads(payloads=answer)))

    def _asked_for(self) -> _Work:
        """What the path asks for, if the caller has signed in."""
        if (work := self.server.work.get(self.path.partition("?")[0].rpartition("/")[2])) is None:
            raise _Refused(HTTPStatus.NOT_FOUND, "POST /decode and POST /encode are all")
        origin = self.headers.get("Origin")
        if origin not in (None, self.server.sign_in.ui_origin):
            raise _Refused(HTTPStatus.FORBIDDEN, "only the Temporal UI's pages may ask")
        # What a browser sends by itself counts only where it says which page asks.
        by_pass = origin is not None and self._shows_a_pass()
        if not by_pass and not self.server.sign_in.admits(self.headers.get("Authorization", "")):
            raise self._stranger()
        return work

    def _shows_a_pass(self) -> bool:
        try:
            cookies = SimpleCookie(self.headers.get("Cookie", ""))
        except CookieError:
            return False
        shown = cookies.get(_COOKIE)
        return shown is not None and self.server.sign_in.admits_pass(shown.value, time.time())

    def _payloads(self) -> Payloads:
        if self.headers.get_content_type() != "application/json":
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "payloads come as application/json")
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or not length.isascii():
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "Content-Length is missing")
        if int(length) > MOST_BYTES:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {MOST_BYTES:,} bytes at once")
        try:
            return ParseDict(json.loads(self.rfile.read(int(length))), Payloads(), ignore_unknown_fields=True)
        except (ParseError, ValueError, RecursionError):
            raise _Refused(HTTPStatus.BAD_REQUEST, "that isn't {payloads: [...]} as JSON") from None

    def _stranger(self) -> _Refused:
        _log.warning("%s was asked by %s without the token", self.path.partition("?")[0], self.client_address[0])
        why = f"not signed in: send the token, or open {SIGN_IN} in this browser"
        return _Refused(HTTPStatus.UNAUTHORIZED, why)

    def _send(
        self, status: HTTPStatus, body: Mapping[str, Any] | None, headers: Mapping[str, str] | None = None
    ) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        if self.headers.get("Origin") == self.server.sign_in.ui_origin:
            self.send_header("Access-Control-Allow-Origin", self.server.sign_in.ui_origin)
            self.send_header("Access-Control-Allow-Credentials", "true")
        self.send_header("Vary", "Origin")
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if body is not None:
            self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing of every request: the UI makes one for each event that it shows."""
