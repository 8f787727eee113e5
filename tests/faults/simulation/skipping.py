"""The simulation with time skipped over deadlines: hours and days pass in moments.

The same lanes and the same model, at another pace (`pace.py`), with Temporal's time-skipping test server in place of
the real one. That has one clock for all runs, which goes on to the next timer whenever no run has anything to do, as
long as a client lets time pass. It can't list runs and has no schedules, keeps everything in memory, and doesn't
deliver a task again that a killed worker had kept for itself, nor an update that it hadn't answered. A worker that
keeps no run in its memory, and so none for itself, loses local activities there. So here the workers live; the
database's connections are cut at any time, and all else is left to the part on the real server.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import random
import shutil
import sys
import sysconfig
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.testservice.v1 import SleepRequest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from database.migrate import upgrade
from database.sessions import connect
from devstack.postgres import EmbeddedPostgres
from devstack.stack import DEFAULT_TASK_QUEUE
from stockkeeper.contracts import search_attributes
from tests.faults.simulation.checks import runs
from tests.faults.simulation.delivery import Delivery
from tests.faults.simulation.driver import Driver, Violation
from tests.faults.simulation.lanes.lane import Catalogue, Lane
from tests.faults.simulation.pace import SKIPPED_TIME
from tests.faults.simulation.report import write
from tests.faults.simulation.run import IN_SKIPPED_TIME, compare, new_run
from tests.faults.workplace import worker_process, workers_environment
from tests.support.lots import LotShop
from tests.support.outages import Outages

_BEGIN = "<!-- Skipped time, by `python -m tests.faults.simulation.skipping --write`: begin -->\n"
_END = "<!-- Skipped time: end -->\n"
MOST_DAYS = 350
"""Far deadlines are a year away, and mustn't come; some days are skipped between two looks."""
_HOURS = SKIPPED_TIME.far / 3_600
_SETTINGS = {
    # The deadlines of adjustments are the same for all.
    "STOCKKEEPER_ADJUSTMENT": json.dumps({"remind_after_hours": _HOURS, "cancel_after_hours": _HOURS}),
}
_SLEEP_AT_MOST = timedelta(hours=1)
"""On the clock on the wall: far longer than any simulation."""
_CLIENTS = 4
_WORKERS = 2
_TASK_TIMEOUT = timedelta(minutes=1)
"""As long as that server allows. When a workflow task times out, the server keeps the signals that came during it until
the next task has ended, and gives that task the updates that came after them: a run would carry them out first."""
_REST_EVERY_SECONDS = 3.0
"""Clients that wait for a deadline do nothing until the next rest, so rests are often."""
_REST_SECONDS = 2 * 86_400.0
"""How much time a rest skips."""
_RESTS_TO_A_QUIET_POINT = 5
_BETWEEN_CUTS_SECONDS = (2.0, 8.0)
_CUTS = 0.7
"""Of all that happens to the database; the rest of the time it is away."""


