"""A command that is refused leaves one refused update in the history of its run, whatever kind of document it is."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType

from stockkeeper import DomainError, InspectionLine, Line, Stockkeeper
from tests.support.adjustment import Adjusting, pending
from tests.support.books import nothing_is_stored
from tests.support.customer_return import Returns, sent
from tests.support.cycle_count import Counts, one_count
from tests.support.inspection import Inspecting
from tests.support.lots import lot_item
from tests.support.purchase_order import Purchasing
from tests.support.recall import Recalling
from tests.support.reservation import Orders, one_hold
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Transfers, journey
from tests.support.wire import Caller, at_once, eventually


async def _refused_updates(caller: Caller, number: str) -> list[str]:
    """The errors of the updates that the run has refused, in their order: what the Temporal UI shows in red."""
    answered = await caller.history(number, EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED)
    outcomes = [event.workflow_execution_update_completed_event_attributes.outcome for event in answered]
    return [each.failure.application_failure_info.type for each in outcomes if each.HasField("failure")]


async def test_a_refused_command_is_one_refused_update(
    stock: Stockkeeper,
    orders: Orders,
    purchasing: Purchasing,
    transfers: Transfers,
    returns: Returns,
    adjusting: Adjusting,
    counts: Counts,
    inspecting: Inspecting,
    recalling: Recalling,
    shop: Shop,
    engine: Engine,
) -> None:
    order, item = new_reference("po"), shop.item(1)
    hold, back = await one_hold(orders, shop, 2), await sent(returns, shop)
    moving = await journey(transfers, shop, "PENDING")
    adjusted, _ = await pending(adjusting, shop)
    counted, on_it = await one_count(counts, shop, first=5)
    await purchasing.draft(order, shop.supplier(), [(item, 5_000)])
    looked_at, recalled = new_reference("in"), new_reference("rc")
    await inspecting.open(looked_at, (shop.item(3), 2))
    await recalling.block(recalled, lot_item(shop, ("BAD", None, 1)), "BAD")
    await eventually(lambda: recalling.state(recalled), lambda seen: seen["looked_at"] is not None)
    too_many = [Line(hold.item.product_id, hold.item.warehouse_id, quantity=3)]
    more_than_sent = [InspectionLine(back.item.product_id, restock_quantity=99)]

    cases: list[tuple[Caller, str, Callable[[Any], Awaitable[Any]], Any, str]] = [
        (
            *(orders, hold.reference, lambda one: one.fulfill(lines=too_many, fulfillment_id="1", performed_by="ann")),
            *(stock.hold, "InvalidRequest"),
        ),
        (purchasing, order, lambda one: one.confirm(performed_by="sam"), stock.purchase_order, "InvalidState"),
        (
            *(transfers, moving.number, lambda one: one.write_off(performed_by="ann", reason="lost")),
            *(stock.transfer, "InvalidState"),
        ),
        (
            *(returns, back.number, lambda one: one.inspect(more_than_sent, performed_by="ann", inspection_id="1")),
            *(stock.customer_return, "InvalidRequest"),
        ),
        (adjusting, adjusted, lambda one: one.approve(approver="tom"), stock.adjustment, "NotPermitted"),
        (
            *(counts, counted, lambda one: one.record(on_it.product_id, 6, performed_by="ann")),
            *(stock.cycle_count, "NotPermitted"),
        ),
        (inspecting, looked_at, lambda one: one.release(performed_by="tom"), stock.inspection, "NotPermitted"),
        (
            *(recalling, recalled, lambda one: one.release(performed_by="quinn", reason="it was ours")),
            *(stock.recall, "NotPermitted"),
        ),
    ]

    async def refused(
        caller: Caller, number: str, command: Callable[[Any], Awaitable[Any]], find: Any, why: str
    ) -> None:
        document = await find(number)
        for times in (1, 2):
            with pytest.raises(DomainError) as caught:
                await command(document)
            assert (caught.value.code, await _refused_updates(caller, number)) == (why, [why] * times)

    with nothing_is_stored(engine):
        await at_once(*(refused(*case) for case in cases))
