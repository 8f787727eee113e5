"""What is broken on purpose is found: a simulation that finds nothing is no proof.

All of them: ``python -m tests.faults.simulation.mutations``.
"""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine
from temporalio.client import Client

from tests.faults.simulation.breaking import BROKEN_PROMISE, MUTATIONS, break_database, break_worker
from tests.faults.simulation.delivery import Delivery
from tests.faults.simulation.driver import Driver
from tests.faults.simulation.lanes.reservation import ReservationLane
from tests.faults.simulation.run import lanes_of, new_run
from tests.faults.workplace import FORKS, Workplace
from tests.support.lots import LotShop


async def test_a_repeat_with_other_contents_that_is_taken_for_the_same_is_found(
    workplace: Callable[[], Workplace],
    plain_client: Client,
    engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(BROKEN_PROMISE, "contents")
    place = workplace()
    async with place.worker():
        lanes = lanes_of(new_run(1), LotShop(engine), 1, [ReservationLane])
        # A signal that isn't refused is found out by the note that doesn't come.
        delivery = Delivery([plain_client], place.settings.task_queue, patience=30)
        driver = Driver(lanes, delivery, commands_each=300)
        await driver.run()
    # Every client meets it sooner or later, and nothing else.
    assert len(driver.violations) == len(lanes)
    assert all("OperationConflict" in each.text for each in driver.violations)


def test_what_mutations_break_is_still_there(engine: Engine) -> None:
    with engine.connect() as connection:
        for name in MUTATIONS:
            break_database(connection, name)
        connection.rollback()
    # Each in a process of its own, because it can't be mended again.
    breaking = {name: FORKS.Process(target=break_worker, args=(name,)) for name in MUTATIONS}
    for process in breaking.values():
        process.start()
    for process in breaking.values():
        process.join()
    assert {name: process.exitcode for name, process in breaking.items()} == dict.fromkeys(MUTATIONS, 0)
