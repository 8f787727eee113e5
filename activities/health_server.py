"""The HTTP endpoint of a worker: a thread of its own, which asks the worker's event loop.

So a loop that hangs is told as well: the thread says that nothing has answered it.
"""

import asyncio
import ipaddress
import json
import logging
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import TimeoutError as NoAnswer
from contextlib import contextmanager
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from socketserver import TCPServer
from typing import Any

from activities.polls import Seen
from stockkeeper.domain.errors import StockkeeperError

LOOP_WITHIN_SECONDS = 5.0
"""How long the worker's event loop may take to answer, with all servers that it asks."""
_CALLER_SECONDS = 5.0
"""How long a caller may take to send its request."""
_PORTS = 65_536

_log = logging.getLogger("stockkeeper")

Routes = Mapping[str, Callable[[], Coroutine[Any, Any, Sequence[Seen]]]]


def host_and_port(address: str) -> tuple[str, int]:
    """The parts of an address to listen on.

    Raises:
        ValueError: It isn't one.
    """
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        ipaddress.ip_address(host)
        number = int(port)
    except ValueError:
        number = 0
    if not 0 < number < _PORTS:
        raise ValueError("must be an IP address and a port, such as 0.0.0.0:8086")
    return host, number


@contextmanager
def answering(address: tuple[str, int], routes: Routes) -> Iterator[None]:
    """Answer `GET` on each of these paths, from within a running event loop: 200 if all is well, and else 503.

    Args:
        address: An IP address and a port.
        routes: What is asked of the event loop, by the path.

    Raises:
        StockkeeperError: The address can't be listened on.
    """
    try:
        server = _Server(address, routes, asyncio.get_running_loop())
    except OSError as error:
        why = f"STOCKKEEPER_HEALTH_ADDRESS {address[0]}:{address[1]} can't be listened on: {error.strerror}"
        raise StockkeeperError(why) from None
    _log.info("health is told on %s:%s, at %s", *address, " and ".join(routes))
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="health", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_port = False
    # An answer that waits for the loop must not keep the loop from ending.
    block_on_close = False

    def __init__(self, address: tuple[str, int], routes: Routes, loop: asyncio.AbstractEventLoop) -> None:
        self.address_family = AF_INET6 if ":" in address[0] else AF_INET
        self.routes = routes
        self.loop = loop
        self._host, self._port = address
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without asking the network for this host's name, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self._host, self._port

    def seen(self, path: str) -> list[Seen]:
        """What the event loop says; from any other thread."""
        asked = asyncio.run_coroutine_threadsafe(self.routes[path](), self.loop)
        try:
            return list(asked.result(LOOP_WITHIN_SECONDS))
        except NoAnswer:
            asked.cancel()
            reason = f"hasn't answered for {LOOP_WITHIN_SECONDS:g} s"
            return [Seen("event_loop", ok=False, reason=reason)]
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker isn't well, and the probe has to hear so
            return [Seen("event_loop", ok=False, reason=f"can't tell: {type(error).__name__}")]


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _CALLER_SECONDS
    server_version = "stockkeeper"
    sys_version = ""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path not in self.server.routes:
            self._send(HTTPStatus.NOT_FOUND, {"paths": sorted(self.server.routes)})
            return
        seen = self.server.seen(path)
        well = all(each.ok for each in seen)
        status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        self._send(status, {"checks": [asdict(each) for each in seen]})

    def _send(self, status: HTTPStatus, body: dict[str, Any]) -> None:
        data = f"{json.dumps(body)}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Say nothing: a probe comes every few seconds."""
