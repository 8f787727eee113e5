"""One event to one receiver: a signed POST by Standard Webhooks to an address that was checked, and nothing else.

No proxy of the environment, no redirect, no second look at the name; of the answer only its status counts.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Sequence
from datetime import UTC, datetime

from standardwebhooks import Webhook

from activities.webhook_guard import Target
from stockkeeper.contracts.webhook import CONTENT_TYPE

CONNECT_SECONDS = 5.0
SILENT_SECONDS = 15.0
"""How long a receiver may be silent."""
WHOLE_SECONDS = 30.0
"""How long a delivery may take in all, however slowly the receiver answers."""
_READ_AT_MOST = 16 * 1024
_GONE = 410


class NotTaken(Exception):
    """The receiver hasn't taken an event, as far as is known; the message says why in a few words.

    Attributes:
        is_gone: It wants none any more.
    """

    def __init__(self, why: str, *, is_gone: bool = False) -> None:
        super().__init__(why)
        self.is_gone = is_gone


class _Pinned(http.client.HTTPConnection):
    """A connection to the addresses of a target. The host's name is only in the certificate and in ``Host``."""

    def __init__(self, target: Target, tls: ssl.SSLContext | None) -> None:
        super().__init__(target.host, target.port, timeout=SILENT_SECONDS)
        self._target = target
        self._tls = tls

    def connect(self) -> None:
        """Connect to the first address that answers."""
        for last, address in enumerate(self._target.addresses, 1 - len(self._target.addresses)):
            try:
                reached = socket.create_connection((address, self._target.port), CONNECT_SECONDS)
            except OSError:
                if not last:
                    raise
            else:
                break
        reached.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # For whoever ends a delivery that takes too long, also while certificates are exchanged.
        self.sock = reached
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(reached, server_hostname=self._target.host)
        self.sock.settimeout(SILENT_SECONDS)

    def cut(self) -> None:
        """End what is under way on it, from another thread."""
        if self.sock is not None:
            try:
                self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return


class Lane:
    """One lane to a receiver: its connection is used again for the next event. Not to be used by two threads at once.

    Args:
        target: Where it is.
        secrets: What signs; the first is the present one.
        trusted: Whose certificates are trusted; None: the system's authorities.
    """

    def __init__(self, target: Target, secrets: Sequence[str], trusted: ssl.SSLContext | None = None) -> None:
        self._target = target
        self._signing = [Webhook(secret) for secret in secrets]
        self._tls = (trusted or ssl.create_default_context()) if target.is_tls else None
        self._connection: _Pinned | None = None

    def send(self, name: str, body: str) -> None:
        """Send an event.

        Args:
            name: Its id, the same whenever it is sent again.
            body: The event as JSON.

        Raises:
            NotTaken: There was no answer, or another one than 2xx. It may have been taken all the same.
        """
        headers = self._headers(name, body)
        is_fresh = self._connection is None
        try:
            status = self._post(body, headers)
        except (OSError, http.client.HTTPException) as error:
            # A connection that was kept may have been closed by the other side meanwhile; that says nothing.
            if is_fresh or isinstance(error, TimeoutError):
                raise NotTaken(_why(error)) from None
            try:
                status = self._post(body, headers)
            except (OSError, http.client.HTTPException) as again:
                raise NotTaken(_why(again)) from None
        if not 200 <= status < 300:
            redirected = ", and a redirect isn't followed" if 300 <= status < 400 else ""
            raise NotTaken(f"it answered {status}{redirected}", is_gone=status == _GONE)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _headers(self, name: str, body: str) -> dict[str, str]:
        now = datetime.now(UTC)
        return {
            "Host": self._target.authority,
            "Content-Type": CONTENT_TYPE,
            "User-Agent": "stockkeeper",
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(each.sign(name, now, body) for each in self._signing),
        }

    def _post(self, body: str, headers: dict[str, str]) -> int:
        """The status of the answer."""
        connection = self._connection or _Pinned(self._target, self._tls)
        self._connection = None
        too_late = threading.Event()

        def cut() -> None:
            too_late.set()
            connection.cut()

        limit = threading.Timer(WHOLE_SECONDS, cut)
        limit.daemon = True
        limit.start()
        try:
            connection.request("POST", self._target.path, body.encode(), headers)
            answer = connection.getresponse()
            is_whole = len(answer.read(_READ_AT_MOST)) < _READ_AT_MOST
            self._connection = connection if is_whole and not answer.will_close else None
        except (OSError, http.client.HTTPException) as error:
            if too_late.is_set():
                raise TimeoutError(f"no whole answer within {WHOLE_SECONDS:g} s") from error
            raise
        finally:
            limit.cancel()
            if self._connection is None:
                connection.close()
        return answer.status


def _why(error: Exception) -> str:
    """The reason in a few words, without anything that the receiver has sent."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate isn't good: {error.verify_message}"
        case ssl.SSLError():
            return "TLS failed"
        case TimeoutError():
            return str(error) if "whole" in str(error) else "no answer in time"
        case ConnectionRefusedError():
            return "the connection was refused"
        case ConnectionError() | http.client.RemoteDisconnected():
            return "the connection was lost"
        case OSError():
            return f"it can't be reached: {error.strerror or type(error).__name__}"
        case _:
            return f"its answer isn't HTTP: {type(error).__name__}"
