"""What an operator sees of a run without reading code."""

from datetime import timedelta
from functools import partial
from typing import Any

from temporalio.api.enums.v1 import EventType
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import WorkflowExecutionStatus

from stockkeeper.domain.stock import ItemKey
from tests.support.reservation import Orders, deadline_of, one_hold
from tests.support.shop import Shop, new_reference
from tests.support.wire import Json, answer, eventually, line, refusal


async def _found(orders: Orders, query: str) -> list[str]:
    return sorted([run.id async for run in orders.client.list_workflows(query)])


def _sku(shop: Shop, item: ItemKey) -> str:
    with shop.engine.connect() as connection:
        return str(
            connection.exec_driver_sql(
                "SELECT sku FROM products WHERE product_id = %s", (item.product_id,)
            ).scalar_one()
        )


def _warehouse(shop: Shop, item: ItemKey) -> str:
    query = "SELECT name FROM warehouses WHERE warehouse_id = %s"
    with shop.engine.connect() as connection:
        return str(connection.exec_driver_sql(query, (item.warehouse_id,)).scalar_one())


async def _metadata(orders: Orders, reference: str) -> WorkflowMetadata:
    query = orders.handle(reference).query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    metadata = await answer(query)
    assert isinstance(metadata, WorkflowMetadata)
    return metadata


def _cells(details: str) -> list[list[str]]:
    """The table's rows: its head, a ruler, and the lines."""
    rows = [row for row in details.splitlines() if row.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def _shifted(held: Json, seconds: float) -> str:
    return (deadline_of(held) + timedelta(seconds=seconds)).isoformat()


async def test_runs_are_found_by_status_sku_warehouse_reference_and_deadline(orders: Orders, shop: Shop) -> None:
    item, other = shop.items(2, units=10)
    first, second = new_reference(), new_reference()
    held = await orders.reserve(first, (item, 1), (other, 1))
    await orders.reserve(second, (item, 1))
    both = sorted([f"reservation-{first}", f"reservation-{second}"])
    queries = {
        f'StockSkus="{_sku(shop, item)}"': both,
        f'StockSkus="{_sku(shop, other)}"': [f"reservation-{first}"],
        f'StockWarehouses="{_warehouse(shop, item)}" and StockStatus="ACTIVE"': both,
        f'StockReference="{first}"': [f"reservation-{first}"],
        f'StockReference="{first}" and StockDeadline<"{_shifted(held, 1)}"': [f"reservation-{first}"],
        f'StockReference="{first}" and StockDeadline>"{_shifted(held, -1)}"': [f"reservation-{first}"],
        f'StockReference="{first}" and StockDeadline>"{_shifted(held, 1)}"': [],
    }
    for query, expected in queries.items():
        await eventually(partial(_found, orders, query), expected.__eq__)
    await orders.fulfill(first)
    query = f'StockSkus="{_sku(shop, item)}" and StockStatus='
    await eventually(lambda: _found(orders, f'{query}"FULFILLED"'), lambda found: found == [f"reservation-{first}"])
    await eventually(lambda: _found(orders, f'{query}"ACTIVE"'), lambda found: found == [f"reservation-{second}"])


async def test_a_rejected_run_is_found_by_its_status(orders: Orders, shop: Shop) -> None:
    reference = new_reference()
    await refusal(orders.reserve(reference, (shop.item(1), 2)))
    query = f'StockReference="{reference}" and StockStatus="REJECTED"'
    await eventually(lambda: _found(orders, query), lambda found: found == [f"reservation-{reference}"])


async def test_the_details_tell_where_it_stands_and_what_it_holds(orders: Orders, shop: Shop) -> None:
    reference, item, _ = await one_hold(orders, shop, 4)
    details = (await _metadata(orders, reference)).current_details
    assert details.startswith(f"**ACTIVE** · Stock is held for order {reference} until ")
    assert _cells(details)[2:] == [[_sku(shop, item), _warehouse(shop, item), "4", "0"]]
    await orders.fulfill(reference, [line(item, 3)])
    [shipped] = _cells((await _metadata(orders, reference)).current_details)[2:]
    assert shipped[2:] == ["4", "3"]
    await orders.cancel(reference)
    await orders.result(reference)
    details = (await _metadata(orders, reference)).current_details
    assert details.startswith(f"**CANCELLED** · Cancelled: nothing is held for order {reference} any more.")


async def test_the_run_tells_its_commands(orders: Orders, shop: Shop) -> None:
    reference = new_reference()
    await orders.reserve(reference, (shop.item(1), 1))
    definition = (await _metadata(orders, reference)).definition
    assert definition.type == "ReservationWorkflow"
    updates = {update.name: update.description for update in definition.update_definitions}
    # The one without a name refuses all others.
    assert sorted(updates) == ["", "cancel", "extend", "fulfill", "give_way", "placed", "release", "reserved"]
    assert all(updates.values())
    assert {"cancel", "extend", "fulfill", "give_way", "release"} <= {
        signal.name for signal in definition.signal_definitions
    }
    assert "state" in {query.name for query in definition.query_definitions}


async def test_the_timer_says_what_it_is_for(orders: Orders, shop: Shop) -> None:
    reference = new_reference()
    held = await orders.reserve(reference, (shop.item(1), 1))
    await eventually(lambda: _timers(orders, reference), lambda timers: len(timers) == 1)
    [summary] = await _timers(orders, reference)
    assert summary == f"hold ends {held['expires_at'][:10]} {held['expires_at'][11:16]} UTC"


async def _timers(orders: Orders, reference: str) -> list[Any]:
    converter = orders.client.data_converter.payload_converter
    return [
        converter.from_payload(event.user_metadata.summary)
        async for event in orders.handle(reference).fetch_history_events()
        if event.event_type == EventType.EVENT_TYPE_TIMER_STARTED
    ]


async def test_a_reservation_is_a_short_history(orders: Orders, shop: Shop) -> None:
    reference = new_reference()
    await orders.reserve(reference, (shop.item(1), 1))
    await orders.fulfill(reference)
    await orders.result(reference)
    events = [event async for event in orders.handle(reference).fetch_history_events()]
    kinds = [event.event_type for event in events]
    # All of it on the hot path: nothing went through the task queue.
    assert EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED not in kinds
    assert kinds.count(EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED) == 2
    assert await orders.status(reference) == WorkflowExecutionStatus.COMPLETED
