"""Goods that come: in parts, twice, at once, too many, rejected, or not at all."""

import asyncio
from decimal import Decimal

from sqlalchemy import Engine, text

from stockkeeper.domain.stock import ItemKey
from tests.support.approvals import NO_APPROVAL
from tests.support.books import ItemBooks, books, level, nothing_is_stored
from tests.support.purchase_order import Branch, Purchasing, came, draft, quantities, receipt, wanted
from tests.support.purchase_order_rows import purchases
from tests.support.rows import locked
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, Refusal, at_once, less_notices, refusal


async def ordered(purchasing: Purchasing, shop: Shop, *lines: tuple[ItemKey, int]) -> str:
    """The number of an order that is out."""
    number = new_reference("po")
    state = await purchasing.draft(number, shop.supplier(), lines, approval=NO_APPROVAL)
    assert state["status"] == "SUBMITTED"
    return number


async def test_each_line_that_came_is_a_movement(purchasing: Purchasing, shop: Shop, engine: Engine) -> None:
    first, second, third = shop.items(3, units=4)
    number = await ordered(purchasing, shop, (first, 10), (second, 5), (third, 5), (first, 2))
    state = await purchasing.receive(number, "truck-1", came(second, 2), came(first, 11), performed_by="willy")
    assert (state["status"], quantities(state)) == ("SUBMITTED", [(10, 10, 0), (5, 2, 0), (5, 0, 0), (2, 1, 0)])
    assert [level(engine, item) for item in (first, second, third)] == [(15, 0), (6, 0), (4, 0)]
    why = f"receipt truck-1 of purchase order {number}"
    assert purchases(engine, number) == [
        (first.product_id, 10, 14, "willy", why),
        (second.product_id, 2, 6, "willy", why),
        (first.product_id, 1, 15, "willy", why),
    ]
    with engine.connect() as connection:
        movements = text("SELECT DISTINCT workflow_id, run_id FROM stock_movements WHERE reference_id = :number")
        run = await purchasing.handle(number).describe()
        assert connection.execute(movements, {"number": number}).all() == [(f"purchase-order-{number}", run.run_id)]
    state = await purchasing.receive(number, "truck-2", came(third, 5), came(second, 3), came(first, 1))
    assert (state["status"], quantities(state)) == ("RECEIVED", [(10, 10, 0), (5, 5, 0), (5, 5, 0), (2, 2, 0)])
    assert [level(engine, item) for item in (first, second, third)] == [(16, 0), (9, 0), (9, 0)]


