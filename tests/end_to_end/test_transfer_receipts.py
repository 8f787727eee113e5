"""Goods that arrive: in parts, twice, at once, too many, damaged, or not at all."""

import asyncio
from datetime import datetime

from sqlalchemy import Engine, text

from tests.support.books import ItemBooks, books, level, nothing_is_stored
from tests.support.purchase_order import Branch
from tests.support.rows import locked
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers, Units, arrival, arrived, journey, moved, transfer, units
from tests.support.transfer_rows import movements, named, stocked, transit, whereabouts
from tests.support.wire import Refusal, at_once, less_notices, refusal


def booked_at(engine: Engine, number: str) -> dict[str, datetime]:
    """When each receipt of a transfer was booked."""
    with engine.connect() as connection:
        booked = text("""
            SELECT receipt_id, min(transit_movements.created_at) AS at
            FROM transit_movements JOIN transfer_orders USING (transfer_id)
            WHERE transfer_number = :number AND receipt_id IS NOT NULL GROUP BY receipt_id
        """)
        return {row.receipt_id: row.at for row in connection.execute(booked, {"number": number})}


async def test_a_receipt_says_why_units_came_damaged(transfers: Transfers, shop: Shop, engine: Engine) -> None:
    number, source, there = await journey(transfers, shop)
    state = await transfers.receive(number, "truck-1", arrived(source, 3, 2), unfit_reason="wet")
    [booked] = state["receipts"]
    assert {**booked, "at": None} == {
        "receipt_id": "truck-1",
        "at": None,
        "performed_by": "dora",
        "accepted": 3,
        "unfit": 2,
        "unfit_reason": "wet",
    }
    with nothing_is_stored(engine):
        again = await transfers.receive(number, "truck-1", arrived(source, 3, 2), unfit_reason="wet")
        assert less_notices(again) == less_notices(state)
        refused = await refusal(transfers.receive(number, "truck-1", arrived(source, 3, 2), unfit_reason="dry"))
        assert refused.type == "OperationConflict"
        refused = await refusal(transfers.receive(number, "truck-2", arrived(source, 1), unfit_reason="wet"))
        assert refused == Refusal(
            "InvalidRequest", {}, "unfit_reason: a reason needs units that were rejected or damaged"
        )
    assert (units(state), level(engine, there)) == ([Units(10, 3, 2, in_transit=5)], (3, 0))
    state = await transfers.receive(number, "truck-2", arrived(source, 5))
    assert ["unfit_reason" in each for each in state["receipts"]] == [True, False]


