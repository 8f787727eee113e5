"""A Python service and its transfers: typed calls, and errors of ours whatever Temporal calls them."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Engine

from stockkeeper import (
    ArrivalLine,
    InsufficientStock,
    InvalidRequest,
    InvalidState,
    Line,
    NotFound,
    OperationConflict,
    Shortage,
    Stockkeeper,
    Transfer,
    TransferState,
    UnknownProduct,
    UnknownWarehouse,
)
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_is_stored
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Units, arrival, arrived, units
from tests.support.transfer_rows import stocked


async def create(
    stock: Stockkeeper, number: str, to: int, *lines: tuple[ItemKey, int], hours: float | None = None
) -> Transfer:
    return await stock.create_transfer(
        number,
        [Line(product_id=item.product_id, quantity=quantity) for item, quantity in lines],
        from_warehouse_id=lines[0][0].warehouse_id,
        to_warehouse_id=to,
        requested_by="planning",
        expected_transit_hours=hours,
    )


async def dispatched(stock: Stockkeeper, number: str, to: int, *lines: tuple[ItemKey, int]) -> Transfer:
    transfer = await create(stock, number, to, *lines)
    await transfer.dispatch(performed_by="loading")
    return transfer


def came(item: ItemKey, quantity: int, damaged: int = 0) -> ArrivalLine:
    return ArrivalLine(product_id=item.product_id, quantity=quantity, damaged_quantity=damaged)


def units_of(state: TransferState) -> list[Units]:
    return units(state.model_dump())


def receipts_of(state: TransferState) -> Sequence[tuple[str, str, int, int]]:
    return [(each.receipt_id, each.performed_by, each.accepted, each.unfit) for each in state.receipts]


async def has_ended(stock: Stockkeeper, number: str) -> None:
    """Return once the run has closed."""
    await stock.client.get_workflow_handle(f"transfer-{number}").result()


async def test_goods_are_held_sent_and_received_in_parts(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    item, to, number = shop.item(9), shop.warehouse(), new_reference("t")
    there = item._replace(warehouse_id=to)
    transfer = await create(stock, number, to, (item, 5), hours=48)
    state = transfer.state
    assert (transfer.transfer_number, state.status, state.requested_by) == (number, "PENDING", "planning")
    assert (state.from_warehouse_id, state.to_warehouse_id, state.due_at) == (item.warehouse_id, to, None)
    assert (units_of(state), level(engine, item), stocked(engine, there)) == ([Units(5)], (9, 5), None)
    state = await transfer.dispatch(performed_by="loading")
    assert (state.status, units_of(state), level(engine, item)) == ("IN_TRANSIT", [Units(5, in_transit=5)], (4, 0))
    assert state.dispatched_at is not None
    assert state.due_at is not None
    assert (state.due_at - state.dispatched_at).total_seconds() == 48 * 3600
    state = await transfer.receive("R-1", [came(item, 2, damaged=1)], performed_by="dock")
    assert units_of(state) == [Units(5, received=2, damaged=1, in_transit=2)]
    with nothing_is_stored(engine), pytest.raises(InvalidRequest, match="3 delivered, but only 2 in transit"):
        await transfer.receive("R-2", [came(item, 3)], performed_by="dock")
    state = await transfer.receive("R-3", [came(item, 2)], performed_by="evening shift")
    assert (state.status, transfer.state, level(engine, there)) == ("RECEIVED", state, (4, 0))
    assert units_of(state) == [Units(5, received=4, damaged=1)]
    assert receipts_of(state) == [("R-1", "dock", 2, 1), ("R-3", "evening shift", 2, 0)]


async def test_what_is_missing_is_written_off_and_what_is_repeated_after_the_end_is_answered_as_it_ended(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, to, number = shop.item(9), shop.warehouse(), new_reference("t")
    transfer = await dispatched(stock, number, to, (item, 5))
    await transfer.receive("R-1", [came(item, 2)], performed_by="dock")
    ended = await transfer.write_off(performed_by="dock", reason="fell off the lorry")
    assert (ended.status, ended.closed_reason) == ("RECEIVED", "fell off the lorry")
    assert units_of(ended) == [Units(5, received=2, written_off=3)]
    await has_ended(stock, number)
    last = await transfer.refresh()
    with nothing_is_stored(engine):
        assert await transfer.dispatch(performed_by="loading") == last
        assert await transfer.receive("R-1", [came(item, 2)], performed_by="the next shift") == last
        assert await transfer.write_off(performed_by="dock", reason="again") == last
        with pytest.raises(InvalidState) as refused:
            await transfer.cancel(performed_by="planning", reason="too late")
        assert refused.value.details == {"status": "RECEIVED", "command": "cancel"}
        with pytest.raises(InvalidState):
            await transfer.receive("R-2", [came(item, 1)], performed_by="dock")
    assert transfer.state == last


async def test_what_has_all_arrived_is_not_written_off_afterwards(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(5), new_reference("t")
    transfer = await dispatched(stock, number, shop.warehouse(), (item, 5))
    lines = [came(item, 4, damaged=1)]
    received = await transfer.receive("R-1", lines, performed_by="dock", unfit_reason="wet")
    assert [each.unfit_reason for each in received.receipts] == ["wet"]
    await has_ended(stock, number)
    with nothing_is_stored(engine):
        again = await transfer.receive("R-1", lines, performed_by="dock", unfit_reason="wet")
        assert (again.status, again.receipts) == ("RECEIVED", received.receipts)
        with pytest.raises(OperationConflict):
            await transfer.receive("R-1", lines, performed_by="dock", unfit_reason="dry")
    with nothing_is_stored(engine), pytest.raises(InvalidState) as refused:
        await transfer.write_off(performed_by="dock", reason="nothing to lose")
    assert refused.value.details == {"status": "RECEIVED", "command": "write_off"}
    assert units_of(transfer.state) == units_of(received) == [Units(5, received=4, damaged=1)]


async def test_a_cancelled_one_releases_its_hold_and_stays_cancelled(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, to, number = shop.item(9), shop.warehouse(), new_reference("t")
    transfer = await create(stock, number, to, (item, 5))
    ended = await transfer.cancel(performed_by="planning", reason="not needed")
    assert (ended.status, ended.closed_reason, level(engine, item)) == ("CANCELLED", "not needed", (9, 0))
    await has_ended(stock, number)
    with nothing_is_stored(engine):
        assert await transfer.cancel(performed_by="planning", reason="once more") == ended
        for command, late in {
            "dispatch": transfer.dispatch(performed_by="loading"),
            "receive": transfer.receive("R-1", [came(item, 5)], performed_by="dock"),
            "write_off": transfer.write_off(performed_by="dock", reason="lost"),
        }.items():
            with pytest.raises(InvalidState) as refused:
                await late
            assert refused.value.details == {"status": "CANCELLED", "command": command}
        with pytest.raises(InvalidState):
            await create(stock, number, to, (item, 5))


async def test_cancelled_in_transit_what_has_not_arrived_goes_back(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, to, number = shop.item(9), shop.warehouse(), new_reference("t")
    transfer = await dispatched(stock, number, to, (item, 5))
    await transfer.receive("R-1", [came(item, 1, damaged=1)], performed_by="dock")
    ended = await transfer.cancel(performed_by="planning", reason="wrong lorry")
    assert (ended.status, units_of(ended)) == ("CANCELLED", [Units(5, received=1, damaged=1, returned=3)])
    assert (level(engine, item), level(engine, item._replace(warehouse_id=to))) == ((7, 0), (1, 0))
    await has_ended(stock, number)
    last = await transfer.refresh()
    with nothing_is_stored(engine):
        assert await transfer.receive("R-1", [came(item, 1, damaged=1)], performed_by="dock") == last
        assert await transfer.cancel(performed_by="planning", reason="wrong lorry") == last
        with pytest.raises(InvalidState):
            await transfer.dispatch(performed_by="loading")


async def test_a_receipt_sent_again_is_booked_once_and_answered_with_what_is_true_now(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, to = shop.item(9), shop.warehouse()
    transfer = await dispatched(stock, new_reference("t"), to, (item, 5))
    await transfer.receive("R-1", [came(item, 2)], performed_by="dock")
    now = await transfer.receive("R-2", [came(item, 1)], performed_by="dock")
    assert units_of(now) == [Units(5, received=3, in_transit=2)]
    with nothing_is_stored(engine):
        # Temporal has kept what the first answer was; by now more is there.
        for _ in range(4):
            assert await transfer.receive("R-1", [came(item, 2)], performed_by="the next shift") == now
        for other in ([came(item, 1)], [came(item, 1, damaged=1)]):
            with pytest.raises(OperationConflict):
                await transfer.receive("R-1", other, performed_by="dock")
    assert (transfer.state, level(engine, item._replace(warehouse_id=to))) == (now, (3, 0))


async def test_a_receipt_that_somebody_else_sent_is_known_after_the_end(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(9), new_reference("t")
    transfer = await dispatched(stock, number, shop.warehouse(), (item, 5))
    run = stock.client.get_workflow_handle(f"transfer-{number}")
    await run.signal("receive", arrival("R-1", arrived(item, 4, 1)))
    await has_ended(stock, number)
    with nothing_is_stored(engine):
        state = await transfer.receive("R-1", [came(item, 4, damaged=1)], performed_by="dock")
        assert (state.status, units_of(state)) == ("RECEIVED", [Units(5, received=4, damaged=1)])
        with pytest.raises(OperationConflict, match=r"delivery R-1 of .* was booked with other quantities"):
            await transfer.receive("R-1", [came(item, 5)], performed_by="dock")
        with pytest.raises(InvalidState):
            await transfer.receive("R-2", [came(item, 4, damaged=1)], performed_by="dock")


async def test_a_receipt_that_came_too_early_is_booked_when_it_is_sent_again(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, to = shop.item(9), shop.warehouse()
    transfer = await create(stock, new_reference("t"), to, (item, 5))
    with nothing_is_stored(engine), pytest.raises(InvalidState) as refused:
        await transfer.receive("R-1", [came(item, 2)], performed_by="dock")
    assert refused.value.details == {"status": "PENDING", "command": "receive"}
    for _ in range(2):
        await transfer.dispatch(performed_by="loading")
    for _ in range(2):
        state = await transfer.receive("R-1", [came(item, 2)], performed_by="dock")
        assert (units_of(state), level(engine, item._replace(warehouse_id=to))) == (
            [Units(5, received=2, in_transit=3)],
            (2, 0),
        )


async def test_one_that_is_asked_for_twice_is_one_transfer(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    item, to, number = shop.item(9), shop.warehouse(), new_reference("t")
    first = await create(stock, number, to, (item, 5))
    with nothing_is_stored(engine):
        assert (await create(stock, number, to, (item, 5))).state == first.state
        here, there = shop.warehouse(), shop.warehouse()
        split = "its lines are split or ordered in another way, or at another place or cost"
        for other, what in (
            (create(stock, number, to, (item, 4)), f"it has 5 of product {item.product_id}, not 4"),
            (create(stock, number, to, (item, 3), (item, 2)), split),
            (create(stock, number, there, (item, 5)), f"its to warehouse is warehouse {to}, not warehouse {there}"),
            (
                create(stock, number, to, (item._replace(warehouse_id=here), 5)),
                f"its from warehouse is warehouse {item.warehouse_id}, not warehouse {here}",
            ),
        ):
            conflict = f"^transfer {number} already exists with other contents: {what}$"
            with pytest.raises(OperationConflict, match=conflict):
                await other
    await first.dispatch(performed_by="loading")
    received = await first.receive("R-1", [came(item, 5)], performed_by="dock")
    await has_ended(stock, number)
    with nothing_is_stored(engine):
        assert (await create(stock, number, to, (item, 5))).state == received
        with pytest.raises(OperationConflict):
            await create(stock, number, to, (item, 4))


async def test_out_of_stock_has_the_numbers_and_may_be_tried_again(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, to, number = shop.item(3), shop.warehouse(), new_reference("t")
    with nothing_is_stored(engine), pytest.raises(InsufficientStock) as refused:
        await create(stock, number, to, (item, 2), (item, 2))
    assert refused.value.shortages == [Shortage(item.product_id, item.warehouse_id, requested=4, available=3)]
    await has_ended(stock, number)
    rejected = await stock.transfer(number)
    assert (rejected.state.status, rejected.state.transfer_id) == ("REJECTED", None)
    assert [each.model_dump() for each in rejected.state.shortages] == refused.value.details
    with nothing_is_stored(engine), pytest.raises(InvalidState):
        await rejected.dispatch(performed_by="loading")
    shop.move(item, 1)
    transfer = await create(stock, number, to, (item, 2), (item, 2))
    assert (transfer.state.status, transfer.state.shortages, level(engine, item)) == ("PENDING", [], (4, 4))


async def test_one_that_was_made_elsewhere_is_found_by_its_number(stock: Stockkeeper, shop: Shop) -> None:
    item, number = shop.item(9), new_reference("t")
    await create(stock, number, shop.warehouse(), (item, 5))
    found = await stock.transfer(number)
    assert (found.transfer_number, found.state.status, units_of(found.state)) == (number, "PENDING", [Units(5)])
    assert units_of(await found.dispatch(performed_by="loading")) == [Units(5, in_transit=5)]
    with pytest.raises(NotFound):
        await stock.transfer(new_reference("t"))


async def test_a_wrong_transfer_stores_nothing(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    item, to = shop.item(9), shop.warehouse()
    number = new_reference("t")
    with nothing_is_stored(engine):
        with pytest.raises(
            InvalidRequest, match=r"^to_warehouse_id: must be another warehouse than from_warehouse_id$"
        ):
            await create(stock, number, item.warehouse_id, (item, 5))
        with pytest.raises(InvalidRequest, match=r"^expected_transit_hours: Input should be greater than 0$"):
            await create(stock, number, to, (item, 5), hours=0)
        # Nothing was sent.
        with pytest.raises(NotFound):
            await stock.transfer(number)
        with pytest.raises(UnknownWarehouse) as nowhere:
            await create(stock, new_reference("t"), 10**12, (item, 5))
        assert nowhere.value.ids == [10**12]
        with pytest.raises(UnknownProduct) as nothing:
            await create(stock, new_reference("t"), to, (item, 1), (item._replace(product_id=10**12), 1))
        assert nothing.value.ids == [10**12]
