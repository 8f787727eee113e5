"""The simulation's clients and its model, without a fault."""

from sqlalchemy import Engine
from temporalio.client import Client

from devstack.stack import StackInfo
from tests.faults.simulation.delivery import Delivery
from tests.faults.simulation.driver import Driver
from tests.faults.simulation.lanes.adjustment import AdjustmentLane
from tests.faults.simulation.lanes.lot import LotLane
from tests.faults.simulation.lanes.reservation import ReservationLane
from tests.faults.simulation.model.books import Key
from tests.faults.simulation.model.hot import Bounds, HeldOrShort
from tests.faults.simulation.model.outcome import Answered, InAnyOrder, Refused, difference
from tests.faults.simulation.model.sourcing import places_of
from tests.faults.simulation.run import compare, lanes_of, new_run
from tests.support.lots import LotShop


async def test_clients_get_what_the_model_says_and_a_wrong_model_is_found_out(
    stack: StackInfo, plain_client: Client, worker: None, engine: Engine
) -> None:
    del worker

    teams = lanes_of(new_run(1), LotShop(engine), 1, (LotLane, ReservationLane, AdjustmentLane))
    lanes = [*teams[:1], *teams[-2:]]
    driver = Driver(lanes, Delivery([plain_client], stack.task_queue), commands_each=20)
    await driver.run()
    await compare(driver, engine, plain_client)
    assert driver.violations == []
    # A model that is off by one unit is found to be: the comparison does compare.
    [key, *_] = lanes[0].model.books.items
    lanes[0].model.books.items[key].on_hand += 1
    await compare(driver, engine, plain_client, looks=1)
    [violation] = driver.violations
    assert f"{key} has on hand, reserved, available (" in violation.text


def test_an_answer_is_compared_field_by_field() -> None:
    assert difference({"a": [1, {"b": 2}]}, {"a": [1, {"b": 2, "c": 3}], "d": 4}) is None
    assert difference({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}) == ".a[1].b is 3, not 2"
    assert difference({"a": 1}, {"a": True}) == ".a is True, not 1"
    assert difference({"a": 1}, {}) == ".a is missing"
    assert difference(InAnyOrder([1, 2]), [2, 1]) is None
    assert difference(InAnyOrder([1, 2]), [2, 1, 1]) == "it has also [1]"
    assert difference(InAnyOrder([1, 1]), [1]) == "it is [1], without 1"


def test_a_refusal_is_right_only_if_units_may_have_been_missing_during_the_call() -> None:
    key, bounds = Key(1, 2), Bounds()
    bounds.begin_with(key, 10)

    def refused(available: int) -> Refused:
        short = {"warehouse_id": 1, "product_id": 2, "requested": 4, "available": available}
        return Refused("InsufficientStock", [short], "")

    first = bounds.takes({key: 4})
    expected = HeldOrShort(first, {})
    assert expected.differs(Answered({})) is None
    assert expected.differs(refused(3)) is not None  # Nobody else has taken anything.
    bounds.took(bounds.takes({key: 7}), accepted=True)
    assert [expected.differs(refused(each)) is None for each in (2, 3, 4)] == [False, True, False]
    assert expected.differs(Answered({})) is None  # It may have come before the other.
    bounds.took(first, accepted=False)
    assert bounds.exact(key) == 3
    late = HeldOrShort(bounds.takes({key: 4}), {})
    assert late.differs(Answered({})) == f"4 of {key} are held, and never more than 3 were available"
    assert late.differs(refused(3)) is None
    bounds.gives({key: 1})
    assert late.differs(Answered({})) is None
    assert bounds.exact(key) is None


def test_two_calls_for_the_same_units_are_two() -> None:
    key, bounds = Key(1, 2), Bounds()
    bounds.begin_with(key, 10)
    first, second = bounds.takes({key: 4}), bounds.takes({key: 4})
    bounds.took(second, accepted=True)
    bounds.took(bounds.takes({key: 5}), accepted=True)
    short = {"warehouse_id": 1, "product_id": 2, "requested": 4, "available": 1}
    assert HeldOrShort(first, {}).differs(Refused("InsufficientStock", [short], "")) is None
    bounds.took(first, accepted=False)
    assert bounds.exact(key) == 1


def test_open_lines_come_from_the_fewest_warehouses_then_parts_then_the_first_ranks() -> None:
    ranks = {place: (100, place) for place in (1, 2, 3)} | {4: (1, 4)}
    assert places_of(5, {1: 3, 2: 5, 3: 9, 4: 4}, (), ranks) == [(2, 5)]
    assert places_of(5, {1: 3, 2: 5, 4: 4}, (1,), ranks) == [(2, 5)]
    assert places_of(6, {1: 3, 2: 5, 4: 4}, (), ranks) == [(4, 4), (1, 2)]
    assert places_of(7, {1: 3, 2: 5, 4: 4}, (1,), ranks) == [(4, 4), (1, 3)]
