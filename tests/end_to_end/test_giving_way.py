"""What an order or a transfer hears when stock that it holds isn't there, by a plain client."""

from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from stockkeeper.domain.stock import ItemKey
from tests.support.bad import Spoil, any_message, bad_text, without
from tests.support.bad_commands import change_nothing
from tests.support.bad_messages import Sent
from tests.support.books import level, nothing_is_stored
from tests.support.corrections import FOUND, correct_stock, held_lines
from tests.support.reservation import Orders
from tests.support.rows import locked
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers
from tests.support.wire import Caller, Json, Refusal, at_once, line, refusal

TOLD = {"performed_by": "carl", "reason": FOUND}
UNTOLD = "the hold gave way: its stock is missing"
BAD: dict[str, Spoil] = {**any_message(), **bad_text("reason", at_most=500), "reason missing": without("reason")}
AT_ONCE = 4


class Held(NamedTuple):
    """An order or a PENDING transfer that holds four of each of two items."""

    caller: Caller
    name: str
    kind: str
    leave: tuple[str, Json]
    """The command by which its goods leave."""
    first: ItemKey
    second: ItemKey
    state: Json


@pytest.fixture(params=["order", "transfer"])
def caller(request: pytest.FixtureRequest, orders: Orders, transfers: Transfers) -> Caller:
    """Whoever holds stock: both are told in the same way."""
    return orders if request.param == "order" else transfers


async def _held(caller: Caller, shop: Shop) -> Held:
    first, second = shop.items(2, units=10)
    lines, name = [(first, 4), (second, 4)], new_reference("held")
    if isinstance(caller, Orders):
        state = await caller.reserve(name, *lines)
        return Held(caller, name, "ORDER", ("fulfill", {"performed_by": "picker"}), first, second, state)
    assert isinstance(caller, Transfers)
    state = await caller.create(name, shop.warehouse(), lines)
    return Held(caller, name, "TRANSFER", ("dispatch", {"performed_by": "sid"}), first, second, state)


def _lose(engine: Engine, item: ItemKey, units: int = 7) -> None:
    """So many of ten aren't there."""
    correct_stock(engine, {item: -units}, datetime.now(UTC))


def _after(engine: Engine, held: Held) -> tuple[list[object], list[tuple[int, int]]]:
    """How its lines stand, and its items."""
    statuses = [each[4] for each in held_lines(engine, held.name, held.kind)]
    return statuses, [level(engine, item) for item in (held.first, held.second)]


async def _ended(held: Held, note: str = f"the hold gave way: {FOUND}") -> Json:
    """The state at the end, which is as it was but for the end."""
    state = await held.caller.result(held.name)
    assert await held.caller.noted(held.name, 1) == [note]
    changed: dict[str, Json] = {"status": "CANCELLED", "notes": state["notes"]}
    if held.kind == "TRANSFER":
        changed["closed_reason"] = FOUND
        changed["line_items"] = [line | {"held": 0} for line in held.state["line_items"]]
    assert state == held.state | changed
    assert await held.caller.status(held.name) == WorkflowExecutionStatus.COMPLETED
    return state


@pytest.mark.parametrize("by", ["update", "signal"])
async def test_a_hold_of_which_a_line_gave_way_gives_back_the_rest_and_ends_with_the_reason(
    caller: Caller, orders: Orders, shop: Shop, engine: Engine, by: str
) -> None:
    held = await _held(caller, shop)
    _lose(engine, held.first)
    # Nobody has told it yet.
    assert await caller.state(held.name) == held.state
    if by == "update":
        state = await caller.update(held.name, "give_way", TOLD)
        assert await _ended(held) == state
    else:
        await caller.signal(held.name, "give_way", TOLD)
        await _ended(held)
    assert _after(engine, held) == (["CANCELLED", "CANCELLED"], [(3, 0), (10, 0)])
    await orders.reserve(new_reference(), (held.first, 3), (held.second, 10))
    assert _after(engine, held) == (["CANCELLED", "CANCELLED"], [(3, 3), (10, 10)])


async def test_a_hold_of_which_nothing_gave_way_goes_on(caller: Caller, shop: Shop, engine: Engine) -> None:
    held = await _held(caller, shop)
    # Six of each were free; these two were nobody's.
    _lose(engine, held.first, 2)
    with nothing_is_stored(engine):
        refused = await refusal(caller.update(held.name, "give_way", TOLD))
        message = f"the hold of {held.kind.lower()} {held.name} hasn't given way"
        assert refused == Refusal("InvalidState", {"status": "ACTIVE", "command": "give_way"}, message)
        assert await caller.state(held.name) == held.state
        await caller.signal(held.name, "give_way", TOLD)
        assert await caller.noted(held.name, 1) == [f"signal give_way refused: InvalidState: {message}"]
        assert await caller.state(held.name) | {"notes": []} == held.state
    left = await caller.update(held.name, *held.leave)
    assert left["status"] == ("FULFILLED" if held.kind == "ORDER" else "IN_TRANSIT")
    assert _after(engine, held) == (["FULFILLED", "FULFILLED"], [(4, 0), (6, 0)])


