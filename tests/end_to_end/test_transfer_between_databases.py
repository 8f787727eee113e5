"""Transfers from a warehouse in one database to one in another: what each has booked, and what the other knows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from stockkeeper import (
    ArrivalLine,
    InsufficientStock,
    InvalidRequest,
    InvalidState,
    Line,
    LotLine,
    NotPermitted,
    OperationConflict,
    Stockkeeper,
    Transfer,
    Unreachable,
    WarehouseElsewhere,
)
from stockkeeper.domain.stock import ItemKey
from tests.support.adjustment import priced
from tests.support.corrections import correct_stock
from tests.support.lots import bring_lots, lot_books, track
from tests.support.several_databases import Both, One
from tests.support.shop import new_reference
from tests.support.transfer_rows import Whereabouts, stored, transit, whereabouts
from tests.support.wire import eventually

_MOVED = text("""
    SELECT movement_type, quantity, balance_after FROM stock_movements
    WHERE reference_id = :number ORDER BY movement_id
""")


WRONG = """
    UPDATE transfer_order_lines SET received = received - 1, in_transit = in_transit + 1
    WHERE transfer_id = (SELECT transfer_id FROM transfer_orders WHERE transfer_number = :number)
"""


class Way(NamedTuple):
    """A transfer of ten of twelve units, and where it goes from and to."""

    number: str
    source: One
    destination: One
    left: ItemKey
    arrives: ItemKey

    def found(self, one: One) -> Whereabouts:
        """Units on hand at the source and at the destination, on the way, damaged and lost, by one of the databases."""
        return whereabouts(one.engine, [self.left.product_id], [self.left.warehouse_id, self.arrives.warehouse_id])

    def status(self, one: One) -> str | None:
        """The transfer's status in one of the databases; None: it doesn't know of it."""
        with one.engine.connect() as connection:
            found = text("SELECT status FROM transfer_orders WHERE transfer_number = :number")
            return connection.execute(found, {"number": self.number}).scalar_one_or_none()

    def ledger(self, one: One) -> list[tuple[str, int, int]]:
        """Its movements in one of the databases: type, units and balance."""
        with one.engine.connect() as connection:
            rows = connection.execute(_MOVED, {"number": self.number})
            return [(kind, units, balance) for kind, units, balance in rows]

    async def agree(self, units: int = 12) -> None:
        """Return once both know the same of it, and make sure that no unit has appeared or vanished."""

        def both() -> tuple[object, object]:
            of = [(self.status(one), transit(one.engine, self.number)) for one in (self.source, self.destination)]
            return of[0], of[1]

        async def look() -> tuple[object, object]:
            return await asyncio.to_thread(both)

        await eventually(look, lambda found: found[0] == found[1])
        source, destination = self.found(self.source), self.found(self.destination)
        assert source[1:] == destination[1:]
        assert source.on_hand[0] + destination.on_hand[1] + sum(source[1:]) == units


def line(way: Way, units: int) -> list[Line]:
    return [Line(way.left.product_id, quantity=units)]


def arrived(way: Way, units: int, damaged: int = 0) -> list[ArrivalLine]:
    return [ArrivalLine(way.left.product_id, quantity=units, damaged_quantity=damaged)]


async def between(both: Both, source: One, destination: One, *, product: int | None = None) -> Way:
    left = await both.item(source, 12, product=product)
    return Way(
        new_reference("load"),
        source,
        destination,
        left,
        left._replace(warehouse_id=await both.warehouse(destination)),
    )


async def begun(both: Both, way: Way, units: int = 10, *, by: Stockkeeper | None = None) -> Transfer:
    return await (by or both.stock).create_transfer(
        way.number,
        line(way, units),
        from_warehouse_id=way.left.warehouse_id,
        to_warehouse_id=way.arrives.warehouse_id,
        requested_by="tom",
        expected_transit_hours=36,
    )


def held_elsewhere(way: Way) -> int:
    """Units that the source still holds, as far as the destination's database knows."""
    held = "SELECT held_elsewhere FROM transfer_order_lines JOIN transfer_orders USING (transfer_id)"
    return way.destination.count(f"{held} WHERE transfer_number = :number", number=way.number)


