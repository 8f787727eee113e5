"""Orders with lines in two databases: held in both or in none, and commanded as one, whatever happens in between."""

import asyncio
import contextlib
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import text
from temporalio.client import Client

from database.figures import read_figures
from stockkeeper import InsufficientStock, InvalidRequest, InvalidState, Line, LotLine, OperationConflict
from stockkeeper.contracts import policies
from stockkeeper.domain.reservation import ReservationEvent, ReservationStatus, WantedLine
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level
from tests.support.corrections import correct_stock
from tests.support.lots import bring_lots, lot_books, track
from tests.support.order_in_parts import OrdersInParts, PartInDatabase, in_parts
from tests.support.parts_model import DEADLINE, IN_TIME, START, TOO_LATE, Killed, Run, outcome_of, refused_with_status
from tests.support.several_databases import Both, One
from tests.support.shop import new_reference
from tests.support.wire import eventually, refusal, until

ACTIVE, EXPIRED = ReservationStatus.ACTIVE, ReservationStatus.EXPIRED
CANCELLED, FULFILLED = ReservationStatus.CANCELLED, ReservationStatus.FULFILLED

SOON = datetime.now(UTC).date() + timedelta(days=9)
_LOCK = text("""
    SELECT FROM inventory_items WHERE (warehouse_id, product_id) = (:warehouse_id, :product_id) FOR UPDATE
""")


@pytest.fixture
def orders(both: Both, plain_client: Client) -> OrdersInParts:
    """A foreign service, whose runs are on the northern task queue."""
    return OrdersInParts(plain_client, both.north.queue)


async def items(both: Both, north: int = 10, south: int = 10) -> tuple[ItemKey, ItemKey]:
    """A new item in each database."""
    return await both.item(both.north, north), await both.item(both.south, south)


def wanted(*lines: tuple[ItemKey, int]) -> list[Line]:
    return [Line(item.product_id, item.warehouse_id, quantity=units) for item, units in lines]


def levels(both: Both, north: ItemKey, south: ItemKey) -> tuple[tuple[int, int], tuple[int, int]]:
    """On hand and reserved in both."""
    return level(both.north.engine, north), level(both.south.engine, south)


async def test_an_order_over_two_databases_is_one_order_for_whoever_places_it(both: Both) -> None:
    north, south = await items(both)
    order, stock = new_reference(), both.stock
    hold = await stock.reserve(order, wanted((south, 4), (north, 3)), performed_by="shop")
    assert levels(both, north, south) == ((10, 3), (10, 4))
    assert [(each.warehouse_id, each.quantity) for each in hold.state.lines] == [
        (south.warehouse_id, 4),
        (north.warehouse_id, 3),
    ]
    again = await stock.reserve(order, wanted((south, 4), (north, 3)), performed_by="shop")
    assert again.state == hold.state
    # A list has it once for each database, with the lines that are kept there.
    parts = [(each.number, each.warehouses) for each in await stock.holds() if each.number == order]
    assert len(parts) == 2
    with pytest.raises(OperationConflict):
        await stock.reserve(order, wanted((south, 4), (north, 2)), performed_by="shop")
    for _ in range(2):
        state = await hold.fulfill(wanted((south, 1), (north, 1)), performed_by="picker", fulfillment_id="parcel-1")
    assert (state.status, state.expires_at) == (ACTIVE, hold.state.expires_at)
    with pytest.raises(OperationConflict):
        await hold.fulfill(wanted((south, 2)), performed_by="picker", fulfillment_id="parcel-1")
    with pytest.raises(InvalidRequest, match="8 to be shipped, but only 3 still held"):
        await hold.fulfill(wanted((north, 1), (south, 8)), performed_by="picker")
    assert levels(both, north, south) == ((9, 2), (9, 3))
    await hold.release(wanted((south, 1)), performed_by="shop", reason="one less", release_id="less-1")
    extended = await hold.extend(performed_by="shop", ttl_minutes=60)
    assert levels(both, north, south) == ((9, 2), (9, 2))
    found = await both.caller().hold(order)
    assert (found.state.status, found.state.expires_at) == (ACTIVE, extended.expires_at)
    shown = {each.warehouse_id: (each.quantity_fulfilled, each.quantity_released) for each in found.state.lines}
    assert shown == {north.warehouse_id: (1, 0), south.warehouse_id: (1, 1)}
    assert (await found.fulfill(performed_by="picker")).status is FULFILLED
    assert levels(both, north, south) == ((7, 0), (7, 0))
    # Its run has ended, and the databases know what was done.
    assert (await hold.fulfill(performed_by="picker")).status is FULFILLED
    parcel = wanted((south, 1), (north, 1))
    assert (await hold.fulfill(parcel, performed_by="picker", fulfillment_id="parcel-1")).status is FULFILLED
    with pytest.raises(InvalidState):
        await both.stock.cancel(order, performed_by="shop", reason="too late")
    assert levels(both, north, south) == ((7, 0), (7, 0))


