"""Doors: TCP proxies between the parts, on which connections are cut, stalled and closed, and answers get lost.

A door is a loopback port that leads to one server. All doors of a stage are in one process of their own, so that what
they do to bytes costs the simulation's own process nothing; `Doors` is the other end of the pipe to it.

Of PostgreSQL a door knows one thing: what a commit looks like, asked for and answered. So a worker can be stopped at
the very commit, before the server has seen it or after it has carried it out.
"""

import asyncio
import contextlib
import multiprocessing
import re
import socket
import struct
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Literal, NamedTuple, Self, cast

import uvloop

from devstack.processes import LOOPBACK

Moment = Literal["before commit", "after commit", "lose commit"]
Verb = Literal["cut", "stall", "resume", "shut", "open", "lose", "met", "leave"] | Moment

# A query, or the parsing of a statement under a name of the driver's own, which binds it from then on.
_COMMIT_ASKED = re.compile(rb"Q....COMMIT\0|P....([^\0]*)\0COMMIT\0", re.DOTALL)
_AT_ONCE = struct.pack("ii", 1, 0)
_COMMIT_ANSWERED = b"C\0\0\0\x0bCOMMIT\0"


class DoorSpec(NamedTuple):
    """A door: its name, its port, and the port of the server that it leads to."""

    name: str
    port: int
    leads_to: int


class _Side(asyncio.Protocol):
    """One end of a connection through a door."""

    def __init__(self, link: "_Link", *, is_server: bool) -> None:
        self.link = link
        self.is_server = is_server
        self.transport: asyncio.Transport | None = None
        self.holds: set[str] = set()
        """Why nothing goes on from here at the moment."""
        self.kept: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.link.made(self)

    def data_received(self, data: bytes) -> None:
        if not self.holds:
            self.link.passes(self, data)
            return
        # It was read when the hold came; and libuv begins to read after `connection_made`, whatever was said there.
        self.kept.append(data)
        if self.transport:
            self.transport.pause_reading()

    def pause_writing(self) -> None:
        self.link.other(self).hold("the other end is full")

    def resume_writing(self) -> None:
        self.link.other(self).release("the other end is full")

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.transport = None
        self.link.lost(self)

    def hold(self, why: str) -> None:
        if self.transport and not self.holds:
            self.transport.pause_reading()
        self.holds.add(why)

    def release(self, why: str) -> None:
        was_held = bool(self.holds)
        self.holds.discard(why)
        if not was_held or self.holds:
            return
        kept, self.kept = self.kept, []
        for data in kept:
            self.data_received(data)
        if self.transport and not self.holds:
            self.transport.resume_reading()


class _Link:
    """One connection through a door: the caller's end and the server's."""

    def __init__(self, door: "_Door") -> None:
        self.door = door
        self.caller = _Side(self, is_server=False)
        self.server = _Side(self, is_server=True)
        self.loses_answers = False
        self._connecting: asyncio.Task[None] | None = None

    def other(self, side: _Side) -> _Side:
        return self.caller if side.is_server else self.server

    def made(self, side: _Side) -> None:
        if side.is_server:
            self.caller.release("not connected")
        elif self.door.is_shut:
            self.cut()
            return
        else:
            self.door.links.add(self)
            side.hold("not connected")
            self._connecting = asyncio.ensure_future(self._connect())
        if self.door.is_stalled:
            side.hold("stalled")

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self.server, LOOPBACK, self.door.leads_to)
        except OSError:
            self.cut()
        else:
            if self.caller.transport is None:
                self.cut()

    def passes(self, side: _Side, data: bytes) -> None:
        if side.is_server and self.loses_answers:
            return
        if self.door.meets(self, side, data):
            return
        other = self.other(side).transport
        if other is not None:
            other.write(data)

    def lost(self, side: _Side) -> None:
        other = self.other(side).transport
        if other is not None:
            other.close()
        elif self.server.transport is None:
            self.door.links.discard(self)

    def cut(self) -> None:
        for side in (self.caller, self.server):
            if side.transport is not None:
                # Neither end says good-bye: it is reset.
                side.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
                side.transport.abort()
        self.door.links.discard(self)