@asynccontextmanager
async def dead(one: One) -> AsyncIterator[None]:
    """While its server is dead; afterwards it is back."""
    one.kill()
    try:
        yield
    finally:
        await asyncio.to_thread(one.server.stop)
        await asyncio.to_thread(one.server.start)
        one.engine.dispose()


@pytest.mark.parametrize("northwards", [False, True])
async def test_goods_go_from_one_database_to_the_other(both: Both, northwards: bool) -> None:
    way = await between(both, *((both.south, both.north) if northwards else (both.north, both.south)))
    source, destination = way.source, way.destination
    transfer = await begun(both, way)
    await way.agree()
    assert (way.status(destination), held_elsewhere(way)) == ("PENDING", 10)
    state = await transfer.dispatch(line(way, 7), performed_by="sid", dispatch_id="truck")
    assert (state.status, state.line_items[0].held, state.line_items[0].in_transit) == ("IN_TRANSIT", 3, 7)
    await way.agree()
    assert way.found(destination) == Whereabouts((0, 0), 7, 0, 0)
    [coming] = [each async for each in both.stock.in_transit(product=way.left.product_id)]
    assert (coming.quantity, coming.transfers, coming.to_warehouse_id) == (7, 1, way.arrives.warehouse_id)
    state = await transfer.receive("r1", arrived(way, 4, 1), performed_by="dora")
    assert way.found(source) == Whereabouts((5, 0), 2, 1, 0)
    assert way.found(destination) == Whereabouts((0, 4), 2, 1, 0)
    await transfer.write_off(line(way, 2), performed_by="dora", reason="lost", write_off_id="w1")
    # Nothing is on its way, and the rest is still held.
    assert {way.status(source), way.status(destination)} == {"IN_TRANSIT"}
    await transfer.dispatch(performed_by="sid")
    state = await transfer.receive("r2", arrived(way, 3), performed_by="dora")
    [moved] = state.line_items
    assert (state.status, moved.received, moved.damaged, moved.written_off) == ("RECEIVED", 7, 1, 2)
    assert state.transfer_id == stored(source.engine, way.number).transfer_id
    assert [each.quantity for each in state.departures] == [7, 3]
    assert [(each.receipt_id, each.accepted, each.unfit) for each in state.receipts] == [("r1", 4, 1), ("r2", 3, 0)]
    await way.agree()
    assert way.found(source) == Whereabouts((2, 0), 0, 1, 2)
    assert way.found(destination) == Whereabouts((0, 7), 0, 1, 2)
    assert [(each[0], each[1]) for each in transit(source.engine, way.number)] == [
        (1, "DISPATCHED"),
        (1, "RECEIVED"),
        (1, "DAMAGED"),
        (1, "WRITTEN_OFF"),
        (1, "DISPATCHED"),
        (1, "RECEIVED"),
    ]
    assert way.ledger(source) == [("TRANSFER_OUT", -7, 5), ("TRANSFER_OUT", -3, 2)]
    assert way.ledger(destination) == [("TRANSFER_IN", 4, 4), ("TRANSFER_IN", 3, 7)]
    listed = await both.stock.transfers(sku=way.left.product_id)
    assert [each.number for each in listed] == [way.number]
    assert (await both.caller().transfer(way.number)).state == transfer.state


async def test_what_is_refused_changes_nothing_on_either_side(both: Both) -> None:
    way = await between(both, both.north, both.south)
    with pytest.raises(InsufficientStock):
        await begun(both, way, 13)
    assert way.destination.count("SELECT count(*) FROM transfer_orders WHERE transfer_number = :n", n=way.number) == 0
    with pytest.raises(WarehouseElsewhere):
        await begun(both, way, by=both.stock.at(both.south.queue))
    assert way.status(way.destination) is None
    transfer = await begun(both, way)
    with pytest.raises(InvalidState):
        await transfer.receive("r0", arrived(way, 1), performed_by="dora")
    with pytest.raises(InvalidRequest, match="11 to be dispatched, but only 10 still held"):
        await transfer.dispatch(line(way, 11), performed_by="sid")
    await transfer.dispatch(line(way, 6), performed_by="sid")
    await way.agree()
    before = [(way.found(one), transit(one.engine, way.number)) for one in (way.source, way.destination)]
    with pytest.raises(InvalidRequest, match="7 delivered, but only 6 in transit"):
        await transfer.receive("r1", arrived(way, 7), performed_by="dora")
    with pytest.raises(InvalidRequest, match="7 to be written off, but only 6 in transit"):
        await transfer.write_off(line(way, 7), performed_by="dora", reason="lost")
    assert [(way.found(one), transit(one.engine, way.number)) for one in (way.source, way.destination)] == before
    await transfer.cancel(performed_by="tom", reason="closed")
    await way.agree()
    assert {way.status(way.source), way.status(way.destination)} == {"CANCELLED"}
    assert way.found(way.source) == Whereabouts((12, 0), 0, 0, 0)


