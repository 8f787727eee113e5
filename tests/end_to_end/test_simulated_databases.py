"""The simulation's clients of two databases, and its model of them, without a fault."""

import random
import re

import pytest
from temporalio.client import Client

from stockkeeper.domain.order_in_parts import OrderInParts
from tests.faults.simulation.breaking import leave_parts_held
from tests.faults.simulation.delivery import Delivery
from tests.faults.simulation.driver import Driver
from tests.faults.simulation.lanes.lane import Lane
from tests.faults.simulation.lanes.order_in_parts import HotPartsLane, OrderInPartsLane
from tests.faults.simulation.lanes.transfer import CrossingLane
from tests.faults.simulation.run import LOOKS, compare, lanes_of, new_run
from tests.faults.simulation.script import Script
from tests.faults.simulation.shops import Shops
from tests.support.several_databases import Both

_COMMANDS = 8
KINDS: tuple[type[Lane], ...] = (OrderInPartsLane, HotPartsLane, CrossingLane)


class ShortLane(OrderInPartsLane):
    """A shop of whose orders one database is always short."""

    def turn(self, chance: random.Random) -> Script:
        """See `Lane`."""
        return self._short(chance)


async def driven(
    both: Both, client: Client, commands_each: int, kinds: tuple[type[Lane], ...] = KINDS, *, looks: int = LOOKS
) -> Driver:
    """What has driven clients of these kinds, and compared everything afterwards."""
    engines = {each.queue: each.engine for each in (both.north, both.south)}
    shops = Shops(engines)
    lanes = lanes_of(new_run(1, databases=[*engines]), shops, 1, kinds)
    shops.told()
    driver = Driver(lanes, Delivery([client], both.north.queue, patience=30), commands_each=commands_each)
    await driver.run()
    if not driver.violations:
        await compare(driver, engines, client, looks=looks)
    return driver


async def test_clients_of_two_databases_get_what_the_model_says_and_the_same_seed_sends_the_same(
    both: Both, plain_client: Client
) -> None:
    first, second = [await driven(both, plain_client, _COMMANDS) for _ in range(2)]
    assert first.violations == second.violations == []
    assert first.fewest >= _COMMANDS
    assert first.digest() == second.digest()


async def test_what_one_database_holds_of_an_order_that_the_other_refuses_is_found_if_it_stays_held(
    both: Both, plain_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OrderInParts, "_undo", OrderInParts._undo)  # It is mended at the end.
    leave_parts_held()
    driver = await driven(both, plain_client, 2, (ShortLane,), looks=1)
    assert driver.violations
    # It is seen in the numbers of the stock, or in the lines of orders.
    assert all(re.search("available|has the lines", each.text) for each in driver.violations)
