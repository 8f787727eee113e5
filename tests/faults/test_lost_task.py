"""A worker dies with a task that has carried out several commands: each of them is carried out once, and none refused.

The next worker carries the commands out again from the first one on, whose repeat is answered with the document as it
is by then: as if the later ones had come before it.
"""

import asyncio
from collections.abc import Callable

from sqlalchemy import Engine
from temporalio.client import Client

from database.sessions import Database
from tests.faults.workplace import Workplace
from tests.support.books import level
from tests.support.reservation import lines_of
from tests.support.shop import Shop, new_reference
from tests.support.transfer import Units, arrival, arrived, units
from tests.support.wire import Json, line
from worker import working


async def test_an_order_extended_and_shipped_in_a_lost_task_takes_both(
    workplace: Callable[[], Workplace], our_client: Client, database: Database, shop: Shop, engine: Engine
) -> None:
    place, reference, item = workplace(), new_reference(), shop.item(10)
    async with place.worker():
        await place.orders.reserve(reference, (item, 3))
    await place.orders.signal(reference, "extend", {"performed_by": "shop", "ttl_minutes": 90})
    await place.orders.signal(reference, "fulfill", {"performed_by": "packer", "lines": [line(item, 3)]})
    async with place.worker("fulfill_reservation", "after") as deadly:
        await deadly.has_killed_itself()
    assert level(engine, item) == (7, 0)
    async with working(our_client, database, place.settings):
        state = await place.orders.result(reference)
    assert (state["status"], lines_of(state), state["notes"]) == ("FULFILLED", [(item, 3, 3)], [])
    assert level(engine, item) == (7, 0)


async def test_a_command_that_the_lost_task_has_not_carried_out_is_still_refused(
    workplace: Callable[[], Workplace], our_client: Client, database: Database, shop: Shop, engine: Engine
) -> None:
    place, reference, item = workplace(), new_reference(), shop.item(10)
    async with place.worker():
        await place.orders.reserve(reference, (item, 3))
    for name, minutes in [("extend", 90), ("cancel", None), ("extend", 60)]:
        asked: Json = {"performed_by": "shop"} | ({"ttl_minutes": minutes} if minutes else {"reason": "not wanted"})
        await place.orders.signal(reference, name, asked)
    async with place.worker("release_reservation", "after") as deadly:
        await deadly.has_killed_itself()
    async with working(our_client, database, place.settings):
        state = await place.orders.result(reference)
    assert state["status"] == "CANCELLED"
    refused = f"signal extend refused: InvalidState: reservation {reference} has been cancelled and can't be extended"
    assert [note.partition("UTC: ")[2] for note in state["notes"]] == [refused]
    assert level(engine, item) == (10, 0)


async def test_a_transfer_approved_twice_and_received_in_a_lost_task_takes_all(
    workplace: Callable[[], Workplace], our_client: Client, database: Database, shop: Shop, engine: Engine
) -> None:
    place, number, source = workplace(), new_reference("load"), shop.item(12)
    async with place.worker():
        await place.transfers.create(number, shop.warehouse(), [(source, 10)])
        await place.transfers.dispatch(number)
    for value in ("5.00", "6.00"):
        approval = {"approver": "lead", "value": value, "unvalued_units": 10, "note": ""}
        await place.transfers.signal(number, "approve_difference", approval)
    await place.transfers.signal(number, "receive", arrival("truck-1", arrived(source, 10)))
    async with place.worker("receive_transfer", "after") as deadly:
        await deadly.has_killed_itself()
    async with working(our_client, database, place.settings):
        state = await place.transfers.result(number)
    assert (state["status"], units(state), state["notes"]) == ("RECEIVED", [Units(10, 10)], [])
    assert level(engine, source) == (2, 0)


async def test_a_shipment_of_a_lost_task_is_told_of_although_the_order_was_cancelled_since(
    workplace: Callable[[], Workplace], our_client: Client, database: Database, shop: Shop, engine: Engine
) -> None:
    place, reference, item = workplace(), new_reference(), shop.item(10)
    async with place.worker():
        await place.orders.reserve(reference, (item, 3))
    async with place.worker("fulfill_reservation", "after") as deadly:
        shipped = asyncio.create_task(place.orders.fulfill(reference, [line(item, 2)]))
        await deadly.has_killed_itself()
    assert level(engine, item) == (8, 1)
    # Temporal gives signals to the next task before updates that no task has answered.
    await place.orders.signal(reference, "cancel", {"performed_by": "shop", "reason": "not wanted"})
    async with working(our_client, database, place.settings):
        answered = await shipped
        state = await place.orders.result(reference)
    assert (answered["status"], lines_of(answered)) == ("CANCELLED", [(item, 3, 2)])
    assert (state["status"], lines_of(state), state["notes"]) == ("CANCELLED", [(item, 3, 2)], [])
    assert level(engine, item) == (8, 0)
