"""A server that speaks enough HTTP/2 to refuse Temporal's clients, as one does that checks who calls."""

import contextlib
import gzip
import socket
import threading
from collections.abc import Callable, Iterator

_PREFACE = 24
_HEAD = 9
_DATA, _HEADERS, _SETTINGS, _PING, _WINDOW_UPDATE = 0, 1, 4, 6, 8
_ACKNOWLEDGED = END_OF_STREAM = 1
_END_OF_HEADERS = 4

Answer = Callable[[bytes], tuple[int, str]]
"""A request's message to gRPC's status and its text; 0 with an empty answer lets the call through."""


def refuses_all(message: bytes) -> tuple[int, str]:
    """Nobody is let in."""
    del message
    return 16, "invalid API key"


def refuses_all_but_the_greeting(message: bytes) -> tuple[int, str]:
    """As Temporal's own authorizer: `GetSystemInfo`, the one call without an argument, is for everybody."""
    return (7, "Request unauthorized.") if message else (0, "")


def refuses_after_the_first_question() -> Answer:
    """A key that is taken back, or that may do very little."""
    questions = iter([True])

    def answer(message: bytes) -> tuple[int, str]:
        return (7, "Request unauthorized.") if message and not next(questions, False) else (0, "")

    return answer


@contextlib.contextmanager
def refusing_temporal(answer: Answer) -> Iterator[str]:
    """Such a server on a port of its own; its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_accept, args=(server, answer), daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


def _accept(server: socket.socket, answer: Answer) -> None:
    with contextlib.suppress(OSError):
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_serve, args=(connection, answer), daemon=True).start()


def _serve(connection: socket.socket, answer: Answer) -> None:
    bodies: dict[int, bytes] = {}
    with connection, contextlib.suppress(OSError, EOFError):
        _read(connection, _PREFACE)
        connection.sendall(_frame(_SETTINGS, 0, 0))
        while True:
            head = _read(connection, _HEAD)
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:])
            payload = _read(connection, int.from_bytes(head[:3]))
            if kind == _SETTINGS and not flags & _ACKNOWLEDGED:
                connection.sendall(_frame(_SETTINGS, _ACKNOWLEDGED, 0))
            elif kind == _PING and not flags & _ACKNOWLEDGED:
                connection.sendall(_frame(_PING, _ACKNOWLEDGED, 0, payload))
            elif kind == _DATA:
                bodies[stream] = bodies.get(stream, b"") + payload
                if flags & END_OF_STREAM:
                    connection.sendall(_answered(stream, *answer(_message(bodies.pop(stream)))))


def _read(connection: socket.socket, length: int) -> bytes:
    read = b""
    while len(read) < length:
        if not (more := connection.recv(length - len(read))):
            raise EOFError
        read += more
    return read


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def _message(body: bytes) -> bytes:
    """GRPC's five bytes say whether the message is compressed, and how long it is."""
    return gzip.decompress(body[5:]) if body[0] else body[5:]


def _answered(stream: int, status: int, text: str) -> bytes:
    head = _header(":status", "200") + _header("content-type", "application/grpc")
    end = _header("grpc-status", str(status)) + _header("grpc-message", text)
    if status:
        return _frame(_HEADERS, _END_OF_HEADERS | END_OF_STREAM, stream, head + end)
    empty = _frame(_DATA, 0, stream, bytes(5))
    trailers = _frame(_HEADERS, _END_OF_HEADERS | END_OF_STREAM, stream, end)
    return _frame(_HEADERS, _END_OF_HEADERS, stream, head) + empty + trailers


def _header(name: str, value: str) -> bytes:
    """One header, in words and not from a table."""
    return bytes([0, len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
