"""The whole simulation: clients, faults and comparisons, for as long as is wanted."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from temporalio.client import Client

from tests.faults.simulation.delivery import Delivery
from tests.faults.simulation.driver import Driver, Violation
from tests.faults.simulation.faults import Faults, Happened
from tests.faults.simulation.lanes.lane import Lane, Run
from tests.faults.simulation.lanes.moving import MovingLane
from tests.faults.simulation.model.outcome import Outcome
from tests.faults.simulation.run import CALM_LOOKS, LANES, LOOKS, compare, lanes_of, new_run
from tests.faults.simulation.script import Look, Operate, Result, Send
from tests.faults.simulation.shops import Shops
from tests.faults.simulation.stage import OVER_DELIVERY_PERCENT, TASK_QUEUES, Stage, staged
from tests.support.folding import Fold
from tests.support.lots import LotShop

EARLY_COMMANDS = 5
"""Of each own lane: what every run gets to."""
_SHORT_SECONDS = 300.0
_QUIET_EVERY_SECONDS, _QUIET_EVERY_SECONDS_OF_A_LONG_RUN = 25.0, 390.0
_QUIET_EVERY_SECONDS_IF_BRISK = 10.0
_AUDIT_WITHIN_SECONDS = 240.0


@dataclass(frozen=True)
class Soaked:
    """What came of it.

    Attributes:
        seed: What decided all.
        seconds: How long the clients were driven, quiet points among it.
        sent: Steps of clients, by kind.
        again: How often clients had to send the same again, by what went wrong.
        happened: The faults.
        kills: How many of them by SIGKILL.
        quiet_points: How often everything was compared.
        digest: Of the own lanes' commands.
        early_digest: Of their first few.
        fewest: Commands of the own lane that carried out the fewest.
        violations: What wasn't as it has to be.
        while_one_was_away: Answered commands for warehouses of one database while another one was away.
        databases: How many there were.
        moves: How often a warehouse moved from one to another.
    """

    seed: int
    seconds: float
    sent: Counter[str]
    again: Counter[str]
    happened: Sequence[Happened]
    kills: int
    quiet_points: int
    digest: str
    early_digest: str
    fewest: int
    violations: Sequence[Violation]
    while_one_was_away: int = 0
    databases: int = 1
    moves: int = 0


class _Paced(Delivery):
    """Carries so many steps a second at most."""

    per_second: float
    _next: float = 0.0

    async def carry_out(self, client: Client, step: Send | Result | Look | Operate, kept_in: str = "") -> Outcome:
        """See `Delivery`."""
        now = time.monotonic()
        self._next = max(now, self._next) + 1 / self.per_second
        await asyncio.sleep(self._next - 1 / self.per_second - now)
        return await super().carry_out(client, step, kept_in)


async def soak(
    directory: Path,
    seed: int,
    seconds: float,
    *,
    each: int = 4,
    queues: Sequence[str] = TASK_QUEUES,
    workers: int = 2,
    often: float = 1.0,
    often_by_stream: Mapping[str, float] = MappingProxyType({}),
    kills: int = 0,
    per_second: float = 1_000.0,
    patience: float = 90.0,
    kinds: Sequence[type[Lane]] = LANES,
    more: str = "",
    brisk: bool = False,
    broken: str | None = None,
    say: Callable[[str], object] = lambda line: None,
) -> Soaked:
    """Simulate, and end at the first violation.

    Args:
        directory: Keeps all data and logs.
        seed: Decides the commands, and the order of the faults.
        seconds: How long clients are driven.
        each: Clients of each kind.
        queues: The databases' task queues; those of several are `SEVERAL_TASK_QUEUES`.
        workers: Worker processes.
        often: How many times as often as usual faults come.
        often_by_stream: The same of the faults of one stream, by its name, beside that.
        kills: It goes on until there have been so many.
        per_second: Steps at most, of all clients.
        patience: Seconds until a command without an answer is stuck.
        kinds: The kinds of clients.
        more: Of which fault there are more than usual, by its name in `ON_REQUEST`.
        brisk: Compare every few seconds, and don't look long at what differs while no run has anything under way.
        broken: A promise of `breaking` that our code is to break.
        say: Takes a line at each quiet point.
    """
    async with staged(directory, queues=queues, workers=workers, broken=broken) as stage:
        databases = queues if len(queues) > 1 else ()
        run = new_run(seed, over_delivery_percent=OVER_DELIVERY_PERCENT, databases=databases)
        lanes = await asyncio.to_thread(_set_up, run, stage, each, kinds)
        delivery = _Paced(stage.clients, queues[0], patience=patience)
        delivery.per_second = per_second
        driver = Driver(lanes, delivery)
        faults = Faults(stage, delivery, seed, often=often, often_by_stream=often_by_stream, more=more)
        began = time.monotonic()
        quiet_points = 0
        folds: dict[str, Fold] = {}
        every = _QUIET_EVERY_SECONDS if seconds <= _SHORT_SECONDS else _QUIET_EVERY_SECONDS_OF_A_LONG_RUN
        every = _QUIET_EVERY_SECONDS_IF_BRISK if brisk else every
        driving = asyncio.create_task(driver.run())
        wrong = asyncio.create_task(driver.wrong.wait())
        async with faults.happening():
            while not driver.violations and not driving.done():
                left = began + seconds - time.monotonic()
                timeout = min(left, every) if left > 0 else every
                await asyncio.wait([driving, wrong], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                driver.violations += [Violation(f"seed {seed}: {each}") for each in _deadlocks(stage)]
                if driver.violations:
                    break
                await faults.rest()
                quiet_points += 1
                async with driver.quiet():
                    if driver.violations:
                        break
                    await _compare_all(stage, driver, faults, quiet_points, folds, brisk=brisk)
                    is_over = time.monotonic() > began + seconds and faults.kills >= kills
                    if is_over:
                        driver.stop()
                say(
                    f"{time.monotonic() - began:.0f} s: {driver.commands} commands, {len(faults.happened)} faults, "
                    f"{faults.kills} kills, {len(driver.violations)} violations"
                )
                if is_over:
                    break
                faults.go_on()
            seconds = time.monotonic() - began
            if driver.violations:
                driving.cancel()  # What else is under way tells nothing more, and nobody waits for it.
        driver.stop()
        wrong.cancel()
        with suppress(asyncio.CancelledError):
            await driving
        return Soaked(
            seed=seed,
            seconds=seconds,
            sent=delivery.sent,
            again=delivery.again,
            happened=faults.happened,
            kills=faults.kills,
            quiet_points=quiet_points,
            digest=driver.digest(),
            early_digest=driver.digest(EARLY_COMMANDS),
            fewest=driver.fewest,
            violations=driver.violations,
            while_one_was_away=delivery.while_one_was_away,
            databases=len(queues),
            moves=sum(lane.moves for lane in lanes if isinstance(lane, MovingLane)),
        )


def _set_up(run: Run, stage: Stage, each: int, kinds: Sequence[type[Lane]]) -> list[Lane]:
    if not run.databases:
        return lanes_of(run, LotShop(stage.databases[0].engine), each, kinds)
    shops = Shops(stage.engines)
    lanes = lanes_of(run, shops, each, kinds)
    shops.told()
    return lanes


async def _compare_all(
    stage: Stage, driver: Driver, faults: Faults, number: int, folds: dict[str, Fold], *, brisk: bool
) -> None:
    await compare(driver, stage.engines, stage.client, calm_looks=CALM_LOOKS if brisk else LOOKS, folds=folds)
    name = driver.lanes[0].run.name
    problems = [*stage.faults, *_deadlocks(stage)]
    for database in stage.databases:
        problems += await _audit(stage.client, database.queue, f"{name}-audit-{number}-{database.queue}")
    where = f"seed {driver.lanes[0].seed}, quiet point {number}"
    driver.violations += [Violation(f"{where}: {each}") for each in problems]
    driver.violations += [Violation(f"{where}: {each}", is_vague=True) for each in faults.broken]


def _deadlocks(stage: Stage) -> list[str]:
    """What PostgreSQL's logs say of transactions that waited for each other in a circle."""
    logs = [database.server.log.read_text(errors="replace") for database in stage.databases]
    found = sum(log.count("deadlock detected") for log in logs)
    return [f"PostgreSQL broke {found} deadlocks"] if found else []


async def _audit(client: Client, task_queue: str, workflow_id: str) -> list[str]:
    """What the product's own audit finds."""
    audit = client.execute_workflow("StockAuditWorkflow", {"warehouse_id": None}, id=workflow_id, task_queue=task_queue)
    result = await asyncio.wait_for(audit, _AUDIT_WITHIN_SECONDS)
    return [f"the audit has the finding {finding}" for finding in result["findings"]]