class _Door:
    """A port, and the connections through it."""

    def __init__(self, leads_to: int) -> None:
        self.leads_to = leads_to
        self.links: set[_Link] = set()
        self.is_stalled = False
        self.is_shut = False
        self.looks_for: Moment | None = None
        self._met: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._names: set[bytes] = set()

    async def do(self, verb: Verb) -> int:
        """Carry a verb out; how many connections it has met."""
        match verb:
            case "cut":
                return self._cut()
            case "stall" | "resume":
                self.is_stalled = verb == "stall"
                for side in [side for link in self.links for side in (link.caller, link.server)]:
                    (side.hold if self.is_stalled else side.release)("stalled")
                return len(self.links)
            case "shut" | "open":
                self.is_shut = verb == "shut"
                return self._cut() if self.is_shut else 0
            case "lose":
                for link in self.links:
                    link.loses_answers = True
                return len(self.links)
            case "leave":
                self._leave(0)
                return 0
            case "met":
                return await self._met
            case _:
                self._leave(0)
                self.looks_for, self._met = verb, asyncio.get_running_loop().create_future()
                return 0

    def _cut(self) -> int:
        links = list(self.links)
        for link in links:
            link.cut()
        return len(links)

    def _leave(self, met: int) -> None:
        self.looks_for = None
        if not self._met.done():
            self._met.set_result(met)

    def meets(self, link: _Link, side: _Side, data: bytes) -> bool:
        """Whether these bytes are the commit that is looked for, and go no further."""
        asks = not side.is_server and self._asks_for_a_commit(data)
        match self.looks_for:
            case None:
                return False
            case "before commit":
                found = asks
            case _:
                found = side.is_server and _COMMIT_ANSWERED in data
        if found:
            if self.looks_for == "lose commit":
                link.cut()
            else:
                # From here on this connection stands still: who called is about to be killed.
                link.loses_answers = True
                link.caller.hold("at a commit")
            self._leave(1)
        return found

    def _asks_for_a_commit(self, data: bytes) -> bool:
        if b"COMMIT\0" in data and (found := _COMMIT_ASKED.search(data)):
            if found[1]:
                self._names.add(b"\0" + found[1] + b"\0")
            return True
        return any(name in data for name in self._names)


def work(specs: Sequence[DoorSpec], pipe: Connection) -> None:
    """Keep doors, and do to them what the pipe says, until it is closed."""
    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(_keep(specs, pipe))


async def _keep(specs: Sequence[DoorSpec], pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    doors = {spec.name: _Door(spec.leads_to) for spec in specs}
    for spec in specs:
        await loop.create_server(lambda door=doors[spec.name]: _Link(door).caller, LOOPBACK, spec.port)  # type: ignore[misc]
    tasks: set[asyncio.Task[None]] = set()
    closed = asyncio.Event()

    async def carry_out(number: int, name: str, verb: Verb) -> None:
        met = await doors[name].do(verb)
        with contextlib.suppress(OSError):
            pipe.send((number, met))

    def take() -> None:
        try:
            order = pipe.recv()
        except (EOFError, OSError):
            loop.remove_reader(pipe.fileno())
            closed.set()
            return
        task = asyncio.ensure_future(carry_out(*order))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.add_reader(pipe.fileno(), take)
    pipe.send((0, len(doors)))
    await closed.wait()


class Doors:
    """Doors in a process of their own, from outside."""

    def __init__(self, forks: "multiprocessing.context.ForkServerContext", specs: Sequence[DoorSpec]) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = forks.Process(target=work, args=(list(specs), theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._numbers = 0
        self._waiting: dict[int, asyncio.Future[int]] = {}

    async def __aenter__(self) -> Self:
        self._waiting[0] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(self._pipe.fileno(), self._take)
        await self._waiting[0]
        return self

    async def __aexit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._pipe.fileno())
        self._pipe.close()
        await asyncio.to_thread(self._process.join)

    async def do(self, door: str, verb: Verb) -> int:
        """Do something to a door; how many of its connections were met.

        From ``before commit``, ``after commit`` or ``lose commit`` on, the next commit is looked for. Its connection
        then stands still, or for ``lose commit`` is cut. ``met`` returns when that is so: with 1, or with 0 if
        ``leave`` has ended it before.

        After ``lose``, answers of the connections that there are don't arrive, until they are cut.
        """
        self._numbers += 1
        self._waiting[self._numbers] = asyncio.get_running_loop().create_future()
        self._pipe.send((self._numbers, door, verb))
        return await self._waiting[self._numbers]

    def _take(self) -> None:
        try:
            number, met = self._pipe.recv()
        except (EOFError, OSError):
            asyncio.get_running_loop().remove_reader(self._pipe.fileno())
            for each in self._waiting.values():
                each.set_exception(RuntimeError("the doors' process has ended"))
            return
        waiting = self._waiting.pop(number)
        if not waiting.done():
            waiting.set_result(met)
