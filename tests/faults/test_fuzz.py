"""Generated payloads to everything that takes one: an error of the contract or an effect, and nothing else."""

from sqlalchemy import Engine
from temporalio.client import Client

from devstack.stack import StackInfo
from tests.faults.fuzz.run import made, send_all

SEED = 15
PAYLOADS = 200


async def test_generated_payloads_are_answered_by_the_contract(
    plain_client: Client, worker: None, stack: StackInfo, engine: Engine
) -> None:
    del worker
    tally = await send_all(made(SEED, PAYLOADS), plain_client, stack.task_queue, engine)
    assert tally.violations == []
    assert sum(tally.outcomes.values()) == PAYLOADS