async def test_an_item_that_the_warehouse_never_held_is_made_by_its_first_receipt(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    item = ItemKey(shop.warehouse(), shop.product())
    number = await ordered(purchasing, shop, (item, 10))
    with engine.connect() as connection:
        held = text("SELECT count(*) FROM inventory_items WHERE warehouse_id = :warehouse_id")
        assert connection.execute(held, item._asdict()).scalar_one() == 0
    await purchasing.receive(number, "truck-1", came(item, 3))
    assert books(engine, item).items == (ItemBooks(on_hand=3, reserved=0, held=0, open_lines=0, movements=1, moved=3),)
    await purchasing.receive(number, "truck-2", came(item, 7))
    assert books(engine, item).items == (
        ItemBooks(on_hand=10, reserved=0, held=0, open_lines=0, movements=2, moved=10),
    )


async def test_a_receipt_that_is_sent_five_times_is_booked_once(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    item = shop.item(4)
    number = await ordered(purchasing, shop, (item, 10))
    first, *others = await at_once(*(purchasing.receive(number, "truck-1", came(item, 3)) for _ in range(5)))
    assert (quantities(first), level(engine, item)) == ([(10, 3, 0)], (7, 0))
    assert [less_notices(each) for each in others] == [less_notices(first)] * 4
    with nothing_is_stored(engine):
        for way in ("late shift", "wes"):
            again = await purchasing.receive(number, "truck-1", came(item, 3, 0), performed_by=way)
            assert less_notices(again) == less_notices(first)
        for _ in range(3):
            await purchasing.signal(number, "receive", receipt("truck-1", came(item, 3)))
        assert less_notices(await purchasing.receive(number, "truck-1", came(item, 3))) == less_notices(first)
    assert len(purchases(engine, number)) == 1


async def test_a_repeated_receipt_is_answered_with_the_present_state(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    item = shop.item(4)
    number = await ordered(purchasing, shop, (item, 10))
    await purchasing.receive(number, "truck-1", came(item, 3))
    await purchasing.receive(number, "truck-2", came(item, 2))
    confirmed = await purchasing.confirm(number, "2199-01-01")
    with nothing_is_stored(engine):
        again = await purchasing.receive(number, "truck-1", came(item, 3))
    assert less_notices(again) == less_notices(confirmed)
    assert quantities(again) == [(10, 5, 0)]


async def test_a_receipt_says_why_units_were_rejected(purchasing: Purchasing, shop: Shop, engine: Engine) -> None:
    item = shop.item(4)
    number = await ordered(purchasing, shop, (item, 10))
    state = await purchasing.receive(number, "truck-1", came(item, 3, 2), unfit_reason="damaged in transport")
    [booked] = state["receipts"]
    assert booked == {
        "receipt_id": "truck-1",
        "at": booked["at"],
        "performed_by": "wes",
        "accepted": 3,
        "unfit": 2,
        "unfit_reason": "damaged in transport",
    }
    with nothing_is_stored(engine):
        again = await purchasing.receive(number, "truck-1", came(item, 3, 2), unfit_reason="damaged in transport")
        assert less_notices(again) == less_notices(state)
        for reason in ("wrong item", None):
            refused = await refusal(purchasing.receive(number, "truck-1", came(item, 3, 2), unfit_reason=reason))
            assert refused.type == "OperationConflict"
        for lines in ([came(item, 1)], [came(item, 1, 0), came(item, 2, 0)]):
            refused = await refusal(purchasing.receive(number, "truck-2", *lines, unfit_reason="wrong item"))
            assert refused == Refusal(
                "InvalidRequest", {}, "unfit_reason: a reason needs units that were rejected or damaged"
            )
    state = await purchasing.receive(number, "truck-2", came(item, 1, 1), unfit_reason=None)
    assert ["unfit_reason" in each for each in state["receipts"]] == [True, False]
    assert (quantities(state), level(engine, item)) == ([(10, 4, 3)], (8, 0))
    assert "2 (damaged in transport)" in (await purchasing.metadata(number)).current_details


async def test_the_same_receipt_with_other_lines_is_a_conflict(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    item, other = shop.items(2, units=4)
    number = await ordered(purchasing, shop, (item, 10), (other, 10))
    before = await purchasing.receive(number, "truck-1", came(item, 3))
    with nothing_is_stored(engine):
        for lines in ([came(item, 4)], [came(item, 3, 1)], [came(other, 3)], [came(item, 3), came(other, 1)]):
            refused = await refusal(purchasing.receive(number, "truck-1", *lines))
            assert refused.type == "OperationConflict"
        await purchasing.signal(number, "receive", receipt("truck-1", came(item, 5)))
        [note] = await purchasing.noted(number, 1)
        assert note.startswith("signal receive refused: OperationConflict: ")
        assert less_notices(await purchasing.state(number)) | {"notes": []} == less_notices(before)
    # Another order's receipts have names of their own.
    await purchasing.receive(await ordered(purchasing, shop, (item, 10)), "truck-1", came(item, 4))
    assert level(engine, item) == (11, 0)


async def test_two_receipts_at_once_are_both_booked(purchasing: Purchasing, shop: Shop, engine: Engine) -> None:
    item = shop.item(4)
    number = await ordered(purchasing, shop, (item, 10))
    states = await at_once(
        purchasing.receive(number, "truck-1", came(item, 3)), purchasing.receive(number, "truck-2", came(item, 2))
    )
    assert sorted(quantities(state)[0][1] for state in states)[1] == 5
    assert (quantities(await purchasing.state(number)), level(engine, item)) == ([(10, 5, 0)], (9, 0))
    assert [(units, balance) for _, units, balance, _, _ in purchases(engine, number)] in (
        [(3, 7), (2, 9)],
        [(2, 6), (3, 9)],
    )


async def test_two_receipts_at_once_of_what_only_one_may_bring(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    item = shop.item(4)
    number = await ordered(purchasing, shop, (item, 10))

    async def receive(receipt_id: str) -> str:
        return str((await purchasing.receive(number, receipt_id, came(item, 6)))["status"])

    async with locked(engine, item) as lock:
        first = asyncio.ensure_future(receive("truck-1"))
        await lock.has_somebody_waiting()
        second = asyncio.ensure_future(refusal(purchasing.receive(number, "truck-2", came(item, 6))))
    assert await first == "SUBMITTED"
    assert (await second).type == "InvalidRequest"
    assert (quantities(await purchasing.state(number)), level(engine, item)) == ([(10, 6, 0)], (10, 0))


async def test_ten_that_come_for_five_that_are_owed_are_refused(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    item, other = shop.items(2, units=4)
    number = await ordered(purchasing, shop, (item, 10), (other, 10))
    before = await purchasing.receive(number, "truck-1", came(item, 5))
    details = {"product_id": item.product_id, "quantity": 10, "owed": 5, "at_most": 5}
    told = f"product {item.product_id}: 10 delivered, but only 5 still owed"
    with nothing_is_stored(engine):
        refused = await refusal(purchasing.receive(number, "truck-2", came(other, 1), came(item, 10)))
        assert refused == Refusal("InvalidRequest", details, told)
        # The same product on two lines counts together.
        assert await refusal(purchasing.receive(number, "truck-2", came(item, 4), came(item, 6))) == refused
        await purchasing.signal(number, "receive", receipt("truck-2", came(item, 10)))
        assert await purchasing.noted(number, 1) == [f"signal receive refused: InvalidRequest: {told}"]
        assert less_notices(await purchasing.state(number)) | {"notes": []} == less_notices(before)
    # A name that was refused isn't used up.
    assert quantities(await purchasing.receive(number, "truck-2", came(item, 5))) == [(10, 10, 0), (10, 0, 0)]


async def test_rejected_goods_stay_out_of_stock_and_are_still_owed(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    item = shop.item(4)
    number = await ordered(purchasing, shop, (item, 10))
    state = await purchasing.receive(number, "truck-1", came(item, 0, 10))
    assert (state["status"], quantities(state)) == ("SUBMITTED", [(10, 0, 10)])
    assert (level(engine, item), purchases(engine, number)) == ((4, 0), [])
    state = await purchasing.receive(number, "truck-2", came(item, 8, 3))
    assert (state["status"], quantities(state), level(engine, item)) == ("SUBMITTED", [(10, 8, 13)], (12, 0))
    with nothing_is_stored(engine):
        refused = await refusal(purchasing.receive(number, "truck-3", came(item, 3, 1)))
        assert refused.message == f"product {item.product_id}: 3 delivered, but only 2 still owed"
    state = await purchasing.receive(number, "truck-3", came(item, 2))
    assert (state["status"], quantities(state), level(engine, item)) == ("RECEIVED", [(10, 10, 13)], (14, 0))


async def test_an_order_of_which_everything_was_rejected_may_still_be_cancelled(
    purchasing: Purchasing, shop: Shop, item: ItemKey, engine: Engine
) -> None:
    async def ends(how: str) -> None:
        number = await ordered(purchasing, shop, (item, 10))
        await purchasing.receive(number, "truck-1", came(item, 0, 10))
        await getattr(purchasing, how)(number)
        state = await purchasing.result(number)
        assert (state["status"], quantities(state)) == ("CANCELLED", [(10, 0, 10)])

    await at_once(ends("cancel"), ends("close_short"))
    assert level(engine, item) == (4, 0)


async def test_more_than_ordered_comes_within_the_tolerance_of_the_day_of_the_draft(
    branch: Branch, shop: Shop, engine: Engine
) -> None:
    item, other = shop.items(2, units=4)
    purchasing = branch.purchasing
    async with branch.worker(over_delivery_percent=Decimal("12.5")):
        # Two and a half more are two, an eighth more is one, and three quarters of a unit none.
        number = await ordered(purchasing, shop, (item, 20), (item, 8), (other, 6))
    async with branch.worker():
        strict = await ordered(purchasing, shop, (item, 20))
        with nothing_is_stored(engine):
            refused = await refusal(purchasing.receive(number, "truck-1", came(item, 32)))
            assert refused.details == {"product_id": item.product_id, "quantity": 32, "owed": 28, "at_most": 31}
            assert refused.message == (
                f"product {item.product_id}: 32 delivered, but only 28 still owed, at most 31 with the tolerance"
            )
            refused = await refusal(purchasing.receive(number, "truck-1", came(other, 7)))
            assert refused.message == f"product {other.product_id}: 7 delivered, but only 6 still owed"
            assert (await refusal(purchasing.receive(strict, "truck-1", came(item, 21)))).type == "InvalidRequest"
        state = await purchasing.receive(number, "truck-1", came(item, 31))
        assert (state["status"], quantities(state)) == ("SUBMITTED", [(20, 22, 0), (8, 9, 0), (6, 0, 0)])
        state = await purchasing.receive(number, "truck-2", came(other, 6))
        assert (state["status"], level(engine, item), level(engine, other)) == ("RECEIVED", (35, 0), (10, 0))


async def test_what_came_cannot_be_cancelled_but_closed_short(
    purchasing: Purchasing, shop: Shop, item: ItemKey, engine: Engine
) -> None:
    async def closed(status: str) -> None:
        number = await ordered(purchasing, shop, (item, 10))
        if status == "CONFIRMED":
            await purchasing.confirm(number)
        before = await purchasing.receive(number, "truck-1", came(item, 3))
        refused = await refusal(purchasing.cancel(number))
        told = f"{number} has received goods and can't be cancelled; close it short instead"
        assert refused == Refusal("InvalidState", {"status": status, "command": "cancel"}, told)
        assert less_notices(await purchasing.state(number)) == less_notices(before)
        await purchasing.close_short(number, "the factory burnt down")
        state = await purchasing.result(number)
        assert (state["status"], state["closed_reason"]) == ("RECEIVED", "the factory burnt down")
        assert quantities(state) == [(10, 3, 0)]

    await at_once(closed("SUBMITTED"), closed("CONFIRMED"))
    assert level(engine, item) == (10, 0)


async def test_goods_that_come_by_signal_before_anybody_works_are_booked(
    branch: Branch, shop: Shop, engine: Engine
) -> None:
    item, number = shop.item(4), new_reference("po")
    purchasing = branch.purchasing
    start = draft(number, shop.supplier(), item.warehouse_id, wanted(item, 10), approval=NO_APPROVAL)
    await purchasing.start(number, [start])
    for receipt_id, units in (("truck-1", 3), ("truck-2", 8), ("truck-1", 3), ("truck-3", 7)):
        await purchasing.signal(number, "receive", receipt(receipt_id, came(item, units)))
    async with branch.worker():
        state = await purchasing.result(number)
    assert (state["status"], quantities(state), level(engine, item)) == ("RECEIVED", [(10, 10, 0)], (14, 0))
    assert [note[25:] for note in state["notes"]] == [
        f"signal receive refused: InvalidRequest: product {item.product_id}: 8 delivered, but only 7 still owed"
    ]


async def test_orders_that_are_open_at_once_fill_the_shelves_exactly(
    purchasing: Purchasing, shop: Shop, engine: Engine
) -> None:
    items, supplier = shop.items(3, units=4), shop.supplier()
    # More than a worker has local slots: as many steps meet as can.
    places = {new_reference("po"): place for place in range(40)}

    async def opened(number: str, place: int) -> Json:
        lines = [(items[place % 3], 3), (items[(place + 1) % 3], 2)]
        return (await purchasing.draft(number, supplier, lines, approval=NO_APPROVAL))["status"]

    async def received(number: str, place: int) -> Json:
        first, second = items[place % 3], items[(place + 1) % 3]
        if place < 12:
            await purchasing.receive(number, "truck-1", came(second, 2), came(first, 1))
            # They end with another product each, and with two together: whoever locks one by one is in a circle.
            await purchasing.receive(number, "truck-2", came(first, 2))
        else:
            await purchasing.receive(number, "truck-1", came(first, 3), came(second, 2))
        return (await purchasing.result(number))["status"]

    deadlocks = _deadlocks(engine)
    assert await at_once(*(opened(*each) for each in places.items())) == ["SUBMITTED"] * 40
    assert await at_once(*(received(*each) for each in places.items())) == ["RECEIVED"] * 40
    # 14 of forty begin with the first item, and 13 with each of the others.
    assert [level(engine, item) for item in items] == [
        (4 + 14 * 3 + 13 * 2, 0),
        (4 + 13 * 3 + 14 * 2, 0),
        (4 + 13 * 3 + 13 * 2, 0),
    ]
    assert {sum(units for _, units, *_ in purchases(engine, number)) for number in places} == {5}
    assert _deadlocks(engine) == deadlocks


def _deadlocks(engine: Engine) -> int:
    with engine.connect() as connection:
        counted = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(connection.execute(counted).scalar_one())
