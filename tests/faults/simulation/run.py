"""One run of the simulation: lanes, quiet points, violations."""

import asyncio
import itertools
import random
import uuid
from collections.abc import Mapping, Sequence

from sqlalchemy import Engine
from temporalio.client import Client

from tests.faults.simulation.checks import CHECKS, elsewhere, events, runs
from tests.faults.simulation.driver import Driver, Violation
from tests.faults.simulation.lanes.adjustment import AdjustmentLane
from tests.faults.simulation.lanes.customer_return import CustomerReturnLane
from tests.faults.simulation.lanes.cycle_count import CycleCountLane
from tests.faults.simulation.lanes.hot import HotLane
from tests.faults.simulation.lanes.import_file import ImportLane
from tests.faults.simulation.lanes.lane import Catalogue, Lane, Run
from tests.faults.simulation.lanes.lot import LotLane
from tests.faults.simulation.lanes.moving import MovingLane
from tests.faults.simulation.lanes.operator import OperatorLane
from tests.faults.simulation.lanes.order_in_parts import HotPartsLane, OrderInPartsLane
from tests.faults.simulation.lanes.packing import PackingLane
from tests.faults.simulation.lanes.purchase_order import PurchaseOrderLane
from tests.faults.simulation.lanes.reorder import PlanLane, ReorderLane
from tests.faults.simulation.lanes.reservation import ReservationLane
from tests.faults.simulation.lanes.transfer import CrossingLane, TransferLane
from tests.faults.simulation.lanes.waiting import WaitingLane
from tests.faults.simulation.model.model import Model
from tests.faults.simulation.pace import REAL_TIME, Pace
from tests.support.folding import Fold

LANES: Sequence[type[Lane]] = (
    ReservationLane,
    PackingLane,
    LotLane,
    WaitingLane,
    AdjustmentLane,
    PurchaseOrderLane,
    TransferLane,
    CustomerReturnLane,
    CycleCountLane,
    ReorderLane,
    PlanLane,
    OperatorLane,
    HotLane,
    ImportLane,
    OrderInPartsLane,
    HotPartsLane,
    CrossingLane,
    MovingLane,
)
"""Every kind of simulated client. Some need several databases, and are left out where there is one."""
IN_SKIPPED_TIME: Sequence[type[Lane]] = tuple(lane for lane in LANES if lane.bears_skipped_time)
"""Those that a server may drive that skips days."""
LOOKS = 120
CALM_LOOKS = 10
"""How often a hasty run looks at what differs while no run has anything under way."""
_AGAIN_SECONDS = 0.5


def new_run(seed: int, pace: Pace = REAL_TIME, *, over_delivery_percent: int = 0, databases: Sequence[str] = ()) -> Run:
    """A run with a name of its own."""
    return Run(seed, f"s{seed}x{uuid.uuid4().hex[:6]}", pace, over_delivery_percent, databases)


def lanes_of(run: Run, catalogue: Catalogue, each: int, kinds: Sequence[type[Lane]] = LANES) -> list[Lane]:
    """So many clients of each kind, ready to drive; their warehouses are spread over the databases in turn."""
    teams = [
        kind.team(run, max(1, round(each * kind.share))) for kind in kinds if run.databases or not kind.spans_databases
    ]
    homes = itertools.cycle(run.databases or ("",))
    for team in teams:
        # Those that share stock have one home.
        shared = next(homes)
        for lane in team:
            lane.home = (next(homes) if lane is not team[0] else shared) if lane.is_own else shared
            if lane.keeps_to_catalogue and run.databases:
                lane.home = run.databases[0]
    lanes = [lane for team in teams for lane in team]
    for lane in lanes:
        lane.set_up(catalogue)
    return lanes


async def compare(
    driver: Driver,
    engines: Engine | Mapping[str, Engine],
    client: Client,
    open_runs: runs.OpenRuns = runs.listed,
    *,
    looks: int = LOOKS,
    calm_looks: int = LOOKS,
    folds: dict[str, Fold] | None = None,
) -> None:
    """Compare the world with the models, at a quiet point.

    Signals are carried out some time after they were taken, so what differs is looked at again for a while: for longer
    than a step waits whose worker has died with it. It is a violation if it goes on to differ.

    Args:
        driver: Has the models, and takes the violations.
        engines: The database; or several, by their task queues.
        client: Any client.
        open_runs: Finds the open runs.
        looks: How often it is looked at what differs.
        calm_looks: How often if no run has anything under way, one time after another.
        folds: What the events of each database make, which goes on; None: they aren't read, because others have
            written rows there as no program does.
    """
    databases = {"": engines} if isinstance(engines, Engine) else engines
    models = list({id(lane.model): lane.model for lane in driver.lanes}.values())
    seed, name = driver.lanes[0].seed, driver.lanes[0].run.name
    problems: list[str] = []
    calm = 0
    for _ in range(looks):
        problems = [problem async for problem in runs.compare(client, models, name, open_runs)]
        calm = 0 if problems else calm + 1
        for name_of_database, engine in databases.items():
            problems += await asyncio.to_thread(_compare_rows, engine, models, name_of_database)
            if folds is not None:
                fold = folds.setdefault(name_of_database, Fold())
                problems += await asyncio.to_thread(events.compare, engine, fold)
        if not problems or calm == calm_looks:
            break
        await asyncio.sleep(_AGAIN_SECONDS)
    problems += await runs.failed_tasks(client, models, random.Random(driver.commands))
    driver.violations += [Violation(f"seed {seed}, after {driver.commands} commands: {each}") for each in problems]


def _compare_rows(engine: Engine, models: Sequence[Model], database: str) -> list[str]:
    kept = [here for model in models if (here := model.kept_in(database)) is not None]
    with engine.connect() as connection:
        problems = [problem for check in CHECKS for problem in check(connection, kept)]
        problems += elsewhere.compare(connection, models, database)
    return [f"{database}: {each}" if database else each for each in problems]