async def test_told_twice_it_gives_way_once(caller: Caller, shop: Shop, engine: Engine) -> None:
    held = await _held(caller, shop)
    _lose(engine, held.first)
    async with locked(engine, held.second) as lock:
        await caller.signal(held.name, "give_way", TOLD)
        await lock.has_somebody_waiting()
        # The first is still under way.
        await caller.signal(held.name, "give_way", TOLD | {"reason": "another shelf fell"})
    await _ended(held)
    signaled = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
    assert len(await caller.history(held.name, signaled)) == 2
    assert _after(engine, held) == (["CANCELLED", "CANCELLED"], [(3, 0), (10, 0)])


async def test_told_after_the_end_nothing_changes(caller: Caller, shop: Shop, engine: Engine) -> None:
    held = await _held(caller, shop)
    _lose(engine, held.first)
    await caller.update(held.name, "give_way", TOLD, update_id="told")
    state = await _ended(held)
    with nothing_is_stored(engine):
        # Temporal keeps the answer under the caller's own name for it, and refuses everything else.
        assert await caller.update(held.name, "give_way", TOLD, update_id="told") == state
        with pytest.raises(RPCError) as caught:
            await caller.update(held.name, "give_way", TOLD)
        assert caught.value.status is RPCStatusCode.NOT_FOUND
        with pytest.raises(RPCError) as caught:
            await caller.signal(held.name, "give_way", TOLD)
        assert caught.value.status is RPCStatusCode.NOT_FOUND
        assert await caller.state(held.name) == state


async def test_nothing_leaves_of_a_hold_that_gave_way_and_was_not_told_yet(
    caller: Caller, shop: Shop, engine: Engine
) -> None:
    held = await _held(caller, shop)
    _lose(engine, held.second)
    command, message = held.leave
    with nothing_is_stored(engine):
        refused = await refusal(caller.update(held.name, command, message))
        assert (refused.type, refused.details) == ("InvalidState", {"status": "CANCELLED", "command": command})
        assert await caller.state(held.name) == held.state
    await caller.update(held.name, "give_way", TOLD)
    await _ended(held)
    assert _after(engine, held) == (["CANCELLED", "CANCELLED"], [(10, 0), (3, 0)])


async def test_what_is_told_wrong_changes_nothing(caller: Caller, shop: Shop, engine: Engine) -> None:
    held = await at_once(*(_held(caller, shop) for _ in range(AT_ONCE)))
    for each in held:
        _lose(engine, each.first)
    places = [(each.name, each.state, dict(TOLD)) for each in held]
    await change_nothing(caller, engine, "give_way", Sent(BAD, frozenset(BAD)), places)
    states = await at_once(*(caller.update(each.name, "give_way", TOLD) for each in held))
    assert {state["status"] for state in states} == {"CANCELLED"}


async def test_an_order_that_learns_it_from_a_repeated_shipment_gives_back_the_rest(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    held = await _held(orders, shop)
    parcel = [line(held.second, 1)]
    shipped = await orders.fulfill(held.name, parcel, fulfillment_id="parcel-1")
    _lose(engine, held.first)
    # The parcel has left and isn't sent again; that the hold is over, the answer says before anybody else does.
    assert (await orders.fulfill(held.name, parcel, fulfillment_id="parcel-1"))["status"] == "CANCELLED"
    await _ended(held._replace(state=shipped), UNTOLD)
    assert _after(engine, held) == (["CANCELLED", "CANCELLED"], [(3, 0), (9, 0)])


async def test_an_order_that_was_not_running_gives_back_the_rest_once_it_is_started_again(
    orders: Orders, shop: Shop, engine: Engine
) -> None:
    held = await _held(orders, shop)
    await orders.handle(held.name).terminate("by mistake")
    _lose(engine, held.first)
    again = await refusal(orders.reserve(held.name, (held.first, 4), (held.second, 4)))
    assert (again.type, again.details) == ("InvalidState", {"status": "CANCELLED", "command": "reserve"})
    await _ended(held, UNTOLD)
    assert _after(engine, held) == (["CANCELLED", "CANCELLED"], [(3, 0), (10, 0)])


async def test_a_transfer_that_was_not_running_cannot_leave_once_it_is_started_again(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    held = await _held(transfers, shop)
    await transfers.handle(held.name).terminate("by mistake")
    _lose(engine, held.first)
    to = held.state["to_warehouse_id"]
    with nothing_is_stored(engine):
        first, second = held.state["line_items"]
        assert await transfers.create(held.name, to, [(held.first, 4), (held.second, 4)]) == held.state | {
            "line_items": [first | {"held": 0}, second]
        }
        refused = await refusal(transfers.dispatch(held.name))
        assert (refused.type, refused.details) == ("InvalidState", {"status": "CANCELLED", "command": "dispatch"})
    assert (await transfers.cancel(held.name))["status"] == "CANCELLED"
    assert _after(engine, held) == (["CANCELLED", "CANCELLED"], [(3, 0), (10, 0)])