class Clock:
    """The one clock of a server that skips time. Whoever waits for an instant lets time pass until it has come.

    Attributes:
        begun_at: The instant at which the server began.
        now: The instant that was reached.
    """

    def __init__(self, environment: WorkflowEnvironment, begun_at: datetime) -> None:
        self._environment = environment
        self.begun_at = self.now = begun_at
        self._waiting: list[tuple[datetime, asyncio.Future[None]]] = []
        self._wanted = asyncio.Event()

    @property
    def days(self) -> float:
        """Days that have passed."""
        return (self.now - self.begun_at) / timedelta(days=1)

    async def wait(self, seconds: float) -> None:
        """Return when so many seconds have passed."""
        until = await self._environment.get_current_time() + timedelta(seconds=seconds)
        come: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((until, come))
        self._wanted.set()
        await come

    async def run(self) -> None:
        """Let time pass for all who wait; until it is cancelled. The server takes one such call at a time."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._until_all_have_come()
            except Exception as failure:
                for _, waiting in self._waiting:
                    if not waiting.cancelled():
                        waiting.set_exception(failure)
                raise

    async def _until_all_have_come(self) -> None:
        while self._waiting:
            first = min(until for until, _ in self._waiting)
            await self._sleep(max(first - self.now, timedelta(0)))
            self.now = await self._environment.get_current_time()
            come = [each for each in self._waiting if each[0] <= self.now]
            self._waiting = [each for each in self._waiting if each[0] > self.now]
            for _, waiting in come:
                if not waiting.cancelled():
                    waiting.set_result(None)

    async def _sleep(self, duration: timedelta) -> None:
        """Let so much time pass. It passes when no run has anything to do: on a busy machine perhaps not for minutes.

        The environment's own `sleep` gives up after half a minute.
        """
        request = SleepRequest()
        request.duration.FromTimedelta(duration)
        service = self._environment.client.test_service
        await service.unlock_time_skipping_with_sleep(request, timeout=_SLEEP_AT_MOST)


@dataclass
class Report:
    """What came of it.

    Attributes:
        seed: The seed.
        commands: Commands that were carried out.
        days: Days that were skipped.
        quiet_points: Comparisons of everything.
        faults: Faults by kind.
        violations: Things that weren't as they have to be.
        digest: A fingerprint of the commands.
    """

    seed: int
    commands: int = 0
    days: float = 0.0
    quiet_points: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[Violation] = field(default_factory=list)
    digest: str = ""


@dataclass
class _Place:
    """Everything that runs."""

    engine: Engine
    clients: list[Client]
    clock: Clock
    outages: Outages


@asynccontextmanager
async def _running(directory: Path) -> AsyncIterator[_Place]:
    program = shutil.which("temporal-test-server", path=sysconfig.get_path("scripts"))
    if program is None:
        raise SystemExit("temporal-test-server isn't installed: pip install -e '.[dev]'")
    postgres = EmbeddedPostgres(directory / "postgres", fast=True)
    await asyncio.to_thread(postgres.start)
    try:
        engine = connect(postgres.url, application_name="simulation")
        await asyncio.to_thread(upgrade, engine)
        async with await WorkflowEnvironment.start_time_skipping(test_server_existing_path=program) as environment:
            client = environment.client
            attributes = AddSearchAttributesRequest(
                namespace=client.namespace, search_attributes=search_attributes.TYPES
            )
            await client.operator_service.add_search_attributes(attributes)
            address = client.service_client.config.target_host
            # The environment's own client lets time pass whenever it waits for a result.
            clients = [await Client.connect(address) for _ in range(_CLIENTS)]
            clock = Clock(environment, await environment.get_current_time())
            of_workers = workers_environment(postgres.url, address, client.namespace, DEFAULT_TASK_QUEUE)
            workers = [
                worker_process(of_workers | _SETTINGS, directory / f"worker-{number}.log") for number in range(_WORKERS)
            ]
            ticking = asyncio.create_task(clock.run())
            try:
                yield _Place(engine, clients, clock, Outages(postgres.url))
            finally:
                ticking.cancel()
                for worker in workers:
                    worker.kill()
                    await worker.wait()
                engine.dispose()
    finally:
        await asyncio.to_thread(postgres.stop)


async def simulate(
    seed: int,
    directory: Path,
    *,
    seconds: float,
    each: int = 2,
    kinds: Sequence[type[Lane]] = IN_SKIPPED_TIME,
    commands_each: int | None = None,
) -> Report:
    """Drive all lanes for so long, or until a year is nearly over; or each for so many commands.

    Args:
        seed: Decides the commands and the faults.
        directory: Takes data and logs.
        seconds: How long, on the clock on the wall.
        each: Lanes of each kind: as many of one as of another, because all have deadlines.
        kinds: The kinds.
        commands_each: Commands of each lane; None: as many as it can.
    """
    report = Report(seed)
    async with _running(directory) as place:
        run = new_run(seed, SKIPPED_TIME)
        lanes = [lane for kind in kinds for lane in kind.team(run, each)]
        await asyncio.to_thread(_set_up, lanes, LotShop(place.engine))
        delivery = Delivery(place.clients, DEFAULT_TASK_QUEUE, task_timeout=_TASK_TIMEOUT)
        driver = Driver(lanes, delivery, commands_each=commands_each, wait=place.clock.wait)
        driving = asyncio.create_task(driver.run())
        over = asyncio.create_task(asyncio.sleep(seconds))
        cutting = asyncio.create_task(_cut(place.outages, random.Random(f"{seed}/database"), report))
        try:
            for number in itertools.count(1):
                await asyncio.wait({driving, over}, timeout=_REST_EVERY_SECONDS, return_when="FIRST_COMPLETED")
                if driving.done() or over.done() or driver.violations or place.clock.days > MOST_DAYS:
                    break
                await _rest(place, driver, report, compared=number % _RESTS_TO_A_QUIET_POINT == 0)
            driver.stop()
            await driving
            await _rest(place, driver, report, compared=True)
        finally:
            for task in (driving, over, cutting):
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(driving, over, cutting)
        report.commands, report.days, report.digest = driver.commands, place.clock.days, driver.digest()
        report.violations = driver.violations
    return report


def _set_up(lanes: Sequence[Lane], catalogue: Catalogue) -> None:
    for lane in lanes:
        lane.set_up(catalogue)


async def _rest(place: _Place, driver: Driver, report: Report, *, compared: bool) -> None:
    """Let two days pass while all clients rest; perhaps compare everything then.

    While commands are under way no time passes, and so the clients that wait for a deadline wait for a rest.
    """
    async with driver.quiet():
        await place.clock.wait(_REST_SECONDS)
        if compared and not driver.violations:
            await compare(driver, place.engine, place.clients[0], runs.described)
            report.quiet_points += 1


async def _cut(outages: Outages, chance: random.Random, report: Report) -> None:
    """Cut the database's connections from time to time, or let it be away for a moment."""
    while True:
        await asyncio.sleep(chance.uniform(*_BETWEEN_CUTS_SECONDS))
        if chance.random() < _CUTS:
            await asyncio.to_thread(outages.cut_connections)
            report.faults["connections to the database cut"] += 1
            continue
        seconds = chance.uniform(0.5, 2.0)
        report.faults["database away"] += 1
        with outages.database_away():
            await asyncio.sleep(seconds)


def _lines(report: Report) -> Iterator[str]:
    faults = ", ".join(f"{count} x {kind}" for kind, count in sorted(report.faults.items()))
    yield f"- **Seed** {report.seed}, {report.quiet_points} quiet points."
    yield f"- **{report.commands:,} commands over {report.days:.0f} simulated days.**"
    yield f"- Faults: {faults}."
    yield f"- The own lanes' commands: `{report.digest}`; the same for every run of this seed."
    yield ""
    yield f"**{len(report.violations)} violations.**"
    yield from (f"- {violation.text}" for violation in report.violations)


def main(words: Sequence[str]) -> int:
    """``python -m tests.faults.simulation.skipping [SEED] [MINUTES]``; exit status 1 if there is a violation."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.simulation.skipping", description=__doc__)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    parser.add_argument("minutes", type=float, nargs="?", default=2.0)
    parser.add_argument("--write", action="store_true", help="put the result into docs/benchmarks/faults.md")
    asked = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="skipping-") as directory:
        report = asyncio.run(simulate(asked.seed, Path(directory), seconds=asked.minutes * 60))
    section = "".join(f"{line}\n" for line in _lines(report))
    sys.stdout.write(section)
    if asked.write:
        write(section, begin=_BEGIN, end=_END)
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