async def test_a_repeat_of_each_command_changes_nothing(both: Both) -> None:
    way = await between(both, both.north, both.south)
    transfer = await begun(both, way)
    for _ in range(2):
        await begun(both, way)
        await transfer.dispatch(line(way, 8), performed_by="sid", dispatch_id="d1")
        await transfer.receive("r1", arrived(way, 3, 1), performed_by="dora")
        await transfer.write_off(line(way, 2), performed_by="dora", reason="lost", write_off_id="w1")
    with pytest.raises(OperationConflict):
        await transfer.receive("r1", arrived(way, 4), performed_by="dora")
    assert way.found(way.destination) == Whereabouts((0, 3), 2, 1, 2)
    for _ in range(2):
        await transfer.cancel(performed_by="tom", reason="enough")
    state = await transfer.receive("r1", arrived(way, 3, 1), performed_by="dora")
    assert (state.status, state.line_items[0].returned) == ("CANCELLED", 2)
    with pytest.raises(OperationConflict):
        await transfer.receive("r1", arrived(way, 4), performed_by="dora")
    await way.agree()
    assert way.found(way.source) == Whereabouts((6, 0), 0, 1, 2)


async def test_a_loss_above_the_limit_takes_two_people_as_in_one_database(both: Both) -> None:
    way = await between(both, both.north, both.south, product=priced(both.north.shop, "400.00"))
    transfer = await begun(both, way)
    await transfer.dispatch(performed_by="sid")
    with pytest.raises(NotPermitted):
        await transfer.write_off(performed_by="dora", reason="lost")
    assert way.found(way.source) == Whereabouts((2, 0), 10, 0, 0)
    state = await transfer.approve_difference(approver="ann", value=Decimal(4000), note="the van burnt out")
    assert [each.approver for each in state.difference_approvals] == ["ann"]
    state = await transfer.write_off(performed_by="dora", reason="lost")
    assert (state.status, state.line_items[0].written_off) == ("RECEIVED", 10)
    await way.agree()


async def test_the_rest_gives_way_while_what_has_left_arrives(both: Both) -> None:
    way = await between(both, both.north, both.south)
    transfer = await begun(both, way)
    await transfer.dispatch(line(way, 6), performed_by="sid")
    await way.agree()
    correct_stock(way.source.engine, {way.left: -3}, datetime.now(UTC))
    # Neither its run nor the other database has heard of that.
    state = await transfer.receive("r1", arrived(way, 6), performed_by="dora")
    assert (state.status, state.line_items[0].received, state.line_items[0].held) == ("RECEIVED", 6, 0)
    await way.agree(units=9)
    assert (way.status(way.destination), held_elsewhere(way)) == ("RECEIVED", 0)


async def test_while_the_destination_is_dead_the_source_sells_and_a_receipt_waits(both: Both) -> None:
    way = await between(both, both.north, both.south)
    transfer = await begun(both, way)
    await transfer.dispatch(line(way, 6), performed_by="sid")
    await way.agree()
    async with dead(way.destination):
        hurried = await both.caller(answer_within=timedelta(seconds=1)).transfer(way.number)
        with pytest.raises(Unreachable):
            await hurried.receive("r1", arrived(way, 4), performed_by="dora")
        await both.stock.reserve(new_reference(), [Line(*way.left[::-1], quantity=1)], performed_by="shop")
    state = await transfer.receive("r1", arrived(way, 4), performed_by="dora")
    assert (state.line_items[0].received, state.line_items[0].in_transit) == (4, 2)
    await way.agree()
    assert way.ledger(way.destination) == [("TRANSFER_IN", 4, 4)]
    async with dead(way.destination):
        # What leaves is the source's to decide.
        await transfer.dispatch(performed_by="sid", dispatch_id="d2")
    await transfer.receive("r2", arrived(way, 6), performed_by="dora")
    await way.agree()
    assert (way.status(way.destination), way.found(way.destination)) == ("RECEIVED", Whereabouts((0, 10), 0, 0, 0))


