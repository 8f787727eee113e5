"""A Python service and its holds: typed calls, and errors of ours whatever Temporal calls them."""

import asyncio
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.converter import decode_typed_search_attributes

from devstack.processes import free_port
from stockkeeper import (
    Connection,
    Hold,
    InsufficientStock,
    InvalidRequest,
    InvalidState,
    Line,
    NotFound,
    OperationConflict,
    Shortage,
    Stockkeeper,
    UnknownProduct,
    Unreachable,
)
from stockkeeper.contracts.reservation import ReservationStatus
from stockkeeper.domain.stock import ItemKey
from tests.support.books import level, nothing_changes
from tests.support.shop import Shop, new_reference
from tests.support.wire import eventually


def line(item: ItemKey, quantity: int) -> Line:
    return Line(product_id=item.product_id, warehouse_id=item.warehouse_id, quantity=quantity)


async def reserve(stock: Stockkeeper, reference: str, *lines: Line, ttl_minutes: float = 30) -> Hold:
    return await stock.reserve(reference, lines, performed_by="checkout", ttl_minutes=ttl_minutes)


async def test_a_hold_is_shipped_in_parts(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    hold = await reserve(stock, new_reference(), line(item, 4))
    assert (hold.state.status, level(engine, item)) == ("ACTIVE", (10, 4))
    part = Line(product_id=item.product_id, quantity=1)
    for _ in range(2):  # The parcel's name makes the second call a repeat.
        await hold.fulfill([part], performed_by="packing", fulfillment_id="parcel-1")
        assert (hold.state.lines[0].quantity_fulfilled, level(engine, item)) == (1, (9, 3))
    state = await hold.fulfill(performed_by="packing")
    assert (state.status, hold.state, level(engine, item)) == ("FULFILLED", state, (6, 0))


async def test_the_summary_of_a_run_is_markdown_in_which_a_number_is_read_as_it_is(
    stock: Stockkeeper, shop: Shop
) -> None:
    reference = f"{new_reference()} *5* <web>"
    await reserve(stock, reference, line(shop.item(1), 1))
    described = await stock.client.get_workflow_handle(f"reservation-{reference}").describe()
    written = reference.replace("*", r"\*").replace("<", r"\<")
    assert str(await described.static_summary()).partition(" until ")[0] == f"order {written}: 1 line"


@pytest.mark.parametrize("ending", ["shipped", "expired"])
async def test_a_parcel_is_repeated_after_the_end(stock: Stockkeeper, shop: Shop, engine: Engine, ending: str) -> None:
    item, reference = shop.item(10), new_reference()
    hold = await reserve(stock, reference, line(item, 4), ttl_minutes=1 / 60 if ending == "expired" else 30)
    parcel = [Line(product_id=item.product_id, quantity=1 if ending == "expired" else 4)]
    shipped = await hold.fulfill(parcel, performed_by="packing", fulfillment_id="parcel")
    await stock.client.get_workflow_handle(f"reservation-{reference}").result()
    status = "EXPIRED" if ending == "expired" else "FULFILLED"
    with nothing_changes(engine, item):
        again = await hold.fulfill(parcel, performed_by="the next shift", fulfillment_id="parcel")
        assert again == hold.state == shipped.model_copy(update={"status": status})
        other = [Line(product_id=item.product_id, quantity=2)]
        with pytest.raises(OperationConflict, match=r"shipment parcel of .* was booked with other quantities"):
            await hold.fulfill(other, performed_by="packing", fulfillment_id="parcel")


async def test_a_parcel_that_is_repeated_after_others_is_answered_with_the_state_of_now(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, reference = shop.item(10), new_reference()
    await reserve(stock, reference, line(item, 3))
    parcel = [Line(product_id=item.product_id, quantity=1)]
    states = [
        await (await stock.hold(reference)).fulfill(parcel, performed_by="packing", fulfillment_id=name)
        for name in ("parcel-1", "parcel-2", "parcel-3")
    ]
    assert [(state.status, state.lines[0].quantity_fulfilled) for state in states] == [
        *(("ACTIVE", 1), ("ACTIVE", 2)),
        ("FULFILLED", 3),
    ]
    await stock.client.get_workflow_handle(f"reservation-{reference}").result()
    for find in (stock.hold, partial(Hold.find, stock.connection)):
        with nothing_changes(engine, item):
            again = await (await find(reference)).fulfill(parcel, performed_by="p", fulfillment_id="parcel-1")
            assert (again.status, again.lines[0].quantity_fulfilled) == ("FULFILLED", 3)


async def test_a_parcel_with_the_same_name_and_other_content_is_a_conflict(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item = shop.item(10)
    hold = await reserve(stock, new_reference(), line(item, 4))
    await hold.fulfill([Line(product_id=item.product_id, quantity=1)], performed_by="p", fulfillment_id="1")
    with nothing_changes(engine, item), pytest.raises(OperationConflict):
        await hold.fulfill([Line(product_id=item.product_id, quantity=2)], performed_by="p", fulfillment_id="1")


async def test_extend_and_cancel(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    item = shop.item(10)
    hold = await reserve(stock, new_reference(), line(item, 4))
    before = hold.state.expires_at
    after = (await hold.extend(performed_by="checkout", ttl_minutes=90)).expires_at
    assert before is not None
    assert after is not None
    assert timedelta(minutes=59) < after - before < timedelta(minutes=61)
    assert (await hold.cancel(performed_by="customer", reason="no")).status is ReservationStatus.CANCELLED
    assert level(engine, item) == (10, 0)


async def test_out_of_stock_has_the_numbers_and_may_be_tried_again(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, reference = shop.item(3), new_reference()
    with nothing_changes(engine, item), pytest.raises(InsufficientStock) as refused:
        await reserve(stock, reference, line(item, 2), line(item, 2))
    assert refused.value.shortages == [Shortage(item.product_id, item.warehouse_id, requested=4, available=3)]
    shop.move(item, 5)
    hold = await reserve(stock, reference, line(item, 2), line(item, 2))
    assert (hold.state.status, level(engine, item)) == ("ACTIVE", (8, 4))


async def test_the_same_call_again_gives_the_same_hold(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    item, reference = shop.item(10), new_reference()
    holds = await asyncio.gather(*(reserve(stock, reference, line(item, 4)) for _ in range(5)))
    assert {hold.state.lines[0].reservation_id for hold in holds} == {holds[0].state.lines[0].reservation_id}
    assert level(engine, item) == (10, 4)


async def test_the_same_reference_for_other_lines_is_a_conflict_while_it_runs(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, reference = shop.item(10), new_reference()
    await reserve(stock, reference, line(item, 4))
    with nothing_changes(engine, item), pytest.raises(OperationConflict):
        await reserve(stock, reference, line(item, 5))


async def test_what_has_ended_is_not_held_again(stock: Stockkeeper, shop: Shop, engine: Engine) -> None:
    item, reference = shop.item(10), new_reference()
    hold = await reserve(stock, reference, line(item, 4))
    await hold.cancel(performed_by="customer", reason="no")
    with nothing_changes(engine, item), pytest.raises(InvalidState) as refused:
        await reserve(stock, reference, line(item, 4))
    assert refused.value.details == {"status": "CANCELLED", "command": "reserve"}


async def test_a_command_to_a_run_that_has_ended_is_judged_by_its_last_state(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, reference = shop.item(10), new_reference()
    hold = await reserve(stock, reference, line(item, 4))
    await hold.fulfill(performed_by="packing")
    await stock.client.get_workflow_handle(f"reservation-{reference}").result()
    with nothing_changes(engine, item):
        assert (await hold.fulfill(performed_by="packing")).status is ReservationStatus.FULFILLED
        assert (await stock.hold(reference)).state.status is ReservationStatus.FULFILLED
        with pytest.raises(InvalidState) as refused:
            await hold.cancel(performed_by="customer", reason="too late")
    assert refused.value.details == {"status": "FULFILLED", "command": "cancel"}


async def test_wrong_requests_are_refused_before_anything_is_sent(stock: Stockkeeper, shop: Shop) -> None:
    item, reference = shop.item(10), new_reference()
    with pytest.raises(InvalidRequest, match=r"^ttl_minutes: Input should be greater than 0$"):
        await reserve(stock, reference, line(item, 1), ttl_minutes=0)
    with pytest.raises(NotFound):
        await stock.hold(reference)


async def test_an_unknown_product_fails_the_call_and_may_be_corrected(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, reference = shop.item(10), new_reference()
    with nothing_changes(engine, item), pytest.raises(UnknownProduct) as refused:
        await reserve(stock, reference, Line(product_id=2**40, warehouse_id=item.warehouse_id, quantity=1))
    assert refused.value.ids == [2**40]
    assert (await reserve(stock, reference, line(item, 1))).state.status is ReservationStatus.ACTIVE


async def test_without_a_worker_the_call_ends_in_time(our_client: Client, shop: Shop) -> None:
    item = shop.item(10)
    alone = Stockkeeper(Connection(our_client, "nobody-listens", answer_within=timedelta(seconds=0.5)))
    with pytest.raises(Unreachable, match=r"no answer within 0\.5 s; is a worker running\?$"):
        await reserve(alone, new_reference(), line(item, 1))


async def test_a_call_that_does_not_wait_says_so_of_an_order_that_an_earlier_call_has_left_waiting(
    stock: Stockkeeper, our_client: Client, shop: Shop, engine: Engine
) -> None:
    item, reference = shop.item(1), new_reference()
    waiting = await stock.reserve(
        reference, [line(item, 2)], performed_by="checkout", wait_minutes=30, at_once=True, not_after=None
    )
    assert waiting.state.status is ReservationStatus.WAITING
    queue = stock.connection.task_queue
    impatient = Stockkeeper(Connection(our_client, queue, answer_within=timedelta(seconds=1)))
    with nothing_changes(engine, item), pytest.raises(InvalidState) as refused:
        await impatient.reserve(reference, [line(item, 2)], performed_by="checkout", not_after=None)
    assert (refused.value.status, refused.value.command) == ("WAITING", "reserve")
    until = waiting.state.waiting_until
    assert refused.value.message == (
        f"order {reference} waits for stock until {until:%Y-%m-%d %H:%M} UTC, and isn't held yet; "
        "`wait_minutes` waits with it"
    )
    await waiting.cancel(performed_by="checkout", reason="enough")


async def test_a_hold_that_is_split_is_printed_with_its_warehouses(stock: Stockkeeper, shop: Shop) -> None:
    first = shop.item(2)
    second = shop.item(1, product=first.product_id)
    hold = await reserve(stock, new_reference(), Line(first.product_id, quantity=3))
    taken = {line.warehouse_id: line.quantity for line in hold.state.lines}
    assert taken == {first.warehouse_id: 2, second.warehouse_id: 1}
    parts = [
        f"{each.quantity} of product {first.product_id} in warehouse {each.warehouse_id}" for each in hold.state.lines
    ]
    assert repr(hold).endswith(f": {', '.join(parts)}>")


async def test_without_a_server_it_says_where_it_looked() -> None:
    port = free_port()
    with pytest.raises(Unreachable, match=rf"^no Temporal server answers at 127\.0\.0\.1:{port}$"):
        await Stockkeeper.connect(f"127.0.0.1:{port}")


async def test_an_order_that_lost_its_hold_to_a_typo_gets_it_again(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, order, typo, back = shop.item(10), new_reference(), new_reference("a"), new_reference("a")
    lost = await reserve(stock, order, line(item, 8))
    nine = [Line(product_id=item.product_id, quantity=-9)]
    adjustment = await stock.adjust(
        typo, nine, warehouse_id=item.warehouse_id, reason="one is broken", performed_by="tom"
    )
    assert [each.reference_id for each in adjustment.state.would_end] == [order]
    await adjustment.approve(approver="ann")
    await eventually(lost.refresh, lambda state: state.status is ReservationStatus.CANCELLED)
    with pytest.raises(InsufficientStock):
        await stock.hold_again(order, performed_by="checkout")
    assert level(engine, item) == (1, 0)
    nine = [Line(product_id=item.product_id, quantity=9)]
    adjustment = await stock.adjust(back, nine, warehouse_id=item.warehouse_id, reason="it was one", performed_by="tom")
    assert [(each.reference_id, each.quantity) for each in adjustment.state.held_before] == [(order, 8)]
    for _ in range(2):
        again = await stock.hold_again(order, performed_by="checkout")
        assert (again.state.status, again.state.expires_at) == (ReservationStatus.ACTIVE, lost.state.expires_at)
        assert level(engine, item) == (10, 8)
    assert (await again.fulfill(performed_by="picker")).status is ReservationStatus.FULFILLED
    with pytest.raises(InvalidState, match="hasn't given way"):
        await stock.hold_again(order, performed_by="checkout")
    assert level(engine, item) == (2, 0)


async def test_a_start_says_by_what_it_is_found_and_the_run_adds_the_rest(
    stock: Stockkeeper, shop: Shop, engine: Engine
) -> None:
    item, reference = shop.item(10), new_reference()
    with engine.connect() as connection:
        query = "SELECT sku, w.name FROM products, warehouses AS w WHERE (product_id, warehouse_id) = (%s, %s)"
        sku, warehouse = connection.exec_driver_sql(query, (item.product_id, item.warehouse_id)).one()
    hold = await reserve(stock, reference, Line(sku, warehouse, quantity=4))
    handle = stock.client.get_workflow_handle(f"reservation-{reference}")
    events = [event async for event in handle.fetch_history_events()]
    started = events[0].workflow_execution_started_event_attributes.search_attributes
    found = {pair.key.name: pair.value for pair in decode_typed_search_attributes(started)}
    assert found == {"StockReference": reference, "StockSkus": [sku], "StockWarehouses": [warehouse]}
    [upserted] = [
        event.upsert_workflow_search_attributes_event_attributes.search_attributes
        for event in events
        if event.event_type == EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES
    ]
    added = {pair.key.name: pair.value for pair in decode_typed_search_attributes(upserted)}
    assert added == {"StockStatus": "ACTIVE", "StockDeadline": hold.state.expires_at}
