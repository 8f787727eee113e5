"""Everything at once, for two minutes: all kinds of clients of two databases, while everything is killed and breaks."""

from pathlib import Path

from sqlalchemy import Engine
from temporalio.client import Client

from devstack.stack import StackInfo
from tests.faults.simulation.delivery import Delivery
from tests.faults.simulation.driver import Driver
from tests.faults.simulation.faults import ONE_OF_SEVERAL
from tests.faults.simulation.run import lanes_of, new_run
from tests.faults.simulation.soak import EARLY_COMMANDS, soak
from tests.faults.simulation.stage import SEVERAL_TASK_QUEUES
from tests.support.lots import LotShop

SEED = 15


async def test_nothing_is_lost_in_two_minutes_with_thirty_kills(
    tmp_path: Path, stack: StackInfo, plain_client: Client, worker: None, engine: Engine
) -> None:
    del worker
    # Six steps a second: other tests run beside it. And PostgreSQL is back sooner than a worker.
    often = {"workers": 0.6, "servers": 1.5}
    soaked = await soak(
        tmp_path / "stage",
        SEED,
        120,
        queues=SEVERAL_TASK_QUEUES,
        workers=3,
        each=1,
        often=2,
        often_by_stream=often,
        kills=30,
        per_second=6,
        patience=300,
    )
    assert [violation.text for violation in soaked.violations] == []
    assert soaked.kills >= 30
    # A machine that does other things as well comes to fewer; each compares everything.
    assert soaked.quiet_points >= 2
    assert soaked.moves >= 1
    # Each time that one database was away, it came back after a command for warehouses of the other one was answered.
    assert soaked.while_one_was_away >= sum(each.kind == ONE_OF_SEVERAL for each in soaked.happened) >= 1

    # Without a fault, on another stack with one database, the same seed sends the same. Not at the same time: comparing
    # holds up this process's loop, and its worker's steps would run out of time.
    lanes = lanes_of(new_run(SEED), LotShop(engine), each=1)
    driver = Driver(lanes, Delivery([plain_client], stack.task_queue), commands_each=EARLY_COMMANDS)
    await driver.run()
    assert [violation.text for violation in driver.violations] == []
    assert soaked.fewest >= 3
    assert driver.digest(min(soaked.fewest, EARLY_COMMANDS)) == soaked.early_digest