async def test_the_lots_of_an_order_are_picked_in_both_databases_or_in_none(both: Both) -> None:
    north, south = await items(both, 0, 0)
    for item in (north, south):
        track(both.north.engine, item.product_id)
    await both.told()
    for one, item, number in ((both.north, north, "N"), (both.south, south, "S")):
        bring_lots(one.engine, item, (f"{number}1", SOON, 2), (f"{number}2", None, 2))
    hold = await both.stock.reserve(new_reference(), wanted((north, 2), (south, 2)), performed_by="shop")
    assert [[(lot.lot_number, lot.quantity) for lot in line.lots] for line in hold.state.lines] == [
        [("N1", 2)],
        [("S1", 2)],
    ]

    def picked(*lots: tuple[ItemKey, str]) -> list[Line]:
        return [
            Line(item.product_id, item.warehouse_id, quantity=1, lots=[LotLine(number, quantity=1)])
            for item, number in lots
        ]

    with pytest.raises(InvalidRequest, match="has no lot N2"):
        await hold.fulfill(picked((north, "N2"), (south, "N2")), performed_by="picker")
    assert levels(both, north, south) == ((4, 2), (4, 2))
    state = await hold.fulfill(picked((north, "N2"), (south, "S1")), performed_by="picker")
    assert lot_books(both.north.engine, north) == {"N1": (2, 1, 0), "N2": (1, 0, 0)}
    assert lot_books(both.south.engine, south) == {"S1": (1, 1, 0), "S2": (2, 0, 0)}
    assert state.expires_at == hold.state.expires_at
    assert (await hold.fulfill(performed_by="picker")).status is FULFILLED
    assert lot_books(both.north.engine, north) == {"N1": (1, 0, 0), "N2": (1, 0, 0)}


async def test_nothing_is_held_where_one_database_is_short_and_the_number_may_be_tried_again(both: Both) -> None:
    north, south = await items(both, 5, 3)
    order = new_reference()
    for _ in range(2):
        with pytest.raises(InsufficientStock) as short:
            await both.stock.reserve(order, wanted((north, 5), (south, 4)), performed_by="shop")
        assert [(each.warehouse_id, each.requested, each.available) for each in short.value.shortages] == [
            (south.warehouse_id, 4, 3)
        ]
        assert levels(both, north, south) == ((5, 0), (3, 0))
    assert (await both.stock.hold(order)).state.status is ReservationStatus.REJECTED
    both.south.shop.move(south, 1)
    hold = await both.stock.reserve(order, wanted((north, 5), (south, 4)), performed_by="shop")
    assert levels(both, north, south) == ((5, 5), (4, 4))
    assert (await hold.cancel(performed_by="shop", reason="changed my mind")).status is CANCELLED
    assert levels(both, north, south) == ((5, 0), (4, 0))
    with pytest.raises(InvalidState) as over:
        await both.stock.reserve(order, wanted((north, 5), (south, 4)), performed_by="shop")
    assert over.value.status == CANCELLED
    with pytest.raises(InvalidRequest, match="doesn't wait"):
        await both.stock.reserve(order, wanted((north, 1), (south, 1)), performed_by="shop", wait_minutes=1)
    assert levels(both, north, south) == ((5, 0), (4, 0))