async def test_what_has_arrived_while_the_source_dies_is_booked_once_on_both_sides(both: Both) -> None:
    way = await between(both, both.north, both.south)
    transfer = await begun(both, way)
    await transfer.dispatch(performed_by="sid")
    await way.agree()
    connection = way.source.engine.connect()
    connection.execute(text("SELECT FROM transfer_orders WHERE transfer_number = :n FOR UPDATE"), {"n": way.number})
    receiving = asyncio.create_task(transfer.receive("r1", arrived(way, 9, 1), performed_by="dora"))

    async def booked() -> int:
        return len(await asyncio.to_thread(way.ledger, way.destination))

    await eventually(booked, bool)
    async with dead(way.source):
        connection.invalidate()
        connection.close()
        assert way.status(way.destination) == "RECEIVED"
    state = await receiving
    assert (state.status, state.line_items[0].received, state.line_items[0].damaged) == ("RECEIVED", 9, 1)
    await way.agree()
    assert way.found(way.source) == Whereabouts((2, 0), 0, 1, 0)
    assert way.ledger(way.destination) == [("TRANSFER_IN", 9, 9)]


async def test_the_audit_of_each_database_minds_its_own_side(both: Both) -> None:
    way = await between(both, both.north, both.south)
    transfer = await begun(both, way)
    await transfer.dispatch(line(way, 6), performed_by="sid")
    await transfer.receive("r1", arrived(way, 4), performed_by="dora")
    for one in (both.north, both.south):
        await both.stock.at(one.queue).run_audit()
    places = {way.left.warehouse_id, way.arrives.warehouse_id}
    assert [each async for each in both.stock.findings() if each.warehouse_id in places] == []
    with pytest.raises(DBAPIError, match="movements add up"), both.south.engine.begin() as connection:
        connection.execute(text(WRONG), {"number": way.number})
    await transfer.cancel(performed_by="tom", reason="enough")
    await way.agree()
    assert way.found(way.source) == Whereabouts((8, 0), 0, 0, 0)


async def test_lots_are_known_where_they_arrive(both: Both) -> None:
    product = both.north.shop.product()
    track(both.north.engine, product)
    left = await both.item(both.north, 0, product=product)
    soon = datetime.now(UTC).date() + timedelta(days=9)
    bring_lots(both.north.engine, left, ("L1", soon, 8), ("L2", None, 4))
    there = left._replace(warehouse_id=await both.warehouse(both.south))
    way = Way(new_reference("load"), both.north, both.south, left, there)
    transfer = await begun(both, way)
    await transfer.dispatch(
        [Line(product, quantity=5, lots=[LotLine("L1", quantity=3), LotLine("L2", quantity=2)])], performed_by="sid"
    )
    with pytest.raises(InvalidRequest, match="name the lots of the 4 units delivered"):
        await transfer.receive("r1", arrived(way, 4), performed_by="dora")
    state = await transfer.receive(
        "r1",
        [ArrivalLine(product, quantity=2, damaged_quantity=1, lot_number="L1")],
        performed_by="dora",
        unfit_reason="wet",
    )
    # The source's database knows it as well.
    assert [(each.receipt_id, each.unfit, each.unfit_reason) for each in state.receipts] == [("r1", 1, "wet")]
    assert [(lot.lot_number, lot.held, lot.received, lot.in_transit) for lot in state.line_items[0].lots] == [
        ("L1", 5, 2, 0),
        ("L2", 0, 0, 2),
    ]
    await transfer.cancel(performed_by="tom", reason="enough")
    await way.agree()
    assert lot_books(both.south.engine, there) == {"L1": (2, 0, 0)}
    assert lot_books(both.north.engine, left) == {"L1": (5, 0, 0), "L2": (4, 0, 0)}
    hold = await both.stock.reserve(
        new_reference(), [Line(product, there.warehouse_id, quantity=1)], performed_by="shop", minimum_days_left=5
    )
    assert [(lot.lot_number, lot.expires_on) for lot in hold.state.lines[0].lots] == [("L1", soon)]
