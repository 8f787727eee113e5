"""Faults from a seed: which, on what, for how long; and how long the clients then wait for what was in flight.

Three streams go on side by side, each one fault after another: workers, connections, servers. So a worker dies while
PostgreSQL is away, and connections stall while Temporal comes back. A seed decides the order and the durations in each
stream; what a fault meets is decided by the machine.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from tests.faults.simulation.delivery import Delivery
from tests.faults.simulation.proxy import Moment
from tests.faults.simulation.stage import CLIENTS, Stage, to_temporal

Fault = Callable[[Stage, random.Random], Awaitable[str]]
"""Happens, and is over; what it was."""

WORKER = "worker killed"
AT_COMMIT: Mapping[Moment, str] = {
    "before commit": "worker killed before its commit",
    "after commit": "worker killed after its commit",
}
POSTGRES, BACKEND, TEMPORAL = "PostgreSQL killed", "PostgreSQL process killed", "Temporal killed"
ONE_OF_SEVERAL = "one of several PostgreSQL killed, until the others have sold"
MOVER = "mover killed"
KILLS = (WORKER, *AT_COMMIT.values(), POSTGRES, BACKEND, TEMPORAL, ONE_OF_SEVERAL, MOVER)
"""Faults by SIGKILL."""
_COMMIT_WITHIN = 1.0
_SOLD_MEANWHILE = 1
"""Commands for warehouses of the other databases that are answered, at least, before one is started again."""
_SELL_WITHIN_SECONDS = 240.0
"""How long that may take: a worker of theirs may have died as well, on a machine that has other things to do."""


def _worker(stage: Stage, chance: random.Random) -> int:
    return chance.randrange(len(stage.benches))


async def _kill_worker(stage: Stage, chance: random.Random) -> str:
    await stage.kill_worker(_worker(stage, chance), pause=chance.uniform(0, 0.8))
    return WORKER


def _kill_at(moment: Moment) -> Fault:
    async def kill(stage: Stage, chance: random.Random) -> str:
        number, pause = _worker(stage, chance), chance.uniform(0, 0.8)
        if await stage.kill_worker_at(moment, number, pause, _COMMIT_WITHIN):
            return AT_COMMIT[moment]
        # It had nothing to do.
        await stage.kill_worker(number, pause)
        return WORKER

    return kill


async def _put_a_clock_off(stage: Stage, chance: random.Random) -> str:
    hours = chance.choice([-1.0, 1.0])
    await stage.restart_worker(_worker(stage, chance), hours)
    return "worker stopped, and one with a clock an hour off started"


async def _cut(stage: Stage, chance: random.Random) -> str:
    await stage.doors.do(chance.choice(stage.door_names), "cut")
    return "connections cut"


async def _stall(stage: Stage, chance: random.Random) -> str:
    door = chance.choice(stage.door_names)
    # Mostly shorter than anybody's patience, sometimes longer than an attempt of a step may take.
    seconds = chance.uniform(0.2, 2) if chance.random() < 0.9 else chance.uniform(6, 12)
    await stage.doors.do(door, "stall")
    try:
        await asyncio.sleep(seconds)
    finally:
        await stage.doors.do(door, "resume")
    return "connections stalled"


async def _refuse(stage: Stage, chance: random.Random) -> str:
    door = chance.choice(stage.door_names)
    await stage.doors.do(door, "shut")
    try:
        await asyncio.sleep(chance.uniform(0.2, 1.5))
    finally:
        await stage.doors.do(door, "open")
    return "connections cut, and refused for a while"


async def _lose_clients_answers(stage: Stage, chance: random.Random) -> str:
    await _lose(stage, CLIENTS, chance)
    return "answers to clients lost"


async def _lose_workers_answers(stage: Stage, chance: random.Random) -> str:
    await _lose(stage, to_temporal(_worker(stage, chance)), chance)
    return "Temporal's answers to a worker lost"


async def _lose(stage: Stage, door: str, chance: random.Random) -> None:
    await stage.doors.do(door, "lose")
    try:
        await asyncio.sleep(chance.uniform(0.05, 0.4))
    finally:
        await stage.doors.do(door, "cut")


async def _lose_commit(stage: Stage, chance: random.Random) -> str:
    if await stage.lose_commit(_worker(stage, chance), _COMMIT_WITHIN):
        return "answer to a commit lost"
    return ""


async def _kill_postgres(stage: Stage, chance: random.Random) -> str:
    database, pause = chance.choice(stage.databases), chance.uniform(0, 1.5)
    await stage.kill_postgres(database, lambda: asyncio.sleep(pause))
    return POSTGRES


async def _kill_backend(stage: Stage, chance: random.Random) -> str:
    await stage.kill_a_backend(chance.choice(stage.databases), chance)
    return BACKEND


async def _kill_mover(stage: Stage, chance: random.Random) -> str:
    assert stage.mover is not None
    await stage.kill_mover(stage.mover, pause=chance.uniform(0, 2))
    return MOVER


def _kill_one_of_several(delivery: Delivery) -> Fault:
    """Kill one database, and don't start it again before commands for warehouses of others have been answered."""

    async def kill(stage: Stage, chance: random.Random) -> str:
        database = chance.choice(stage.databases)
        # Mostly for a moment; seldom longer than an order over both waits for it.
        pause = chance.uniform(0, 1.5) if chance.random() < 0.95 else 22.0
        others = [each.queue for each in stage.databases if each is not database]

        async def sells() -> None:
            sent = delivery.begun
            await asyncio.sleep(pause)
            async with asyncio.timeout(_SELL_WITHIN_SECONDS):
                delivery.while_one_was_away += await delivery.answered_since(sent, others, _SOLD_MEANWHILE)

        await stage.kill_postgres(database, sells)
        return ONE_OF_SEVERAL

    return kill


