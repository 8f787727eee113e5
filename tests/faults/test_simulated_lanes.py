"""The simulation's clients and its model, without a fault."""

from sqlalchemy import Engine
from temporalio.client import Client

from devstack.stack import StackInfo
from tests.faults.simulation.delivery import Delivery
from tests.faults.simulation.driver import Driver
from tests.faults.simulation.run import compare, lanes_of, new_run
from tests.support.shop import Shop


async def test_every_client_gets_what_the_model_says_and_the_same_seed_sends_the_same(
    stack: StackInfo, plain_client: Client, worker: None, shop: Shop, engine: Engine
) -> None:
    del worker

    async def simulate(seed: int, *, wrong_by: int = 0) -> Driver:
        lanes = lanes_of(new_run(seed), shop, each=1)
        driver = Driver(lanes, Delivery([plain_client], stack.task_queue), commands_each=30)
        await driver.run()
        [key, *_] = lanes[0].model.books.items
        lanes[0].model.books.items[key].on_hand += wrong_by
        await compare(driver, engine, plain_client)
        return driver

    once, again, other = [await simulate(1), await simulate(1), await simulate(2, wrong_by=1)]
    assert [*once.violations, *again.violations] == []
    assert once.digest(30) == again.digest(30) != other.digest(30)
    # A model that is off by one unit is found to be: the comparison does compare.
    [violation] = other.violations
    assert " has on hand, reserved, available (" in violation.text
