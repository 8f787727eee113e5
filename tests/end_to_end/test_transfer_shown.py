"""The run as an operator and the warehouse see it without reading code."""

from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Engine
from temporalio.api.enums.v1 import EventType

from stockkeeper.contracts.messages import utc
from tests.support.commands import names
from tests.support.shop import Shop, new_reference
from tests.support.shown import finds, tells_its_commands
from tests.support.transfer import Transfers, arrived, journey
from tests.support.transfer_rows import named, stored
from tests.support.wire import Json, cells, eventually, refusal

TIMER = EventType.EVENT_TYPE_TIMER_STARTED


def _due(state: Json) -> str:
    """The search for the deadline of this state, give or take a second."""
    due = datetime.fromisoformat(state["due_at"])
    soon, late = ((due + timedelta(seconds=seconds)).isoformat() for seconds in (-1, 1))
    return f'StockDeadline>"{soon}" and StockDeadline<"{late}"'


async def test_runs_are_found_by_status_sku_warehouse_reference_and_deadline(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    item, other = shop.items(2, units=20)
    first, second, to = new_reference("load"), new_reference("load"), shop.warehouse()
    (sku, place), (other_sku, _) = names(engine, item), names(engine, other)
    _, target = names(engine, item._replace(warehouse_id=to))

    await transfers.create(first, to, [(item, 4), (other, 1)], expected_transit_hours=48)
    await transfers.create(second, to, [(item, 5)])
    both = sorted([first, second])
    mine = f'WorkflowType="TransferWorkflow" and StockSkus="{sku}"'
    await finds(
        transfers,
        {
            f'StockSkus="{sku}"': both,
            f'StockSkus="{other_sku}"': [first],
            f'StockWarehouses="{place}"': both,
            f'StockWarehouses="{target}"': both,
            f'StockReference="{first}"': [first],
            f'{mine} and StockStatus="PENDING"': both,
            f'{mine} and StockStatus="IN_TRANSIT"': [],
            # Nothing can be overdue before it has left.
            f"{mine} and StockDeadline is null": both,
            f"{mine} and StockAmount is null": both,
        },
    )
    state = await transfers.dispatch(first)
    await transfers.dispatch(second)
    await finds(
        transfers,
        {
            f'{mine} and StockStatus="IN_TRANSIT"': both,
            f'{mine} and StockStatus="PENDING"': [],
            f"{mine} and {_due(state)}": [first],
            f"{mine} and StockDeadline is null": [second],
        },
    )
    await transfers.receive(first, "truck-1", arrived(item, 4))
    await finds(transfers, {f"{mine} and {_due(state)}": [first]})
    await transfers.receive(first, "truck-2", arrived(other, 1))
    await transfers.cancel(second)
    # What is over isn't waited for.
    await finds(
        transfers,
        {
            f'{mine} and StockStatus="RECEIVED"': [first],
            f'{mine} and StockStatus="CANCELLED"': [second],
            f"{mine} and StockDeadline is null": both,
        },
    )


async def test_what_was_cancelled_in_transit_is_not_waited_for(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    number, _, _ = await journey(transfers, shop, expected_transit_hours=48)
    mine = f'StockReference="{number}"'
    await eventually(partial(transfers.found, f"{mine} and StockDeadline is not null"), [number].__eq__)
    await transfers.cancel(number)
    ended = f'{mine} and StockStatus="CANCELLED" and StockDeadline is null'
    await eventually(partial(transfers.found, ended), [number].__eq__)
    assert stored(engine, number).due_at is not None


async def test_a_list_shows_where_it_goes_and_what_is_on_its_way(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    first, second = shop.items(2, units=20)
    number, to = new_reference("load"), shop.warehouse()
    shown = {
        "from_warehouse": names(engine, first)[1],
        "to_warehouse": names(engine, first._replace(warehouse_id=to))[1],
        "units": 12,
        "requested_by": "tom",
    }

    async def memo() -> Json:
        return await (await transfers.handle(number).describe()).memo()

    await transfers.create(number, to, [(first, 7), (second, 5)])
    assert await memo() == shown | {"in_transit": 0}
    await transfers.dispatch(number)
    assert await memo() == shown | {"in_transit": 12}
    await transfers.receive(number, "truck-1", arrived(first, 2, 1), arrived(second, 4))
    assert await memo() == shown | {"in_transit": 5}
    await transfers.write_off(number)
    await transfers.result(number)
    assert await memo() == shown | {"in_transit": 0}


async def test_the_details_tell_where_it_stands_what_arrived_and_what_is_missing(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    first, second = shop.items(2, units=20)
    number, to = new_reference("load"), shop.warehouse()
    (sku, source), (other, _) = names(engine, first), names(engine, second)
    of = f"{source} → {names(engine, first._replace(warehouse_id=to))[1]}, 12 units."

    async def details() -> list[str]:
        return (await transfers.metadata(number)).current_details.splitlines()

    async def table() -> list[list[str]]:
        return [row for row in cells("\n".join(await details())) if not row[0].startswith("--")]

    async def told(*titles: str) -> None:
        """The notices, once what became of them is known."""
        logged = "notice to warehouse (logged only): "
        await eventually(
            details, lambda lines: [line.partition(logged)[2] for line in lines if logged in line] == list(titles)
        )

    await transfers.create(number, to, [(first, 7), (second, 5)], expected_transit_hours=48)
    lines = await details()
    asked = f"Requested by tom at {utc(stored(engine, number).created_at)}."
    assert lines[:3] == [f"**PENDING** · {of} Held at {source}. Next: `dispatch` or `cancel`.", "", asked]
    assert await table() == [
        ["product", "wanted", "received", "damaged", "in transit"],
        [sku, "7", "0", "0", "0"],
        [other, "5", "0", "0", "0"],
    ]

    state = await transfers.dispatch(number)
    left, due = (utc(datetime.fromisoformat(state[field])) for field in ("dispatched_at", "due_at"))
    then = "Next: `receive`, `write_off` what is missing, or `cancel`: the rest goes back to the source."
    assert (await details())[0] == f"**IN_TRANSIT** · {of} 12 units in transit. Left at {left}. Due at {due}. {then}"
    assert await table() == [
        ["product", "sent", "received", "damaged", "in transit"],
        [sku, "7", "0", "0", "7"],
        [other, "5", "0", "0", "5"],
    ]

    state = await transfers.receive(number, "truck|1", arrived(first, 6), arrived(second, 2, 3))
    at = utc(datetime.fromisoformat(state["receipts"][0]["at"]))
    damaged = f"Damaged on the way: 3 units of {named(engine, number)}"
    await told(damaged)
    lines = await details()
    assert lines[0] == f"**IN_TRANSIT** · {of} 1 unit in transit. Left at {left}. Due at {due}. {then}"
    assert (await table())[1:4] == [
        [sku, "7", "6", "0", "1"],
        [other, "5", "2", "3", "0"],
        ["receipt", "at", "by", "fit", "damaged"],
    ]
    # What makes a table is text in a name.
    assert f"|truck\\|1|{at}|dora|8|3|" in [line.replace("\u2003", "").replace("\u00a0", " ") for line in lines]

    await transfers.signal(number, "receive", {"performed_by": "dora"})
    [note] = await transfers.noted(number, 1)
    assert (await details())[-1].endswith(f" UTC: {note}")

    await transfers.write_off(number, "fell off the truck")
    await transfers.result(number)
    assert (await details())[0] == f"**RECEIVED** · {of} The rest was written off: fell off the truck."
    assert (await table())[:3] == [
        ["product", "sent", "received", "damaged", "written off", "in transit"],
        [sku, "7", "6", "0", "1", "0"],
        [other, "5", "2", "3", "0", "0"],
    ]
    await told(damaged, f"Written off: 1 unit of {named(engine, number)}: fell off the truck")


async def test_each_end_says_what_it_is(transfers: Transfers, shop: Shop) -> None:
    async def told(number: str) -> tuple[str, list[str]]:
        await transfers.result(number)
        lines = (await transfers.metadata(number)).current_details.splitlines()
        status, _, rest = lines[0].partition(" · ")
        return f"{status} {rest.partition(', 10 units. ')[2]}", cells("\n".join(lines))[0]

    one = await journey(transfers, shop)
    await transfers.receive(one.number, "truck-1", arrived(one.source, 10))
    assert (await told(one.number))[0] == "**RECEIVED** It is there."
    one = await journey(transfers, shop)
    await transfers.cancel(one.number, "wrong truck")
    assert await told(one.number) == (
        "**CANCELLED** Nothing is on its way any more: wrong truck.",
        ["product", "sent", "received", "damaged", "returned", "in transit"],
    )
    one = await journey(transfers, shop, "PENDING")
    await transfers.cancel(one.number)
    assert await told(one.number) == (
        "**CANCELLED** Nothing is on its way any more: not needed.",
        ["product", "wanted", "received", "damaged", "in transit"],
    )


async def test_a_transfer_that_is_rejected_says_what_was_short(
    transfers: Transfers, shop: Shop, engine: Engine
) -> None:
    first, second = shop.items(2, units=4)
    number, place = new_reference("load"), f"warehouse {first.warehouse_id}"
    refused = await refusal(transfers.create(number, shop.warehouse(), [(first, 5), (second, 7)]))
    await transfers.result(number)
    details = (await transfers.metadata(number)).current_details
    assert details.splitlines()[0] == f"**REJECTED** · Out of stock: nothing was held for transfer {number}."
    assert cells(details)[::2][:1] + cells(details)[2:] == [
        ["product", "warehouse", "requested", "available"],
        [f"product {first.product_id}", place, "5", "4"],
        [f"product {second.product_id}", place, "7", "4"],
    ]
    assert details.splitlines()[-1].endswith(f" UTC: rejected: {refused.message}")
    query = f'StockReference="{number}" and StockStatus="REJECTED"'
    await eventually(partial(transfers.found, query), [number].__eq__)


async def test_the_run_tells_its_commands(transfers: Transfers, shop: Shop) -> None:
    number, _, _ = await journey(transfers, shop, "PENDING")
    await tells_its_commands(
        *(transfers, number, "approve_difference", "cancel", "dispatch", "give_way", "receive", "write_off")
    )


async def test_the_time_when_it_is_due_is_a_timer_with_a_name(transfers: Transfers, shop: Shop) -> None:
    one = await journey(transfers, shop, "PENDING", expected_transit_hours=48)
    assert await transfers.summaries(one.number, TIMER) == []
    state = await transfers.dispatch(one.number)
    timer = f"overdue from {utc(datetime.fromisoformat(state['due_at']))}"
    await eventually(lambda: transfers.summaries(one.number, TIMER), [timer].__eq__)
    await transfers.receive(one.number, "truck-1", arrived(one.source, 4))
    await transfers.receive(one.number, "truck-2", arrived(one.source, 6))
    await transfers.result(one.number)
    assert await transfers.summaries(one.number, TIMER) == [timer]
    assert len(await transfers.history(one.number, EventType.EVENT_TYPE_TIMER_CANCELED)) == 1
    never = await journey(transfers, shop)
    await transfers.write_off(never.number)
    await transfers.result(never.number)
    assert await transfers.summaries(never.number, TIMER) == []


async def test_each_step_says_what_it_does(transfers: Transfers, shop: Shop, engine: Engine) -> None:
    first, second = shop.items(2, units=20)
    number, other, to = new_reference("load"), new_reference("load"), shop.warehouse()
    await transfers.dispatched(number, to, [(first, 9), (second, 1)])
    await transfers.receive(number, "truck-1", arrived(first, 3, 2), arrived(second, 1))
    await transfers.write_off(number, "fell off the truck")
    await transfers.result(number)
    # All of it on the hot path: only the notices went through the task queue.
    assert await transfers.summaries(number, EventType.EVENT_TYPE_MARKER_RECORDED) == [
        "hold 2 lines at the source",
        "dispatched by sid",
        "receipt truck-1: 4 units, 2 damaged",
        "write off what is missing: fell off the truck",
    ]
    assert await transfers.summaries(number, EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED) == [
        f"notice to warehouse: Damaged on the way: 2 units of {named(engine, number)}",
        f"notice to warehouse: Written off: 4 units of {named(engine, number)}: fell off the truck",
    ]
    await transfers.create(other, to, [(first, 9)])
    await transfers.cancel(other, "wrong truck")
    await transfers.result(other)
    steps = await transfers.summaries(other, EventType.EVENT_TYPE_MARKER_RECORDED)
    assert steps[1:] == ["cancelled by tom: wrong truck"]
