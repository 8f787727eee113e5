"""A mail server of the test's own, which keeps every envelope that it is given."""

import email
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default


@dataclass(frozen=True)
class Envelope:
    """A mail that was taken: its sender and recipients as the protocol has them, and its text."""

    sender: str
    recipients: list[str]
    message: EmailMessage


@dataclass
class MailServer:
    """A server that takes every mail, except to the recipients that it refuses."""

    port: int
    envelopes: list[Envelope] = field(default_factory=list)
    refusing: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    """Every recipient that was named, refused or not, in order."""

    def url(self, query: str, *, login: str = "robot") -> str:
        """The server as Apprise names it."""
        return f"mailto://{login}@127.0.0.1:{self.port}/?from=robot@shop.example&{query}"

    @property
    def recipients(self) -> list[list[str]]:
        """The recipients of each mail that was taken."""
        return [each.recipients for each in self.envelopes]

    def forget(self) -> None:
        """Forget the mails that have come."""
        self.envelopes.clear()
        self.asked.clear()


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """The server, on a port of its own."""

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            sender, recipients = "", list[str]()
            self.say("220 ready")
            while line := self.rfile.readline().decode("ascii").strip():
                verb = line.partition(" ")[0].upper()
                if verb == "MAIL":
                    sender, recipients = _path(line), []
                    self.say("250 fine")
                elif verb == "RCPT":
                    server.asked.append(_path(line))
                    refused = _path(line) in server.refusing
                    recipients += [] if refused else [_path(line)]
                    self.say("550 nobody of that name" if refused else "250 fine")
                elif verb == "DATA":
                    self.say("354 go on")
                    text = b"".join(iter(self.rfile.readline, b".\r\n"))
                    message = email.message_from_bytes(text, EmailMessage, policy=default)
                    server.envelopes.append(Envelope(sender, recipients, message))
                    self.say("250 taken")
                elif verb == "QUIT":
                    self.say("221 bye")
                    return
                else:
                    self.say("250 fine")

        def say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as listening:
        listening.daemon_threads = True
        server = MailServer(listening.server_address[1])
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        listening.shutdown()
        thread.join()


def _path(line: str) -> str:
    return line[line.index("<") + 1 : line.rindex(">")]
