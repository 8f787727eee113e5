"""Certificates of an authority that nobody knows, and a door with TLS before a server that has none."""

import asyncio
import contextlib
import ssl
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hpack import Decoder

LOOPBACK = "127.0.0.1"
_PREFACE = 24
_HEAD = 9
_HEADERS, _CONTINUATION = 1, 9
_PADDED, _WITH_PRIORITY = 8, 32
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
"""What a client of PostgreSQL asks first: whether it may go on by TLS."""


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, as PEM."""

    certificate: bytes
    key: bytes

    def write(self, certificate: Path, key: Path) -> None:
        """Put them into files, the key last, as programs do that renew them."""
        certificate.write_bytes(self.certificate)
        key.write_bytes(self.key)
        key.chmod(0o600)


class Authority:
    """Makes certificates."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = _builder(self._name, self._name, self._key.public_key())
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.pem = made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str, *, ended: bool = False) -> Certificate:
        """A certificate for a server or a client of this name; one whose time is over, if wanted."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = _builder(subject, self._name, key.public_key(), ended=ended)
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        return Certificate(
            made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, ended: bool = False
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now - timedelta(days=1) if ended else now + timedelta(days=1))
    )


def server_context(certificate: Certificate, directory: Path, clients_of: Authority | None = None) -> ssl.SSLContext:
    """How a server speaks TLS that has this certificate, and asks clients for one of this authority."""
    certificate.write(directory / "server.pem", directory / "server.key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem", directory / "server.key")
    context.set_alpn_protocols(["h2"])
    if clients_of is not None:
        context.load_verify_locations(cadata=clients_of.pem.decode())
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@dataclass
class Door:
    """A port with TLS that leads to a server without.

    Attributes:
        leads_to: The server's host and port, or the path of its socket.
        speaks: What goes through it: of PostgreSQL the request for TLS comes first, of Temporal the headers are read.
        context: How it speaks TLS from the next connection on.
        port: Where it listens.
        authorizations: The values of the header ``authorization`` that came through.
        accepted: Connections that have got through the handshake.
    """

    leads_to: tuple[str, int] | str
    speaks: Literal["temporal", "postgresql"]
    context: ssl.SSLContext
    port: int = 0
    authorizations: set[str] = field(default_factory=set)
    accepted: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @contextlib.contextmanager
    def opened(self) -> Iterator["Door"]:
        """Listen, in a thread of its own."""
        listens = threading.Event()
        thread = threading.Thread(target=asyncio.run, args=(self._listen(listens),), daemon=True)
        thread.start()
        assert listens.wait(10)
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._ends.set)
            thread.join(10)

    async def _listen(self, listens: threading.Event) -> None:
        self._loop, self._ends = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._came, LOOPBACK, 0)
        self.port = server.sockets[0].getsockname()[1]
        listens.set()
        await self._ends.wait()
        server.close()
        await self._cut()

    def cut(self) -> None:
        """Cut every connection, and return when they are."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(10)

    async def _cut(self) -> None:
        for each in self._open:
            each.transport.abort()
        await asyncio.sleep(0.01)
        self._open.clear()

    async def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        with contextlib.suppress(OSError, EOFError, ssl.SSLError):
            if self.speaks == "postgresql":
                if await reader.readexactly(8) != _SSL_REQUEST:
                    raise EOFError
                writer.write(b"S")
                await writer.drain()
            await writer.start_tls(self.context)
            self.accepted += 1
            if isinstance(self.leads_to, str):
                back, forth = await asyncio.open_unix_connection(self.leads_to)
            else:
                back, forth = await asyncio.open_connection(*self.leads_to)
            self._open.add(forth)
            calls = _Calls(self.authorizations) if self.speaks == "temporal" else None
            await asyncio.gather(_pass(reader, forth, calls), _pass(back, writer, None))
        writer.transport.abort()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, calls: "_Calls | None") -> None:
    with contextlib.suppress(OSError, ssl.SSLError):
        while data := await reader.read(65_536):
            if calls is not None:
                calls.read(data)
            writer.write(data)
            await writer.drain()
    writer.transport.abort()


class _Calls:
    """Reads the headers of calls off one direction of an HTTP/2 connection."""

    def __init__(self, authorizations: set[str]) -> None:
        self._authorizations = authorizations
        self._decoder = Decoder()
        self._left = b""
        self._began = False

    def read(self, data: bytes) -> None:
        self._left += data
        if not self._began and len(self._left) >= _PREFACE:
            self._left, self._began = self._left[_PREFACE:], True
        while self._began and len(self._left) >= _HEAD:
            length, kind, flags = int.from_bytes(self._left[:3]), self._left[3], self._left[4]
            if len(self._left) < _HEAD + length:
                return
            frame, self._left = self._left[_HEAD : _HEAD + length], self._left[_HEAD + length :]
            if kind == _CONTINUATION:
                raise AssertionError("headers in two frames aren't expected")
            if kind == _HEADERS:
                frame = frame[1 : len(frame) - frame[0]] if flags & _PADDED else frame
                frame = frame[5:] if flags & _WITH_PRIORITY else frame
                found = dict(self._decoder.decode(frame, raw=True))
                if b"authorization" in found:
                    self._authorizations.add(found[b"authorization"].decode())
