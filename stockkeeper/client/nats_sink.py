"""Events in NATS JetStream: the sink of `stockkeeper events bridge nats://...` (ADR 0095). It needs the extra `nats`.

Each event is a message of one stream, with its subject ``{prefix}.{database}.{kind}``, such as
``stockkeeper.stockkeeper.level.changed``: a CloudEvent as JSON. Its ``Nats-Msg-Id`` is its database and id, by which
the server drops what comes twice within the stream's window for duplicates. One is published after the other, so that
the stream has them in their order. The number of the last one is kept in a bucket of the same server.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Self, TypeVar

import nats
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.errors import APIError, KeyNotFoundError, NotFoundError
from nats.js.kv import KeyValue

from stockkeeper.contracts.errors import StockkeeperError, Unreachable
from stockkeeper.contracts.event import PREFIX, Event

STREAM = "STOCKKEEPER"
SUBJECTS = "stockkeeper"
BUCKET = "stockkeeper-bridge"
CONTENT_TYPE = "application/cloudevents+json"
CONNECT_WITHIN_SECONDS = 3.0
ANSWER_WITHIN_SECONDS = 5.0
_WAIT_AT_MOST_SECONDS = 30.0
_PASSING = (NatsError, asyncio.TimeoutError, OSError)
_MAY_PASS = 500
"""Errors of the server with this code or a higher one are its own; the others are about what is asked."""

_log = logging.getLogger("stockkeeper.bridge")

R = TypeVar("R")


class NatsSink:
    """A stream of a NATS server; made by `open`.

    Args:
        stream: JetStream of a connection.
        cursors: Where the number of the last event is kept.
        name: The name of the stream.
        subjects: The beginning of its subjects.
    """

    def __init__(self, stream: JetStreamContext, cursors: KeyValue, name: str, subjects: str) -> None:
        self._stream = stream
        self._cursors = cursors
        self._name = name
        self._subjects = subjects

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, *, stream: str = STREAM, subjects: str = SUBJECTS) -> AsyncIterator[Self]:
        """Connect, and make the stream and the bucket if they aren't there; those that are stay as they are.

        Args:
            url: ``nats://host:4222`` or ``tls://...``, with user and password if the server wants them.
            stream: The name of the stream.
            subjects: The beginning of its subjects.

        Raises:
            Unreachable: No server answers there, or it refuses this user. The URL isn't in the message.
            StockkeeperError: It has no JetStream, or the stream has other subjects.
        """
        connection = await _connected(url)
        try:
            context = connection.jetstream(timeout=ANSWER_WITHIN_SECONDS)
            try:
                await _ensure_stream(context, stream, subjects)
                cursors = await context.create_key_value(bucket=BUCKET, history=1)
            except _PASSING as error:
                raise StockkeeperError(f"the NATS server takes no events: {_words(error)}") from error
            yield cls(context, cursors, stream, subjects)
        finally:
            await connection.close()

    async def cursor(self, database: str) -> int | None:
        """The number of the last event of a database that is in the stream, or was."""

        async def read() -> int | None:
            try:
                entry = await self._cursors.get(_token(database))
            except KeyNotFoundError:
                return None
            return int(entry.value or b"0")

        return await _patiently(read)

    async def put(self, events: Sequence[Event]) -> None:
        """Publish events one after the other, and keep the number of the last one."""
        last: dict[str, int] = {}
        for event in events:
            await _patiently(lambda event=event: self._publish(event))  # type: ignore[misc]
            last[event.database] = event.number
        for database, number in last.items():
            key, value = _token(database), str(number).encode()
            await _patiently(lambda key=key, value=value: self._cursors.put(key, value))  # type: ignore[misc]

    async def _publish(self, event: Event) -> None:
        await self._stream.publish(
            self.subject_of(event),
            event.as_json().encode(),
            stream=self._name,
            headers={"Nats-Msg-Id": message_id_of(event), "Content-Type": CONTENT_TYPE},
        )

    def subject_of(self, event: Event) -> str:
        """The subject of an event's message."""
        kind = event.type.removeprefix(PREFIX)
        return f"{self._subjects}.{_token(event.database)}.{kind}"


def message_id_of(event: Event) -> str:
    """What tells the server that a message is the same: CloudEvents are told apart by source and id."""
    return f"{event.database}/{event.id}"


def _token(name: str) -> str:
    """A name as one part of a subject, and as a key: other characters than these are written as their codes."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda found: f"={ord(found[0]):x}=", name)


async def _connected(url: str) -> Client:
    heard: list[Exception] = []

    async def hear(error: Exception) -> None:
        heard.append(error)
        _log.warning("NATS: %s", _words(error))

    try:
        # Once it is there it connects again by itself, for as long as the bridge works; and so it would at first.
        async with asyncio.timeout(CONNECT_WITHIN_SECONDS):
            return await nats.connect(url, name="stockkeeper-bridge", max_reconnect_attempts=-1, error_cb=hear)
    except (*_PASSING, ValueError) as error:
        raise Unreachable(f"no NATS server answers there: {_words(heard[-1] if heard else error)}") from None


async def _ensure_stream(context: JetStreamContext, name: str, subjects: str) -> None:
    wanted = f"{subjects}.>"
    try:
        found = await context.stream_info(name)
    except NotFoundError:
        await context.add_stream(name=name, subjects=[wanted])
        return
    if wanted not in (found.config.subjects or []):
        raise StockkeeperError(f"stream {name} doesn't take {wanted}: name another stream, or let it take that")


async def _patiently(call: Callable[[], Awaitable[R]]) -> R:
    """Call again and again, as long as the server is away or in trouble.

    Raises:
        StockkeeperError: The server refuses it.
    """
    wait = 0.1
    while True:
        try:
            return await call()
        except _PASSING as error:
            if isinstance(error, APIError) and (error.code or _MAY_PASS) < _MAY_PASS:
                raise StockkeeperError(f"the NATS server refuses events: {_words(error)}") from error
            _log.warning("the NATS server doesn't take events now: %s; trying again", _words(error))
        await asyncio.sleep(wait)
        wait = min(2 * wait, _WAIT_AT_MOST_SECONDS)


def _words(error: BaseException) -> str:
    """What an error says, without what stands in the URL."""
    return str(getattr(error, "description", None) or "") or type(error).__name__