async def test_a_command_races_the_deadline_and_all_parts_end_alike(both: Both, orders: OrdersInParts) -> None:
    north, south = await items(both, 30, 30)

    async def race(number: int) -> tuple[str, int, int]:
        order = new_reference()
        parts = ((both.north, [(north, 1)]), (both.south, [(south, 1)]))
        held = await orders.hold(order, *parts, ttl_minutes=2 / 60)
        deadline = datetime.fromisoformat(held["expires_at"])
        await until(deadline + timedelta(milliseconds=[-400, -60, -30, -10, 0, 10][number % 6]))
        command = {"performed_by": "picker", "reason": "late"} if number % 2 else {"performed_by": "picker"}
        await orders.signal(order, "cancel" if number % 2 else "fulfill", command)
        state = await orders.result(order)
        return state["status"], *(
            one.count("SELECT coalesce(sum(quantity_fulfilled), 0) FROM reservations WHERE reference_id = :o", o=order)
            for one in (both.north, both.south)
        )

    outcomes = Counter(await asyncio.gather(*(race(number) for number in range(6))))
    assert set(outcomes) <= {("FULFILLED", 1, 1), ("CANCELLED", 0, 0), ("EXPIRED", 0, 0)}
    shipped = outcomes["FULFILLED", 1, 1]
    assert levels(both, north, south) == ((30 - shipped, 0), (30 - shipped, 0))


async def test_commands_against_the_deadline_on_two_real_databases(both: Both) -> None:
    """Buyers in either, before and after the deadline, lost answers, and runs that are terminated in between."""
    places = [await both.warehouse(both.north), await both.warehouse(both.south)]
    products = [both.north.shop.product() for _ in range(_SCENARIOS)]
    await both.told()
    seen = Counter(
        [await asyncio.to_thread(_scenario, both, seed, product, places) for seed, product in enumerate(products)]
    )
    assert all(sum(times for end, times in seen.items() if end[1] == how) > 5 for how in ("", EXPIRED)), seen
    assert {command for command, _ in seen} == {"parcel-1", "part-1", "cancel", "extend"}


_SCENARIOS = 30


def _carry_out(run: Run, command: str, at: datetime, product: int, places: list[int]) -> None:
    fulfill = ReservationEvent.FULFILL
    if command == "parcel-1":
        run.go(run.order.take(None, fulfill, done="shipped"), command, at)
    elif command == "part-1":
        run.go(run.order.take([WantedLine(1, product, each) for each in places], fulfill, done="shipped"), command, at)
    elif command == "cancel":
        run.go(run.order.cancel(), command, at)
    else:
        run.go(run.order.extend(at + timedelta(hours=1)), command, at, at + timedelta(hours=1))