async def _kill_temporal(stage: Stage, chance: random.Random) -> str:
    await stage.kill_temporal(pause=chance.uniform(0, 1.5))
    return TEMPORAL


@dataclass(frozen=True)
class Stream:
    """Faults one after another.

    Attributes:
        name: Its name.
        gap: Seconds between two faults, on average.
        kinds: How often each of them comes.
    """

    name: str
    gap: float
    kinds: Mapping[Fault, int]


ON_REQUEST: Mapping[str, Fault] = {
    "answer": _lose_commit,
    "clock": _put_a_clock_off,
    "crash": _kill_postgres,
}
"""Faults of which a simulation may have more than the streams bring."""
_MORE_EVERY_SECONDS = 3.0
_MOVER_EVERY_SECONDS = 15.0

STREAMS = (
    Stream(
        "workers",
        1.5,
        {_kill_worker: 4, _kill_at("before commit"): 3, _kill_at("after commit"): 4, _put_a_clock_off: 1},
    ),
    Stream(
        "connections",
        0.5,
        {
            _cut: 5,
            _stall: 2,
            _refuse: 2,
            _lose_clients_answers: 4,
            _lose_workers_answers: 2,
            _lose_commit: 4,
        },
    ),
    Stream("servers", 8.0, {_kill_postgres: 3, _kill_backend: 2, _kill_temporal: 2}),
)


class Happened(NamedTuple):
    """A fault that has happened.

    Attributes:
        kind: What it was.
        seconds: From its beginning until it was over: until the process worked again, or the connections passed.
        recovery_seconds: From then until everything that was in flight then had been answered.
    """

    kind: str
    seconds: float
    recovery_seconds: float


@dataclass
class Faults:
    """Lets faults happen, except at quiet points.

    Attributes:
        happened: All that have happened.
        broken: What didn't come back.
    """

    stage: Stage
    delivery: Delivery
    seed: int
    often: float = 1.0
    """How many times as often as the streams have it."""
    often_by_stream: Mapping[str, float] = field(default_factory=dict)
    """The same for a stream by its name, beside that."""
    more: str = ""
    """One of `ON_REQUEST`, beside the streams; empty: none."""
    happened: list[Happened] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    _may: asyncio.Event = field(default_factory=asyncio.Event)
    _going_on: Counter[str] = field(default_factory=Counter)
    _none: asyncio.Condition = field(default_factory=asyncio.Condition)
    _recoveries: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def by_kind(self) -> Counter[str]:
        """How many of each kind have happened."""
        return Counter(each.kind for each in self.happened)

    @property
    def kills(self) -> int:
        """How many processes, or servers with all of theirs, have been killed."""
        return sum(self.by_kind[kind] for kind in KILLS)

    @asynccontextmanager
    async def happening(self) -> AsyncIterator[None]:
        """Let all streams flow meanwhile."""
        self._may.set()
        times = {each.name: self.often * self.often_by_stream.get(each.name, 1.0) for each in STREAMS}
        wanted = [replace(each, gap=each.gap / times[each.name]) for each in STREAMS]
        if self.stage.mover is not None:
            # Servers die one after another: that one is away is what the others are looked at for.
            servers = {_kill_one_of_several(self.delivery): 4, _kill_backend: 1, _kill_temporal: 1}
            wanted = [replace(each, kinds=servers) if each.name == "servers" else each for each in wanted]
            wanted.append(Stream("movers", _MOVER_EVERY_SECONDS / self.often, {_kill_mover: 1}))
        wanted += [Stream(self.more, _MORE_EVERY_SECONDS, {ON_REQUEST[self.more]: 1})] if self.more else []
        streams = [asyncio.create_task(self._flow(stream)) for stream in wanted]
        try:
            yield
        finally:
            await self.rest()
            for stream in streams:
                stream.cancel()
            await asyncio.gather(*streams, *self._recoveries, return_exceptions=True)

    async def rest(self) -> None:
        """Begin no more faults; return when those that go on are over."""
        self._may.clear()
        async with self._none:
            await self._none.wait_for(lambda: not self._going_on.total())

    def go_on(self) -> None:
        """Begin faults again."""
        self._may.set()

    async def _flow(self, stream: Stream) -> None:
        number = 0
        while True:
            chance = random.Random(f"{self.seed}/faults/{stream.name}/{number}")
            await asyncio.sleep(chance.uniform(0.2, 1.8) * stream.gap)
            await self._may.wait()
            self._going_on[stream.name] += 1
            try:
                [fault] = chance.choices(list(stream.kinds), list(stream.kinds.values()))
                await self._happens(fault, chance)
            except Exception as error:  # noqa: BLE001 - whatever it is, the stage is broken
                self.broken.append(f"fault {number} on {stream.name}: {error!r}")
            finally:
                async with self._none:
                    self._going_on[stream.name] -= 1
                    self._none.notify_all()
            number += 1

    async def _happens(self, fault: Fault, chance: random.Random) -> None:
        began = time.monotonic()
        kind = await fault(self.stage, chance)
        if kind:
            recovery = asyncio.create_task(self._recovers(kind, time.monotonic() - began))
            self._recoveries.add(recovery)
            recovery.add_done_callback(self._recoveries.discard)

    async def _recovers(self, kind: str, seconds: float) -> None:
        over = time.monotonic()
        for answered in list(self.delivery.in_flight):
            await answered.wait()
        self.happened.append(Happened(kind, seconds, time.monotonic() - over))