async def test_it_arrives_in_three_parts_with_damage_and_a_loss(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    first, second, third = shop.items(3, units=20)
    to, number = shop.warehouse(), new_reference("load")
    there = [item._replace(warehouse_id=to) for item in (first, second, third)]
    ids = [item.product_id for item in (first, second, third)]
    await transfers.dispatched(number, to, [(first, 10), (second, 5), (third, 5), (first, 4)])
    # A product that stands on two lines fills them in order: what is fit first, then what is damaged.
    state = await transfers.receive(number, "truck-1", arrived(second, 2), arrived(first, 9, 3), performed_by="wes")
    assert (state["status"], units(state)) == (
        "IN_TRANSIT",
        [Units(10, 9, 1), Units(5, 2, in_transit=3), Units(5, in_transit=5), Units(4, 0, 2, in_transit=2)],
    )
    assert [stocked(engine, item) for item in there] == [(9, 0), (2, 0), None]
    # The same product on two lines of a receipt counts together.
    state = await transfers.receive(number, "truck-2", arrived(third, 1, 1), arrived(third, 1), arrived(first, 1))
    assert units(state)[2:] == [Units(5, 2, 1, in_transit=2), Units(4, 1, 2, in_transit=1)]
    state = await transfers.receive(number, "truck-3", arrived(third, 0, 2), arrived(second, 1))
    assert (state["status"], units(state)) == (
        "IN_TRANSIT",
        [Units(10, 9, 1), Units(5, 3, in_transit=2), Units(5, 2, 3), Units(4, 1, 2, in_transit=1)],
    )
    state = await transfers.write_off(number, "stolen at the border")
    assert (state["status"], units(state)) == (
        "RECEIVED",
        [Units(10, 9, 1), Units(5, 3, written_off=2), Units(5, 2, 3), Units(4, 1, 2, 1)],
    )
    when = booked_at(engine, number)
    assert [each | {"at": datetime.fromisoformat(each["at"])} for each in state["receipts"]] == [
        {"receipt_id": "truck-1", "at": when["truck-1"], "performed_by": "wes", "accepted": 11, "unfit": 3},
        {"receipt_id": "truck-2", "at": when["truck-2"], "performed_by": "dora", "accepted": 3, "unfit": 1},
        {"receipt_id": "truck-3", "at": when["truck-3"], "performed_by": "dora", "accepted": 1, "unfit": 2},
    ]
    why = [f"receipt truck-{each} of transfer {number}" for each in (1, 2, 3)]
    left = f"dispatched on transfer {number}"
    assert movements(engine, number) == [
        (*first, "TRANSFER_OUT", -10, 10, "sid", left),
        (*second, "TRANSFER_OUT", -5, 15, "sid", left),
        (*third, "TRANSFER_OUT", -5, 15, "sid", left),
        (*first, "TRANSFER_OUT", -4, 6, "sid", left),
        (*there[0], "TRANSFER_IN", 9, 9, "wes", why[0]),
        (*there[1], "TRANSFER_IN", 2, 2, "wes", why[0]),
        (*there[2], "TRANSFER_IN", 2, 2, "dora", why[1]),
        (*there[0], "TRANSFER_IN", 1, 10, "dora", why[1]),
        (*there[1], "TRANSFER_IN", 1, 3, "dora", why[2]),
    ]
    assert transit(engine, number) == [
        (1, "DISPATCHED", 10, 10, None, "sid", left),
        (2, "DISPATCHED", 5, 5, None, "sid", left),
        (3, "DISPATCHED", 5, 5, None, "sid", left),
        (4, "DISPATCHED", 4, 4, None, "sid", left),
        (1, "RECEIVED", -9, 1, "truck-1", "wes", why[0]),
        (2, "RECEIVED", -2, 3, "truck-1", "wes", why[0]),
        (1, "DAMAGED", -1, 0, "truck-1", "wes", why[0]),
        (4, "DAMAGED", -2, 2, "truck-1", "wes", why[0]),
        (3, "RECEIVED", -2, 3, "truck-2", "dora", why[1]),
        (4, "RECEIVED", -1, 1, "truck-2", "dora", why[1]),
        (3, "DAMAGED", -1, 2, "truck-2", "dora", why[1]),
        (2, "RECEIVED", -1, 2, "truck-3", "dora", why[2]),
        (3, "DAMAGED", -2, 0, "truck-3", "dora", why[2]),
        (2, "WRITTEN_OFF", -2, 0, None, "dora", "stolen at the border"),
        (4, "WRITTEN_OFF", -1, 0, None, "dora", "stolen at the border"),
    ]
    assert whereabouts(engine, ids, (first.warehouse_id, to)) == ((36, 15), 0, 6, 3)
    name = named(engine, number)
    await transfers.told(
        number,
        ("WAREHOUSE", f"Damaged on the way: 3 units of {name}"),
        ("WAREHOUSE", f"Damaged on the way: 1 unit of {name}"),
        ("WAREHOUSE", f"Damaged on the way: 2 units of {name}"),
        ("WAREHOUSE", f"Written off: 3 units of {name}: stolen at the border"),
    )


async def test_an_item_that_the_destination_never_held_is_made_by_the_first_fit_unit(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    number, _, target = await journey(transfers, shop)
    await transfers.receive(number, "truck-1", arrived(target, 0, 2))
    assert stocked(engine, target) is None
    await transfers.receive(number, "truck-2", arrived(target, 3))
    assert books(engine, target).items == (
        ItemBooks(on_hand=3, reserved=0, held=0, open_lines=0, movements=1, moved=3),
    )
    await transfers.receive(number, "truck-3", arrived(target, 5))
    assert books(engine, target).items == (
        ItemBooks(on_hand=8, reserved=0, held=0, open_lines=0, movements=2, moved=8),
    )
    assert (await transfers.result(number))["status"] == "RECEIVED"


async def test_a_receipt_that_is_sent_five_times_is_booked_once(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    number, _, target = await journey(transfers, shop)
    first, *others = await at_once(*(transfers.receive(number, "truck-1", arrived(target, 3, 1)) for _ in range(5)))
    assert (units(first), stocked(engine, target)) == ([Units(10, 3, 1, in_transit=6)], (3, 0))
    assert [less_notices(each) for each in others] == [less_notices(first)] * 4
    with nothing_is_stored(engine):
        for who in ("late shift", "wes"):
            again = await transfers.receive(number, "truck-1", arrived(target, 3, 1), performed_by=who)
            assert less_notices(again) == less_notices(first)
        for _ in range(3):
            await transfers.signal(number, "receive", arrival("truck-1", arrived(target, 3, 1)))
        assert less_notices(await transfers.receive(number, "truck-1", arrived(target, 3, 1))) == less_notices(first)
    assert (len(movements(engine, number)), len(transit(engine, number))) == (2, 3)
    # Nobody hears of the damage five times.
    await transfers.told(number, ("WAREHOUSE", f"Damaged on the way: 1 unit of {named(engine, number)}"))


async def test_a_repeated_receipt_is_answered_with_the_present_state(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    number, _, target = await journey(transfers, shop)
    await transfers.receive(number, "truck-1", arrived(target, 3))
    state = await transfers.receive(number, "truck-2", arrived(target, 2))
    with nothing_is_stored(engine):
        assert await transfers.receive(number, "truck-1", arrived(target, 3, 0)) == state
    assert units(state) == [Units(10, 5, in_transit=5)]


async def test_the_same_receipt_with_other_lines_is_a_conflict(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    item, other = shop.items(2, units=20)
    to, number = shop.warehouse(), new_reference("load")
    await transfers.dispatched(number, to, [(item, 10), (other, 10)])
    before = await transfers.receive(number, "truck-1", arrived(item, 3))
    with nothing_is_stored(engine):
        for lines in ([arrived(item, 4)], [arrived(item, 3, 1)], [arrived(other, 3)], [arrived(item, 3)] * 2):
            refused = await refusal(transfers.receive(number, "truck-1", *lines))
            assert refused.type == "OperationConflict"
        await transfers.signal(number, "receive", arrival("truck-1", arrived(item, 5)))
        [note] = await transfers.noted(number, 1)
        assert note == f"signal receive refused: OperationConflict: {refused.message}"
        assert await transfers.state(number) | {"notes": []} == before
    # Another transfer's receipts have names of their own.
    another = new_reference("load")
    await transfers.dispatched(another, to, [(item, 10)])
    await transfers.receive(another, "truck-1", arrived(item, 4))
    assert stocked(engine, item._replace(warehouse_id=to)) == (7, 0)


async def test_more_than_was_sent_is_refused(transfers: Transfers, shop: Shop, engine: Engine) -> None:
    item, other = shop.items(2, units=20)
    stranger, to, number = shop.item(4), shop.warehouse(), new_reference("load")
    await transfers.dispatched(number, to, [(item, 6), (other, 10), (item, 4)])
    before = less_notices(await transfers.receive(number, "truck-1", arrived(item, 4, 1)))
    details = {"product_id": item.product_id, "quantity": 6, "in_transit": 5}
    told = f"product {item.product_id}: 6 delivered, but only 5 in transit"
    with nothing_is_stored(engine):
        for lines in (
            [arrived(other, 1), arrived(item, 6)],
            # Damaged units were sent, too, and the same product on two lines counts together.
            [arrived(item, 5, 1)],
            [arrived(item, 0, 6)],
            [arrived(item, 2, 1), arrived(other, 3), arrived(item, 3)],
        ):
            refused = await refusal(transfers.receive(number, "truck-2", *lines))
            assert refused == Refusal("InvalidRequest", details, told)
        refused = await refusal(transfers.receive(number, "truck-2", arrived(item, 1), arrived(stranger, 1)))
        unknown = f"product {stranger.product_id} isn't on transfer {number}"
        assert refused == Refusal("InvalidRequest", {"product_id": stranger.product_id}, unknown)
        await transfers.signal(number, "receive", arrival("truck-2", arrived(item, 6)))
        assert await transfers.noted(number, 1) == [f"signal receive refused: InvalidRequest: {told}"]
        assert less_notices(await transfers.state(number)) | {"notes": []} == before
    # A name that was refused isn't used up.
    state = await transfers.receive(number, "truck-2", arrived(item, 5))
    assert units(state) == [Units(6, 5, 1), Units(10, in_transit=10), Units(4, 4)]


async def test_two_receipts_at_once_are_both_booked(transfers: Transfers, shop: Shop, engine: Engine) -> None:
    number, _, target = await journey(transfers, shop)
    states = await at_once(
        transfers.receive(number, "truck-1", arrived(target, 3)),
        transfers.receive(number, "truck-2", arrived(target, 2)),
    )
    assert max(units(state)[0].received for state in states) == 5
    assert (units(await transfers.state(number)), stocked(engine, target)) == ([Units(10, 5, in_transit=5)], (5, 0))


async def test_two_receipts_at_once_of_what_can_only_be_in_one_of_them(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    source = shop.item(12)
    target, number = shop.item(1, product=source.product_id), new_reference("load")
    await transfers.dispatched(number, target.warehouse_id, [(source, 10)])
    async with locked(engine, target) as lock:
        first = asyncio.ensure_future(transfers.receive(number, "truck-1", arrived(target, 6)))
        await lock.has_somebody_waiting()
        second = asyncio.ensure_future(refusal(transfers.receive(number, "truck-2", arrived(target, 5))))
    assert (await first)["status"] == "IN_TRANSIT"
    details = {"product_id": target.product_id, "quantity": 5, "in_transit": 4}
    told = f"product {target.product_id}: 5 delivered, but only 4 in transit"
    assert await second == Refusal("InvalidRequest", details, told)
    assert (units(await transfers.state(number)), level(engine, target)) == ([Units(10, 6, in_transit=4)], (7, 0))


async def test_what_has_arrived_stays_where_it_is_when_the_rest_comes_back(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    first, second = shop.items(2, units=12)
    to, number = shop.warehouse(), new_reference("load")
    await transfers.dispatched(number, to, [(first, 6), (second, 5), (first, 4)], expected_transit_hours=48)
    await transfers.receive(number, "truck-1", arrived(first, 7, 1), arrived(second, 1))
    state = await transfers.cancel(number, "closed for good")
    assert (state["status"], state["closed_reason"]) == ("CANCELLED", "closed for good")
    assert units(state) == [Units(6, 6), Units(5, 1, returned=4), Units(4, 1, 1, returned=2)]
    back = f"back from transfer {number}, cancelled in transit: closed for good"
    assert movements(engine, number)[-2:] == [
        (*second, "TRANSFER_IN", 4, 11, "tom", back),
        (*first, "TRANSFER_IN", 2, 4, "tom", back),
    ]
    assert transit(engine, number)[-2:] == [
        (2, "RETURNED", -4, 0, None, "tom", back),
        (3, "RETURNED", -2, 0, None, "tom", back),
    ]
    ids = [first.product_id, second.product_id]
    assert whereabouts(engine, ids, (first.warehouse_id, to)) == ((15, 8), 0, 1, 0)
    assert less_notices(await transfers.result(number)) == less_notices(state)


async def test_goods_that_arrive_by_signal_before_anybody_works_are_booked(
    branch: Branch, shop: Shop, engine: Engine
) -> None:
    transfers = Transfers(branch.purchasing.client, branch.purchasing.task_queue)
    source, to, number = shop.item(12), shop.warehouse(), new_reference("load")
    await transfers.start(number, [transfer(number, source.warehouse_id, to, moved(source, 10))])
    await transfers.signal(number, "dispatch", {"performed_by": "sid"})
    for receipt_id, arriving in (("truck-1", 3), ("truck-2", 8), ("truck-1", 3), ("truck-3", 7)):
        await transfers.signal(number, "receive", arrival(receipt_id, arrived(source, arriving)))
    async with branch.worker():
        state = await transfers.result(number)
    assert (state["status"], units(state)) == ("RECEIVED", [Units(10, 10)])
    assert [note[25:] for note in state["notes"]] == [
        f"signal receive refused: InvalidRequest: product {source.product_id}: 8 delivered, but only 7 in transit"
    ]
    assert stocked(engine, source._replace(warehouse_id=to)) == (10, 0)