def _scenario(both: Both, seed: int, product: int, places: list[int]) -> tuple[str, str]:
    """One order and one command; the command, and the status for which it was refused."""
    chance = random.Random(seed)
    order, parts = new_reference(), []
    on_hand = [chance.choice([3, 4]) for _ in places]
    for one, warehouse, units in zip((both.north, both.south), places, on_hand, strict=True):
        item = one.shop.item(units, product=product, warehouse=warehouse)
        parts.append(PartInDatabase(warehouse, one, order, item, (2, 1)))
    run = Run(parts, chance)
    run.go(run.order.hold(DEADLINE), "reserve", START)
    bought: Counter[int] = Counter()
    rivals: list[tuple[int, str]] = []

    def buyer() -> None:
        if chance.random() < 0.15:
            part, units = chance.randrange(2), chance.choice([1, 2])
            at = chance.choice([IN_TIME, DEADLINE, TOO_LATE])
            rivals.append((part, new_reference()))
            bought[part] += units * parts[part].buy(rivals[-1][1], units, at, TOO_LATE + timedelta(days=9))

    run.between = buyer
    at = chance.choice([IN_TIME, IN_TIME, IN_TIME, DEADLINE, TOO_LATE])
    command = chance.choice(["parcel-1", "part-1", "cancel", "extend"])
    if command == "parcel-1" and chance.random() < 0.5:
        run.dies_after = 2 + chance.randrange(5)

    try:
        refusal = outcome_of(lambda: _carry_out(run, command, at, product, places))
    except Killed:
        run = Run(parts, chance, name="again", between=buyer)
        run.go(run.order.hold(DEADLINE + timedelta(minutes=1)), "reserve", START)
        refusal = outcome_of(lambda: _carry_out(run, command, at, product, places))
    run.dies_after = None
    run.finish(at)
    shipped = 0 if refusal is not None else {"parcel-1": 3, "part-1": 1}.get(command, 0)
    assert [each.shipped for each in parts] == [shipped] * 2, seed
    assert [each.secured for each in parts] == [0, 0], seed
    assert at < DEADLINE or refused_with_status(refusal) == EXPIRED, seed
    if refusal is not None or command in ("cancel", "parcel-1"):
        assert [each.held for each in parts] == [0, 0], seed
    for number, (part, units) in enumerate(zip(parts, on_hand, strict=True)):
        # Nothing is oversold, and nothing lost.
        assert level(part.one.engine, part.item) == (units - part.shipped, part.held + bought[number]), seed
    # Neither has a run that would end it.
    for number, rival in [*rivals, (0, order), (1, order)]:
        parts[number].end(rival, TOO_LATE)
    return command, refused_with_status(refusal)


async def test_a_run_that_is_terminated_goes_on_under_the_same_number(both: Both, orders: OrdersInParts) -> None:
    north, south = await items(both)
    order = new_reference()
    parts = ((both.north, [(north, 3)]), (both.south, [(south, 4)]))
    held = await orders.hold(order, *parts)
    await orders.handle(order).terminate("by mistake")
    again = await orders.hold(order, *parts, ttl_minutes=60)
    assert (again["status"], again["expires_at"], again["lines"]) == ("ACTIVE", held["expires_at"], held["lines"])
    assert levels(both, north, south) == ((10, 3), (10, 4))
    await orders.handle(order).cancel()
    assert (await orders.result(order))["status"] == "CANCELLED"
    assert levels(both, north, south) == ((10, 0), (10, 0))


async def test_an_order_ends_at_its_deadline_in_both(both: Both, orders: OrdersInParts) -> None:
    north, south = await items(both)
    order = new_reference()
    held = await orders.hold(order, (both.north, [(north, 3)]), (both.south, [(south, 4)]), ttl_minutes=0.01)
    state = await orders.result(order)
    assert (state["status"], state["expires_at"]) == ("EXPIRED", held["expires_at"])
    assert levels(both, north, south) == ((10, 0), (10, 0))


async def test_an_order_of_which_one_database_misses_stock_gives_way_in_both(both: Both, orders: OrdersInParts) -> None:
    north, south = await items(both)
    order = new_reference()
    await orders.hold(order, (both.north, [(north, 3)]), (both.south, [(south, 4)]))
    told = {"performed_by": "carl", "reason": "nobody finds them"}
    assert (await refusal(orders.update(order, "give_way", told))).type == "InvalidState"
    assert levels(both, north, south) == ((10, 3), (10, 4))
    correct_stock(both.south.engine, {south: -8}, datetime.now(UTC))
    await orders.signal(order, "give_way", told)
    assert (await orders.result(order))["status"] == "CANCELLED"
    assert levels(both, north, south) == ((10, 0), (2, 0))


