"""A Python service and its adjustments: typed calls, and errors of ours whatever Temporal calls them."""

from decimal import Decimal

import pytest
from sqlalchemy import Engine

from stockkeeper import (
    Adjustment,
    AdjustmentAwaitingApproval,
    InsufficientStock,
    InvalidRequest,
    InvalidState,
    Line,
    NotFound,
    NotPermitted,
    OperationConflict,
    Shortage,
    Stockkeeper,
    UnknownProduct,
    UnknownWarehouse,
)
from stockkeeper.domain.stock import ItemKey
from tests.support.adjustment import movements, priced, stored
from tests.support.books import level, nothing_is_stored
from tests.support.commands import names
from tests.support.shop import Shop, new_reference
from tests.support.wire import eventually


async def adjust(stock: Stockkeeper, number: str, *lines: tuple[ItemKey, int]) -> Adjustment:
    return await stock.adjust(
        number,
        [Line(product_id=item.product_id, quantity=units) for item, units in lines],
        warehouse_id=lines[0][0].warehouse_id,
        reason="stocktaking",
        performed_by="tom",
    )


async def has_ended(stock: Stockkeeper, number: str) -> None:
    """Return once the run has closed."""
    await stock.client.get_workflow_handle(f"adjustment-{number}").result()


@pytest.fixture
def dear(shop: Shop) -> ItemKey:
    """Twelve units of which one is above the limit."""
    return shop.item(12, product=priced(shop, "600.00"))


async def test_the_books_are_put_right_once_however_often_it_is_asked_for(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(9), new_reference("a")
    elsewhere = shop.item(9, product=item.product_id)
    made = await adjust(stock, number, (item, -2))
    assert (made.adjustment_number, made.state.status, level(engine, item)) == (number, "POSTED", (7, 0))
    await has_ended(stock, number)
    with nothing_is_stored(engine):
        assert (await adjust(stock, number, (item, -2))).state == made.state
        for other in ([(item, -3)], [(item, -1), (item, -1)], [(elsewhere, -2)]):
            with pytest.raises(OperationConflict):
                await adjust(stock, number, *other)
    assert len(movements(engine, number)) == 1


async def test_one_that_waits_is_found_and_decided_by_somebody_else(
    stock: Stockkeeper, shop: Shop, engine: Engine, dear: ItemKey
) -> None:
    number = new_reference("a")
    made = await adjust(stock, number, (dear, -1))
    with nothing_is_stored(engine):
        what = f"it has -1 of product {dear.product_id}, not -2"
        conflict = f"^adjustment {number} already exists with other contents: {what}$"
        with pytest.raises(OperationConflict, match=conflict):
            await adjust(stock, number, (dear, -2))
        with pytest.raises(NotPermitted):
            await made.approve(approver="Tom")

    async def inbox() -> list[AdjustmentAwaitingApproval]:
        return [each for each in await stock.adjustments_awaiting_approval() if each.adjustment_number == number]

    [waiting] = await eventually(inbox, bool)
    assert waiting == AdjustmentAwaitingApproval(
        adjustment_number=number,
        warehouse=names(engine, dear)[1],
        value=Decimal("600.00"),
        unvalued_units=0,
        reason="stocktaking",
        requested_by="tom",
        since=stored(engine, number).created_at,
        approve_by=made.state.approve_by,
    )
    found = await stock.adjustment(number)
    approved = await found.approve(approver="ann", note="seen it")
    assert (approved.status, approved.approved_by, level(engine, dear)) == ("POSTED", "ann", (11, 0))
    await has_ended(stock, number)
    with nothing_is_stored(engine):
        # After the end as before: sent twice it is what was wanted, and anything else comes too late.
        last = await found.refresh()
        assert await found.approve(approver="ANN") == await made.approve(approver="ann") == last
        for command, late in {
            "approve": found.approve(approver="bob"),
            "reject": found.reject(approver="bob", reason="no"),
            "cancel": found.cancel(performed_by="tom", reason="no"),
        }.items():
            with pytest.raises(InvalidState) as refused:
                await late
            assert refused.value.details == {"status": "POSTED", "command": command}


async def test_what_was_rejected_or_cancelled_stays_so(stock: Stockkeeper, engine: Engine, dear: ItemKey) -> None:
    rejected, cancelled = [await adjust(stock, new_reference("a"), (dear, -1)) for _ in range(2)]
    assert (await rejected.reject(approver="ann", reason="count again")).status == "REJECTED"
    assert (await cancelled.cancel(performed_by="tom", reason="found it")).status == "CANCELLED"
    for each in (rejected, cancelled):
        await has_ended(stock, each.adjustment_number)
    with nothing_is_stored(engine):
        assert (await rejected.reject(approver="bob", reason="once more")).closed_reason == "count again"
        assert (await cancelled.cancel(performed_by="bob", reason="once more")).closed_reason == "found it"
        for each in (rejected, cancelled):
            with pytest.raises(InvalidState):
                await each.approve(approver="ann")
        with pytest.raises(InvalidState):
            await rejected.cancel(performed_by="tom", reason="never mind")
    assert level(engine, dear) == (12, 0)


async def test_too_little_on_hand_has_the_numbers_and_may_be_tried_again(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(3), new_reference("a")
    with nothing_is_stored(engine), pytest.raises(InsufficientStock) as refused:
        await adjust(stock, number, (item, -2), (item, -2))
    assert refused.value.shortages == [Shortage(item.product_id, item.warehouse_id, requested=4, available=3)]
    await has_ended(stock, number)
    short = await stock.adjustment(number)
    assert (short.state.status, [each.model_dump() for each in short.state.shortages]) == (
        "REJECTED",
        refused.value.details,
    )
    # Nobody has rejected it.
    with pytest.raises(InvalidState):
        await short.reject(approver="ann", reason="no")
    shop.move(item, 1)
    assert (await adjust(stock, number, (item, -2), (item, -2))).state.status == "POSTED"


async def test_a_wrong_adjustment_stores_nothing(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    item, number = shop.item(9), new_reference("a")
    with nothing_is_stored(engine):
        with pytest.raises(InvalidRequest, match=r"^reason: String should have at least 1 character$"):
            await stock.adjust(
                number,
                [Line(product_id=item.product_id, quantity=1)],
                warehouse_id=item.warehouse_id,
                reason="",
                performed_by="tom",
            )
        # Nothing was sent.
        with pytest.raises(NotFound):
            await stock.adjustment(number)
        with pytest.raises(UnknownWarehouse) as nowhere:
            await adjust(stock, new_reference("a"), (item._replace(warehouse_id=10**12), 1))
        with pytest.raises(UnknownProduct) as nothing:
            await adjust(stock, new_reference("a"), (item, 1), (item._replace(product_id=10**12), 1))
    assert (nowhere.value.ids, nothing.value.ids) == ([10**12], [10**12])
