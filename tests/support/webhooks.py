"""A subscriber's server on this machine, which does to events whatever a test wants, and events to send to it."""

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sqlalchemy import Engine
from standardwebhooks import Webhook

from database.events import span
from tests.support.events import happen, level
from tests.support.wire import eventually

WEBHOOK_KEY = "a-key-of-the-tests-for-all-webhooks"
DROPPED = 0
"""The answer that never comes: the connection is closed instead."""

Answers = Callable[["Received"], int]


@dataclass(frozen=True)
class Received:
    """A request as it came."""

    number: int
    partitionkey: str
    body: str
    headers: dict[str, str]
    attempt: int
    """How often this event has come by now, this time included."""
    requests: int
    """How many requests have come by now."""

    def verify(self, *secrets: str) -> None:
        """Each of these secrets verifies it, as the receiver's own library does."""
        for secret in secrets:
            Webhook(secret).verify(self.body, self.headers)


def _take(_: Received) -> int:
    return 204


@dataclass
class Receiver:
    """A server; what it answers may be set at any time."""

    answers: Answers = _take
    received: list[Received] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    """The numbers that it has taken, in the order in which it has; also those whose answer was lost."""
    port: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.port}/hooks?token=hidden"

    def key_of(self) -> dict[int, str]:
        """The partition key of each event that has come."""
        return {each.number: each.partitionkey for each in self.received}

    async def has(self, numbers: Sequence[int]) -> None:
        """Wait until it has taken all of these."""

        async def missing() -> set[int]:
            return {*numbers} - {*self.taken}

        await eventually(missing, lambda left: not left)

    @contextmanager
    def open(self, tls: ssl.SSLContext | None = None) -> Iterator["Receiver"]:
        """Listen; opened again, on the same port."""
        server = ThreadingHTTPServer(("127.0.0.1", self.port), _handler(self))
        server.daemon_threads = True
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            event = json.loads(body)
            number = int(event["id"])
            with receiver.lock:
                before = sum(each.number == number for each in receiver.received)
                came = Received(
                    number, event["partitionkey"], body, dict(self.headers), before + 1, len(receiver.received) + 1
                )
                receiver.received.append(came)
            status = receiver.answers(came)
            if status == DROPPED or 200 <= status < 300:
                with receiver.lock:
                    receiver.taken.append(number)
            if status == DROPPED:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            if 300 <= status < 400:
                self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """A test says what it wants to know."""

    return Handler


@dataclass(frozen=True)
class News:
    """Events of products that no other test knows."""

    engine: Engine
    product_ids: Sequence[int]

    def last(self) -> int:
        """The number of the latest event of all."""
        with self.engine.begin() as connection:
            return span(connection).last

    def happen(self, times: int) -> list[int]:
        """Let as many events happen, of one product after the other; their numbers."""
        products = [self.product_ids[each % len(self.product_ids)] for each in range(times)]
        return happen(
            self.engine, *(level(product, on_hand=each, warehouse="Zoë") for each, product in enumerate(products))
        )