async def test_an_order_that_gave_way_is_held_again_in_both_or_in_none(both: Both, orders: OrdersInParts) -> None:
    north, south = await items(both)
    order, stock = new_reference(), both.stock
    hold = await stock.reserve(order, wanted((north, 3), (south, 4)), performed_by="shop")
    await hold.fulfill(wanted((north, 1)), performed_by="picker")
    correct_stock(both.south.engine, {south: -8}, datetime.now(UTC))
    await orders.signal(order, "give_way", {"performed_by": "carl", "reason": "nobody finds them"})
    assert (await orders.result(order))["status"] == "CANCELLED"
    assert levels(both, north, south) == ((9, 0), (2, 0))
    for _ in range(2):
        with pytest.raises(InsufficientStock) as short:
            await stock.hold_again(order, performed_by="shop")
        assert [(each.warehouse_id, each.requested, each.available) for each in short.value.shortages] == [
            (south.warehouse_id, 4, 2)
        ]
        # What the other part held for a moment is given back, and may be held again later.
        assert levels(both, north, south) == ((9, 0), (2, 0))
    both.south.shop.move(south, 2)
    again = await stock.hold_again(order, performed_by="shop")
    assert (again.state.status, again.state.expires_at) == (ACTIVE, hold.state.expires_at)
    assert levels(both, north, south) == ((9, 2), (4, 4))
    assert (await stock.hold_again(order, performed_by="shop")).state == again.state
    assert (await again.fulfill(performed_by="picker")).status is FULFILLED
    assert levels(both, north, south) == ((7, 0), (0, 0))


async def test_an_order_that_was_cancelled_is_not_held_again(both: Both) -> None:
    north, south = await items(both)
    order = new_reference()
    hold = await both.stock.reserve(order, wanted((north, 3), (south, 4)), performed_by="shop")
    await hold.cancel(performed_by="shop", reason="changed my mind")
    with pytest.raises(InvalidState, match="hasn't given way"):
        await both.stock.hold_again(order, performed_by="shop")
    assert levels(both, north, south) == ((10, 0), (10, 0))


async def test_a_start_that_is_wrong_is_refused_and_holds_nothing(both: Both, orders: OrdersInParts) -> None:
    north, south = await items(both)
    queues = both.north.queue, both.south.queue
    start = in_parts(order := new_reference(), (queues[0], [(north, 1)]), (queues[1], [(south, 1)]))
    for wrong, why in (
        ({"parts": [start["parts"][0]] * 2}, "a task queue has one part"),
        ({"parts": [start["parts"][0], start["parts"][1] | {"lines": start["parts"][0]["lines"]}]}, "is in one part"),
        ({"parts": []}, "at least 1 item"),
        ({"wait_minutes": 5}, "Extra inputs"),
    ):
        refused = await refusal(orders.ask_raw(order, [start | wrong]))
        assert (refused.type, why in refused.message) == ("InvalidRequest", True), refused
    unknown = in_parts(order, (queues[0], [(north, 1)]), (queues[1], [(south._replace(product_id=10**12), 1)]))
    assert (await refusal(orders.ask_raw(order, [unknown]))).type == "UnknownProduct"
    assert levels(both, north, south) == ((10, 0), (10, 0))


async def _secured(one: One, order: str) -> None:
    """Return once a database has secured its part."""
    statement = "SELECT count(*) FROM reservations WHERE reference_id = :o AND expires_at > '2199-01-01'"

    async def look() -> int:
        return await asyncio.to_thread(one.count, statement, o=order)

    await eventually(look, bool)


def _figures_of_secured(one: One) -> tuple[float, float]:
    """Orders with a secured part in a database, by its metrics, and since when in seconds."""
    with one.database.snapshot() as connection:
        figures = read_figures(connection, as_of=datetime.now(UTC), reorder="reorder")
    values = {each.name: each.value for each in figures}
    return values["orders_secured"], values["orders_secured_oldest_seconds"]


async def _back(one: One) -> None:
    """Start a server again that was killed."""
    await asyncio.to_thread(one.server.stop)
    await asyncio.to_thread(one.server.start)
    one.engine.dispose()


async def test_the_audit_names_an_order_that_runs_and_holds_nothing_in_any_database(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "LOOKS_AGAIN", [timedelta(), timedelta(milliseconds=100)])
    north, south = await items(both)
    order = new_reference()
    hold = await both.stock.reserve(order, wanted((north, 3), (south, 4)), performed_by="shop")
    audited = both.stock.at(both.north.queue)
    for one, item, off in ((both.north, north, []), (both.south, south, [f"order {order}"])):
        # Behind the back of its run, which goes on.
        PartInDatabase(0, one, order, item, [1]).end(order, datetime.now(UTC))
        await audited.run_audit()
        found = [each async for each in audited.findings() if each.kind == "RUN_WITHOUT_HOLD"]
        assert [each.document for each in found if order in (each.document or "")] == off
    with pytest.raises(InvalidState):
        await hold.cancel(performed_by="shop", reason="it holds nothing")
    await audited.run_audit()
    assert [each async for each in audited.findings() if each.kind == "RUN_WITHOUT_HOLD"] == []


async def test_a_server_that_is_killed_between_the_phases_ships_when_it_is_back(
    both: Both, orders: OrdersInParts
) -> None:
    north, south = await items(both)
    order = new_reference()
    held = await orders.hold(order, (both.north, [(north, 3)]), (both.south, [(south, 4)]), ttl_minutes=2 / 60)
    with both.north.engine.begin() as connection:
        # The northern part can't be secured yet.
        connection.execute(_LOCK, north._asdict())
        shipping = asyncio.create_task(orders.fulfill(order, fulfillment_id="parcel-1"))
        await _secured(both.south, order)
        both.south.kill()
    shipped = partial(asyncio.to_thread, level, both.north.engine, north)
    await eventually(shipped, lambda now: now == (7, 0))
    await until(datetime.fromisoformat(held["expires_at"]))
    assert not shipping.done()
    await _back(both.south)
    # The deadline has come, and what is secured isn't for sale.
    with pytest.raises(InsufficientStock):
        await both.stock.reserve(new_reference(), wanted((south, 7)), performed_by="rival")
    assert (await shipping)["status"] == "FULFILLED"
    assert levels(both, north, south) == ((7, 0), (6, 0))
    assert (await orders.result(order))["status"] == "FULFILLED"


async def test_a_server_that_is_killed_before_its_part_is_secured_decides_for_both(
    both: Both, orders: OrdersInParts
) -> None:
    north, south = await items(both)
    order = new_reference()
    held = await orders.hold(order, (both.north, [(north, 3)]), (both.south, [(south, 4)]), ttl_minutes=2 / 60)
    both.south.kill()
    await orders.signal(order, "fulfill", {"performed_by": "picker"})
    await _secured(both.north, order)
    await until(datetime.fromisoformat(held["expires_at"]))
    assert level(both.north.engine, north) == (10, 3)
    orders_secured, since = await asyncio.to_thread(_figures_of_secured, both.north)
    assert (orders_secured, 0 < since < 60) == (1, True)
    await _back(both.south)
    with contextlib.suppress(InsufficientStock):
        await both.stock.reserve(new_reference(), wanted((south, 7)), performed_by="rival")
    ended = (await orders.result(order))["status"]
    ends = {"EXPIRED": ((10, 0), (10, 7)), "FULFILLED": ((7, 0), (6, 0))}
    assert levels(both, north, south) == ends[ended]
    assert await asyncio.to_thread(_figures_of_secured, both.north) == (0, 0)


async def test_an_order_isnt_held_while_one_database_is_dead_nor_when_it_is_back(both: Both) -> None:
    north, south = await items(both)
    caller, order = both.caller(answer_within=timedelta(seconds=6)), new_reference()
    await caller.reserve(new_reference(), wanted((north, 1), (south, 1)), performed_by="shop")
    both.south.kill()
    with pytest.raises(InvalidState, match=r"wasn't held: south-\S+ didn't answer in time"):
        await caller.reserve(order, wanted((north, 3), (south, 4)), performed_by="shop")
    # What the other one has is for sale.
    assert level(both.north.engine, north) == (10, 1)
    await caller.reserve(new_reference(), wanted((north, 9)), performed_by="rival")
    await _back(both.south)
    await caller.connection.client.get_workflow_handle(f"reservation-{order}").result()
    assert levels(both, north, south) == ((10, 10), (10, 1))
    for one in (both.north, both.south):
        audited = await both.stock.at(one.queue).run_audit()
        assert (audited.findings, audited.notes) == ([], [])
        assert audited.runs_checked > 0
    await both.told()
